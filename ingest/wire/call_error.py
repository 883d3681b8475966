"""What a small call that failed for good means for the run, with what to do about it.

Exit 2 or 7 for a token that is refused: it is a matter of settings while the service has taken
nothing yet and the token never worked or lacks rights, and of "later, with another one" for one
that worked. Whoever sends batches decides the same of theirs (`delivery`), in the same words.
"""

from __future__ import annotations

from ingest.errors import (
    Ambiguous,
    IngestError,
    QuotaExceeded,
    Retryable,
    SettingsError,
    StoppedByService,
    TargetError,
    Trouble,
    Unauthorized,
)
from ingest.wire.tokens import Blame

HINT_CERTIFICATE = "TLS is always verified: name the authority with ca_file, or mend the host name"
HINT_TOKEN = "check the token in the environment or in the service's profile"  # noqa: S105 - no token
HINT_RIGHTS = "give the token the rights that the job needs, or take one that has them"
HINT_RENEW = "renew the token, then run the same command again"
STOPPED: tuple[tuple[type[Trouble], str], ...] = (
    (QuotaExceeded, "the quota is used up: run again when the service grants more"),
    (Retryable, "the service could not be reached or is too busy: run again later"),
    (Ambiguous, "the service gives no proper answers: run again later"),
)


class CallError(TargetError):
    """The service refused a small call for good; `status` is its HTTP status."""

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


def as_error(trouble: Trouble, what: str, *, hopeless: bool) -> IngestError:
    """The error for `what`, a call; `hopeless`: to try again soon would not help."""
    if hopeless:
        return CallError(f"{what}: {trouble.message}", HINT_CERTIFICATE)
    for kind, hint in STOPPED:
        if isinstance(trouble, kind):
            return StoppedByService(f"{what}: {trouble.message}", hint)
    return CallError(f"{what}: {trouble.message}", status=trouble.status)


def refused(
    trouble: Unauthorized, blamed: Blame, what: str, *, worked: bool, has_sent: bool
) -> IngestError:
    """The error for a refused token. `worked`: it was taken before, at `what` or elsewhere;
    `has_sent`: records were sent, or perhaps."""
    about_rights = blamed is not Blame.TOKEN and not has_sent
    if about_rights or not worked:
        hint = HINT_RIGHTS if blamed is Blame.RIGHTS else HINT_TOKEN
        return SettingsError(f"{what}: the token is refused: {trouble.message}", hint)
    words = f"{what}: a token that worked is refused now: {trouble.message}"
    return StoppedByService(words, HINT_RENEW)
