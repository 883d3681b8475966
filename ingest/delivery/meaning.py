"""What a trouble means for the run: which of them no record caused. Pure.

A refusal that stands here stops the run and leaves the batch *unsent*; every other refusal is a
matter of the records, and the batch is taken apart (`isolation`).
"""

from __future__ import annotations

from ingest.errors import (
    IngestError,
    NotFound,
    QuotaExceeded,
    StoppedByService,
    TargetError,
    Trouble,
    Unauthorized,
)
from ingest.wire.call_error import refused
from ingest.wire.tokens import blame

REFUSALS = range(400, 501)  # 500 only as "request too large", which has a class of its own
_LATER = "run the same command again later"


def error_of(trouble: Trouble, shown: str, *, has_worked: bool) -> IngestError | None:
    """The error that stops the run, if no record is at fault. `has_worked`: the service has taken
    a body before, with this token."""
    match trouble:
        case QuotaExceeded():
            return StoppedByService(f"{shown}: the quota is used up: {trouble.message}", _LATER)
        case Unauthorized():
            return refused(trouble, blame(trouble), shown, worked=has_worked, has_sent=has_worked)
        case NotFound():
            return TargetError(f"{shown}: not found: {trouble.message}", "see target.table")
    if trouble.status is not None and trouble.status not in REFUSALS:
        return TargetError(f"{shown}: {trouble.message}", "see target.base_url")
    return None


def systematic(trouble: Trouble, shown: str) -> TargetError:
    """Nothing lands at all."""
    return TargetError(
        f"{shown}: refuses every request; the last words: {trouble.message}",
        "no single record is at fault: compare the fields with the table",
    )


def outage(trouble: Trouble) -> StoppedByService:
    """Tried again and again, for as long as the job allows."""
    return StoppedByService(
        f"the service did not take a batch within the retry budget: {trouble.message}",
        "run the same command again later; limits.retry_budget_s sets the budget",
    )
