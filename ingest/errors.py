"""The error tree: whose fault it is decides the class, and the class decides what happens next.

Three kinds of trouble are kept apart. A *record's* trouble is no exception at all but data
(`model.Reject`). A *batch's* trouble is a `Trouble`: `Retryable` (surely not applied), `Ambiguous`
(perhaps applied) or `Permanent`. A *run's* trouble is an `IngestError`, which always says what is
wrong, and in `hint` what to do about it; its `exit_code` is the process's.

Exit codes (the contract): 2 usage or settings · 5 another run holds this job · 1 failed · 130/143
interrupted · 7 stopped by the service · 4 reject limit passed.
"""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=Exception)


class IngestError(Exception):
    """A run can't start or go on. `retryable` says whether the same command may succeed later."""

    exit_code = 1
    retryable = False
    kind = "failed"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(IngestError):
    """The job, the command line or a credential is wrong. Nothing was sent."""

    exit_code = 2
    kind = "settings"


class SourceError(IngestError):
    """An input can't be read to its end: missing, cut short, changed under the run."""

    kind = "source"


class TargetError(IngestError):
    """The service refuses something that no retry mends: a missing table, a systematic refusal."""

    kind = "target"


class JobHeld(IngestError):  # noqa: N818 - it says what happened
    """Another run holds this job."""

    exit_code = 5
    retryable = True
    kind = "held"


class StoppedByService(IngestError):  # noqa: N818 - it says what happened
    """The service does not serve us now (token, quota, an outage beyond the budget): run again."""

    exit_code = 7
    retryable = True
    kind = "stopped_by_service"


class RejectLimitPassed(IngestError):  # noqa: N818 - it says what happened
    """More records were rejected than `[rejects]` allows."""

    exit_code = 4
    kind = "reject_limit"


class Trouble(Exception):  # noqa: N818 - it says what happened
    """One attempt to send one batch did not end in acceptance.

    `message` holds the service's words or the failure's; `status` the HTTP status if there was an
    answer; `retry_after_s` what a Retry-After header asked for; `record` the place in the body
    (from 0) of the one record that the service refused, where it named one: a stranger's word.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        record: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        self.record = record


class Retryable(Trouble):
    """Surely not applied: the same bytes may be sent again."""


class Ambiguous(Trouble):
    """Perhaps applied: sending again may double it, not sending may lose it."""


class Permanent(Trouble):
    """Not applied, and sending the same bytes again would not help."""


class TooLarge(Permanent):
    """The service takes no body of this size (413): split it."""


class Unauthorized(Permanent):
    """401 or 403: the token is missing, wrong or no longer valid."""


class NotFound(Permanent):
    """404: the endpoint or the table does not exist."""


class QuotaExceeded(Permanent):
    """429 `Quota Exceeded`: not a matter of pace; the run stops, resumable."""


def only_cause(exc: Exception) -> Exception:
    """What really failed: the only leaf of a task group's exception group, else `exc` itself."""
    while isinstance(exc, ExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return exc


def as_data(error: E) -> E:
    """The same error, to be kept: without the calls that it was raised in. They hold what they
    worked on, a block with its columns or a body, and a kept error would hold that, and they it,
    until somebody looks for garbage."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
