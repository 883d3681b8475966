"""Rehearsed trouble: which of a run's requests go wrong, and how. Pure and seeded.

A spec is text such as `429:5%`; its forms are in `FORMS`. Only requests that carry records are
hit; they are numbered from 1 as they arrive, and the decision is a function of (seed, place of the
spec, number) alone: no state, no clock, the same on every machine and in any interleaving. So two
runs with one seed have the same fates in the same order.

`slow` adds up with everything else; of the other specs the first that hits decides.

What each rehearses:

- a status: the body was read and nothing was done, as a busy server or a proxy answers;
- `reset-before`: the body was read, nothing was done, the connection is aborted (RST): the client
  can't know that nothing was done;
- `reset-after-commit`: done, and then the same: the client can't know that it was;
- `commit-late`: aborted at once, done after the delay: who looks too early finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

FORMS: Final = (
    "STATUS:WHEN, STATUS:WHEN:RETRY_AFTER, reset-before:WHEN, reset-after-commit:WHEN, "
    "slow:DELAY:WHEN, commit-late:DELAY:WHEN; STATUS is 400 to 599, WHEN is 5% or first3, "
    "DELAY and RETRY_AFTER are 200ms or 2s"
)
STATUS, RESET_BEFORE, RESET_AFTER = "status", "reset-before", "reset-after-commit"
SLOW, COMMIT_LATE = "slow", "commit-late"

_SHARE = re.compile(r"(\d+(?:\.\d+)?)%", re.ASCII)
_FIRST = re.compile(r"first(\d{1,9})", re.ASCII)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)(ms|s)", re.ASCII)
_ERROR_STATUS = re.compile(r"[45]\d\d", re.ASCII)


class FaultError(ValueError):
    """A fault spec that can't be understood; the message names the right forms."""


@dataclass(frozen=True, slots=True)
class When:
    """Which requests are hit: a `share` of all (0 to 1), or the `first` n."""

    share: float = 0.0
    first: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One spec, parsed. `delay_s` is the wait of slow and commit-late, or a Retry-After."""

    kind: str
    when: When
    status: int = 0
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fate:
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
        case [("reset-before" | "reset-after-commit") as kind, when]:
            return Fault(kind, _when(spec, when))
        case [("slow" | "commit-late") as kind, delay, when]:
            return Fault(kind, _when(spec, when), delay_s=_delay_s(spec, delay))
    raise _unclear(spec)


def fate(faults: Sequence[Fault], seed: int, number: int) -> Fate:
    """What happens to the request with that number, counted from 1."""
    hits = [f for place, f in enumerate(faults) if _is_hit(f.when, seed, place, number)]
    slow_s = sum(f.delay_s or 0.0 for f in hits if f.kind == SLOW)
    return Fate(slow_s, next((f for f in hits if f.kind != SLOW), None))


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
