"""A table in memory whose commits come when they are told to, and a run that may be ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio.lowlevel

from ingest.errors import StoppedByService
from ingest.model import Batch, Limits
from ingest.pack import MemoryEnvelope
from tests.batches import made_batch
from tests.fakes import JumpingClock

Rows = list[dict[str, Any]]
ARRAY = MemoryEnvelope(b"[", b"]", b",\n", Limits())
LINES = MemoryEnvelope(b"", b"", b"\n", Limits())
NAMED = MemoryEnvelope(b'{"records":[', b'],"upsert_key":"k"}', b",\n", Limits())


class FakeTable:
    """Rows that are there, and rows that come at an instant. Counts as a service would."""

    def __init__(self, clock: JumpingClock, rows: Rows | None = None) -> None:
        self.shown = "a fake"
        self.envelope = ARRAY
        self.clock = clock
        self.rows = rows or []
        self.coming: list[tuple[float, Rows]] = []
        self.asked_at: list[float] = []
        self.down_at: set[int] = set()  # the numbers of the questions that are not answered

    def comes(self, at_s: float, rows: Rows) -> None:
        """A commit that is under way until the clock shows `at_s`."""
        self.coming.append((at_s, rows))

    async def count_where(self, column: str, value: str | int) -> int:
        return await self._count(lambda row: row.get(column) == value)

    async def count_any(self, column: str, values: Sequence[str | int]) -> int:
        return await self._count(lambda row: row.get(column) in values)

    async def count_ranges(self, column: str, ranges: Sequence[tuple[int, int]]) -> int:
        return await self._count(lambda row: any(a <= row[column] <= b for a, b in ranges))

    async def _count(self, holds: Callable[[dict[str, Any]], bool]) -> int:
        await anyio.lowlevel.checkpoint()
        now = self.clock.monotonic()
        self.asked_at.append(now)
        if len(self.asked_at) in self.down_at:
            raise StoppedByService("a fake: gives no proper answers", "run again later")
        there = self.rows + [row for at_s, rows in self.coming if at_s <= now for row in rows]
        return sum(map(holds, there))


class Run:
    """What waits for the settlers. `ending`: the run is being ended."""

    def __init__(self, clock: JumpingClock) -> None:
        self.clock = clock
        self.ending = False

    async def wait_until(self, instant_s: float) -> bool:
        if not self.ending:
            await self.clock.sleep(max(0.0, instant_s - self.clock.monotonic()))
        return not self.ending


def stamped(count: int, stamp: str = "r:7", first: int = 0) -> Rows:
    """Records with a stamp, an id and a key of their own."""
    numbers = range(first, first + count)
    return [{"id": 1000 + n, "k": f"k{n}", "stamp": stamp, "t": "x,\\n\n"} for n in numbers]


def batch_of(records: Rows, envelope: MemoryEnvelope = ARRAY, number: int = 7) -> Batch:
    """Their batch."""
    return made_batch(envelope, records, number)
