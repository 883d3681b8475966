"""What a trouble means for the run: which of them no record caused. Pure.

A refusal that stands here stops the run and leaves the batch *unsent*; every other refusal is a
matter of the records, and the batch is taken apart (`isolation`).
"""

from __future__ import annotations

from ingest.errors import (
    IngestError,
    NotFound,
    QuotaExceeded,
    SettingsError,
    StoppedByService,
    TargetError,
    Trouble,
    Unauthorized,
)

REFUSALS = range(400, 501)  # 500 only as "request too large", which has a class of its own
_LATER = "run the same command again later"
_TOKEN = "check the token in the environment or in the service's profile"  # noqa: S105 - no token


def error_of(trouble: Trouble, shown: str, *, has_worked: bool) -> IngestError | None:
    """The error that stops the run, if no record is at fault. `has_worked`: the service has taken
    a body before, with this token."""
    match trouble:
        case QuotaExceeded():
            return StoppedByService(f"{shown}: the quota is used up: {trouble.message}", _LATER)
        case Unauthorized() if not has_worked:
            return SettingsError(f"{shown}: the token is refused: {trouble.message}", _TOKEN)
        case Unauthorized():
            return StoppedByService(
                f"{shown}: a token that worked is refused now: {trouble.message}",
                "renew the token, then run the same command again",
            )
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
