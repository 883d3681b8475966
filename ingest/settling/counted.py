"""Settling by count: the rows that bear a batch's stamp, or that have its ids.

Both are exact, whatever the service does with a batch of which it takes a part: all of the batch's
records must be there, none of them, or a person must look.

*The stamp.* Halves of a batch that was taken apart bear the stamp of the whole, so what landed of
it before (`landed`) is taken off the count. Where that is not known, the stamp settles nothing.

*The ids.* They are asked for as runs of consecutive ids, so that no row is counted which the batch
did not bring: gaps are left by rejected records, and records that were mended and sent later have
ids in the midst of others. A batch from one file is one run and one request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from ingest.model import Batch
from ingest.protocols import Clock
from ingest.settling.bodies import Framed, ids_of, runs, stamp_of
from ingest.settling.looks import (
    CountMismatch,
    Look,
    Note,
    Patience,
    SettleRules,
    WaitUntil,
    answered,
    judged,
    silent,
    watched,
)


class CountsStamps(Protocol):
    """What the stamp needs of a target."""

    @property
    def shown(self) -> str:
        """The target in a few words."""
        ...

    @property
    def envelope(self) -> Framed:
        """How its bodies are framed."""
        ...

    async def count_where(self, column: str, value: str | int) -> int:
        """Rows whose `column` is exactly `value`; IngestError where it can't be asked."""
        ...


class CountsIds(Protocol):
    """What the ids need of a target."""

    @property
    def shown(self) -> str:
        """The target in a few words."""
        ...

    @property
    def envelope(self) -> Framed:
        """How its bodies are framed."""
        ...

    async def count_ranges(self, column: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Rows whose `column` is in one of `ranges`, bounds included, which don't overlap."""
        ...


class StampSettler:
    """`protocols.Settler` by the text that a batch's records bear in one column."""

    def __init__(
        self,
        target: CountsStamps,
        column: str,
        rules: SettleRules,
        clock: Clock,
        note: Note = silent,
    ) -> None:
        self._target = target
        self._column = column
        self._rules = rules
        self._clock = clock
        self._note = note

    async def prepare(self, batch: Batch) -> bool:  # noqa: ARG002 - the protocol's signature
        """Nothing is to be asked beforehand: no other run has this stamp."""
        return True

    async def settle(
        self, batch: Batch, since_s: float, wait_until: WaitUntil, landed: int | None = 0
    ) -> bool | None:
        """See `protocols.Settler`. Raises CountMismatch."""
        stamp = stamp_of(batch, self._target.envelope, self._column)
        if stamp is None or landed is None:
            return None
        before = landed

        async def count() -> int:
            return await self._target.count_where(self._column, stamp) - before

        patience = Patience(since_s + self._rules.longest_server_s, self._clock, wait_until)
        rows = f"rows whose {self._column} is {stamp!r}"
        also = f" besides {before:,} that were accepted before" if before else ""
        counted = Counted(f"{self._target.shown}: {rows}{also}", batch, count)
        return await settled(counted, patience, self._note)


class IdSettler:
    """`protocols.Settler` by ids that were derived before the batch was sent."""

    def __init__(
        self,
        target: CountsIds,
        rules: SettleRules,
        clock: Clock,
        note: Note = silent,
        column: str = "id",
    ) -> None:
        self._target = target
        self._rules = rules
        self._clock = clock
        self._note = note
        self._column = column

    async def prepare(self, batch: Batch) -> bool:  # noqa: ARG002 - the protocol's signature
        """Nothing is to be asked beforehand: the ids' ranges were empty at the run's start."""
        return True

    async def settle(
        self,
        batch: Batch,
        since_s: float,
        wait_until: WaitUntil,
        landed: int | None = 0,  # noqa: ARG002 - other halves have other ids
    ) -> bool | None:
        """See `protocols.Settler`. Raises CountMismatch."""
        ids = ids_of(batch, self._target.envelope, self._column)
        if ids is None:
            return None
        ranges = runs(ids)

        async def count() -> int:
            return await self._target.count_ranges(self._column, ranges)

        patience = Patience(since_s + self._rules.longest_server_s, self._clock, wait_until)
        rows = f"rows whose {self._column} is one of the batch's, {ids[0]} to {ids[-1]}"
        counted = Counted(f"{self._target.shown}: {rows}", batch, count)
        return await settled(counted, patience, self._note)


class Counted(Struct, frozen=True):
    """A question whose answer is how many of a batch's records are in the table.

    `rows` says in words which rows those are, and where."""

    rows: str
    batch: Batch
    count: Callable[[], Awaitable[int]]


async def settled(counted: Counted, patience: Patience, note: Note) -> bool | None:
    """What the counts agree on. Raises CountMismatch."""
    found: int | None = None

    async def look() -> Look:
        nonlocal found
        found = await answered(counted.count(), note)
        return Look.UNKNOWN if found is None else judged(found, counted.batch.count)

    seen = await watched(look, patience)
    if seen in (Look.TORN, Look.EXCESS):
        raise _mismatch(counted, found or 0)
    return {Look.WHOLE: True, Look.ABSENT: False}.get(seen)


def _mismatch(counted: Counted, found: int) -> CountMismatch:
    batch = counted.batch
    what = "a part of it" if found < batch.count else "more than was sent"
    return CountMismatch(
        f"{counted.rows}: {found:,}, but batch {batch.number} has {batch.count:,} records:"
        f" the service holds {what}",
        "compare these rows with the batch's records, which the report names under `ambiguous`",
    )
