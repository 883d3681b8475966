"""Looking again until it is settled: the first look at once, the last after the server's time.

Why several looks. A commit that is under way when the answer is lost shows later, at the latest
after the request's longest server time, which is a setting because no service publishes it. Looking
only at its end would hold up a writer for a minute when most late commits take seconds, so between
the first look and the last there are others, each after twice the time of the one before: six
small requests in sixty seconds.

The wait belongs to the caller: it ends early when the run is being ended, and then the batch is not
settled (a later run may ask again). Nothing is held while waiting but the caller's own task.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable

from msgspec import Struct

from ingest.errors import IngestError, TargetError
from ingest.protocols import Clock

FIRST_GAP_S = 1.0

Note = Callable[[str], None]
# Waits until the monotonic clock says so; False at once if the run is being ended.
WaitUntil = Callable[[float], Awaitable[bool]]


class CountMismatch(TargetError):  # noqa: N818 - it says what happened
    """The table holds a part of a batch, or more than the batch: a person must look."""

    exit_code = 6
    kind = "count_mismatch"


class SettleRules(Struct, frozen=True):
    """`longest_server_s`: the longest time in which the service may still commit a request that it
    has received, counted from when it had the whole body."""

    longest_server_s: float = 60.0


class Look(enum.Enum):
    """What one look showed of a batch's records."""

    WHOLE = "all of them are there"
    ABSENT = "none of them is there"
    TORN = "some of them are there"
    EXCESS = "there are more than all of them"
    UNKNOWN = "it could not be told"


class Patience(Struct, frozen=True):
    """How long absence proves nothing: until the monotonic clock shows `due_s`."""

    due_s: float
    clock: Clock
    wait_until: WaitUntil


def judged(found: int, expected: int) -> Look:
    """What `found` rows say of a batch of `expected` records, which are at least one."""
    if found == 0:
        return Look.ABSENT
    if found == expected:
        return Look.WHOLE
    return Look.TORN if found < expected else Look.EXCESS


async def watched(look: Callable[[], Awaitable[Look]], patience: Patience) -> Look:
    """What the looks agree on: two of them at least before ABSENT or TORN is the answer, and the
    last after `due_s`. UNKNOWN also where the run is ended meanwhile, or records went again."""
    gap_s = FIRST_GAP_S
    again = torn = False
    while True:
        late = patience.clock.monotonic() >= patience.due_s
        seen = await look()
        if seen not in (Look.ABSENT, Look.TORN):
            return seen
        torn |= seen is Look.TORN
        if late and again:
            return Look.UNKNOWN if torn and seen is Look.ABSENT else seen
        next_s = min(patience.clock.monotonic() + gap_s, patience.due_s)
        if not await patience.wait_until(next_s):
            return Look.UNKNOWN
        again, gap_s = True, gap_s * 2


async def answered(question: Awaitable[int], note: Note) -> int | None:
    """The answer, or None where the service gives none; it was asked as often as its client does.

    The words are noted, since what follows from None is that a batch may be sent twice.
    """
    try:
        return await question
    except IngestError as error:
        note(f"a lost answer could not be settled: {error.message}")
        return None


def silent(_message: str) -> None:
    """No notes."""
