"""Rehearsed trouble: which of a run's requests go wrong, and how. Pure and seeded.

A spec is text such as `429:5%`; its forms are in `FORMS`. Each kind has a scope, the kind of
request it strikes: `RECORDS` (a body with records), or a step of aito's file upload: `INIT`, `PUT`,
`TRIGGER`, `STATUS_CALL`. The requests of a scope are numbered from 1 as they arrive, for that scope
alone, and the decision is a function of (seed, place of the spec, number): no state, no clock, the
same on every machine and in any interleaving. So two runs with one seed have the same fates in the
same order, and a spec of another scope changes nothing for this one.

`slow` and `slow-processing` add up with everything else of their scope; of the other specs the
first that hits decides.

What each rehearses:

- a status: the body was read and nothing was done, as a busy server or a proxy answers;
- `reset-before`: the body was read, nothing was done, the connection is aborted (RST): the client
  can't know that nothing was done;
- `reset-after-commit`: done, and then the same: the client can't know that it was;
- `commit-late`: aborted at once, done after the delay: who looks too early finds nothing;
- `throttled`, `quota`, `contention`: aito's own three ways to say "not now" (`aito.md`: seen): 429
  with `x-error-cause: Throttled` or `Quota Exceeded`, 409 with the code `write.contention`;
- `expired-url`: the file upload's URL has expired when it is given out;
- `s3-slowdown`: the PUT is answered 503 SlowDown, and nothing is kept;
- `trigger-lost`: the processing starts, and the trigger is answered 500;
- `slow-processing`: the triggered processing waits before it starts;
- `status-backwards`: a status answer shows less than an earlier one did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msgspec import Struct

FORMS: Final = (
    "STATUS:WHEN, STATUS:WHEN:RETRY_AFTER, reset-before:WHEN, reset-after-commit:WHEN, "
    "slow:DELAY:WHEN, commit-late:DELAY:WHEN; for aito also throttled:WHEN, "
    "throttled:WHEN:RETRY_AFTER, quota:WHEN, contention:WHEN, and for its file upload "
    "expired-url:WHEN, s3-slowdown:WHEN, trigger-lost:WHEN, slow-processing:DELAY:WHEN, "
    "status-backwards:WHEN; STATUS is 400 to 599, WHEN is 5% or first3, "
    "DELAY and RETRY_AFTER are 200ms or 2s"
)
STATUS, RESET_BEFORE, RESET_AFTER = "status", "reset-before", "reset-after-commit"
SLOW, COMMIT_LATE = "slow", "commit-late"
THROTTLED, QUOTA, CONTENTION = "throttled", "quota", "contention"
EXPIRED_URL, S3_SLOWDOWN, TRIGGER_LOST = "expired-url", "s3-slowdown", "trigger-lost"
SLOW_PROCESSING, STATUS_BACKWARDS = "slow-processing", "status-backwards"

RECORDS, INIT, PUT, TRIGGER, STATUS_CALL = "records", "init", "put", "trigger", "status"
_SCOPES = {
    EXPIRED_URL: INIT, S3_SLOWDOWN: PUT, TRIGGER_LOST: TRIGGER, SLOW_PROCESSING: TRIGGER,
    STATUS_BACKWARDS: STATUS_CALL,
}  # fmt: skip
_PLAIN = frozenset(
    {RESET_BEFORE, RESET_AFTER, THROTTLED, QUOTA, CONTENTION}
    | {EXPIRED_URL, S3_SLOWDOWN, TRIGGER_LOST, STATUS_BACKWARDS}
)
_DELAYED = frozenset({SLOW, COMMIT_LATE, SLOW_PROCESSING})
_ADDING_UP = frozenset({SLOW, SLOW_PROCESSING})

_SHARE = re.compile(r"(\d+(?:\.\d+)?)%", re.ASCII)
_FIRST = re.compile(r"first(\d{1,9})", re.ASCII)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)(ms|s)", re.ASCII)
_ERROR_STATUS = re.compile(r"[45]\d\d", re.ASCII)


class FaultError(ValueError):
    """A fault spec that can't be understood; the message names the right forms."""


class When(Struct, frozen=True):
    """Which requests are hit: a `share` of all (0 to 1), or the `first` n."""

    share: float = 0.0
    first: int = 0


class Fault(Struct, frozen=True):
    """One spec, parsed. `delay_s` is the wait of a kind that waits, or else a Retry-After."""

    kind: str
    when: When
    status: int = 0
    delay_s: float | None = None

    @property
    def scope(self) -> str:
        """The kind of request that it strikes."""
        return _SCOPES.get(self.kind, RECORDS)


class Fate(Struct, frozen=True):
    """What happens to one request: a wait, and at most one fault after it."""

    slow_s: float = 0.0
    fault: Fault | None = None


def parsed(spec: str) -> Fault:
    """The fault that `spec` describes. Raises `FaultError`."""
    match spec.strip().split(":"):
        case [status, when] if _ERROR_STATUS.fullmatch(status):
            return Fault(STATUS, _when(spec, when), int(status))
        case [status, when, retry_after] if _ERROR_STATUS.fullmatch(status):
            return Fault(STATUS, _when(spec, when), int(status), _delay_s(spec, retry_after))
        case [kind, when] if kind in _PLAIN:
            return Fault(kind, _when(spec, when))
        case ["throttled" as kind, when, retry_after]:
            return Fault(kind, _when(spec, when), delay_s=_delay_s(spec, retry_after))
        case [kind, delay, when] if kind in _DELAYED:
            return Fault(kind, _when(spec, when), delay_s=_delay_s(spec, delay))
    raise _unclear(spec)


def fate(faults: Sequence[Fault], seed: int, number: int, scope: str = RECORDS) -> Fate:
    """What happens to the request with that number in its scope, counted from 1."""
    hits = [
        fault
        for place, fault in enumerate(faults)
        if fault.scope == scope and _is_hit(fault.when, seed, place, number)
    ]
    slow_s = sum(f.delay_s or 0.0 for f in hits if f.kind in _ADDING_UP)
    return Fate(slow_s, next((f for f in hits if f.kind not in _ADDING_UP), None))


def _is_hit(when: When, seed: int, place: int, number: int) -> bool:
    return number <= when.first or _chance(seed, place, number) < when.share


def _chance(seed: int, place: int, number: int) -> float:
    """A number from 0 to 1 (exclusive), as even as a hash is."""
    digest = blake2b(f"{seed}:{place}:{number}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def _when(spec: str, text: str) -> When:
    if match := _FIRST.fullmatch(text):
        return When(first=int(match[1]))
    if (match := _SHARE.fullmatch(text)) and float(match[1]) <= 100:
        return When(share=float(match[1]) / 100)
    raise _unclear(spec)


def _delay_s(spec: str, text: str) -> float:
    match = _DELAY.fullmatch(text)
    if match is None:
        raise _unclear(spec)
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _unclear(spec: str) -> FaultError:
    return FaultError(f"the fault {spec[:80]!r} is not understood; the forms are: {FORMS}")
