"""Stand-ins for the parts around the engine: a clock that jumps, a source, a shaper, a target.

Records here are single lines of text, already "encoded": `b"r1,\\n"`. A line that begins with `!`
is a record that shaping rejects.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

from ingest.errors import SourceError, Trouble
from ingest.kept import Kept
from ingest.model import (
    Batch,
    Block,
    FileInfo,
    Layout,
    Limits,
    Place,
    Reject,
    Schema,
    Segment,
    Shaped,
    ShapedSegment,
    Verdict,
)
from ingest.pack import MemoryEnvelope
from ingest.protocols import TableWish

NDJSON = Layout("ndjson")


class JumpingClock:
    """A clock whose sleeps take no time: the clock jumps instead, and others get their turn."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(seconds, 0.0)
        await anyio.lowlevel.checkpoint()


def block(number: int, lines: Sequence[str], file: int = 0) -> Block:
    """A block of one file's lines."""
    data = "".join(f"{line}\n" for line in lines).encode()
    info = FileInfo(file, f"f{file}")
    return Block(number, data, NDJSON, (Segment(info, 0, len(data), 0, first_line=None),))


class ListSource:
    """Gives these blocks; then raises, if told to."""

    def __init__(self, blocks: Sequence[Block], error: SourceError | None = None) -> None:
        self._blocks = blocks
        self._error = error
        self.given = 0
        self.closed = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.closed = True

    async def blocks(self) -> AsyncGenerator[Block, None]:
        for one in self._blocks:
            await anyio.lowlevel.checkpoint()
            self.given += 1
            yield one
        if self._error is not None:
            raise self._error


class LineShaper:
    """Lines travel as they are; those that begin with `!` are rejects. `keyed`: `key=rest`."""

    def __init__(self, *, keyed: bool = False) -> None:
        self.keyed = keyed

    def __call__(self, one: Block) -> Shaped:
        lines = one.data.decode().splitlines()
        good = [line for line in lines if not line.startswith("!")]
        buffer = "".join(f"{line},\n" for line in good).encode()
        rejects = tuple(
            Reject(
                one.segments[0].file.shown,
                n,
                0,
                n,
                "coerce",
                "bad",
                "is bad",
                line.encode(),
                "c",
                "f",
            )
            for n, line in enumerate(lines, 1)
            if line.startswith("!")
        )
        keys = tuple(line.partition("=")[0] for line in good) if self.keyed else None
        segment = ShapedSegment(0, len(buffer), len(lines), len(lines), rejects, keys)
        return Shaped(one, buffer, (segment,), Kept(one))

    def locate(self, one: Block, segment: int, records: Sequence[int]) -> Sequence[Place]:
        lines = one.data.decode().splitlines()
        return [Place(n, n, 0, lines[n - 1].encode()) for n in records]


def records_in(batch: Batch) -> list[str]:
    """The records of a body in `[r1,\\nr2]`, read back from its bytes."""
    text = b"".join(batch.body).decode()
    assert text[0] == "["
    assert text[-1] == "]"
    return text[1:-1].split(",\n")


Behaviour = Callable[[Batch, int], Awaitable[Trouble | None]]


class ScriptedTarget:
    """Takes bodies as `behaviour` says: it gets the batch and the number of the attempt (from 1)
    and returns the trouble to raise, or None to accept. `table` holds what was accepted."""

    def __init__(self, behaviour: Behaviour | None = None, limits: Limits | None = None) -> None:
        self._behaviour = behaviour
        self.envelope = MemoryEnvelope(b"[", b"]", b",\n", limits or Limits(10, 1000))
        self.shown = "a fake"
        self.table: list[str] = []
        self.attempts = 0
        self.now = 0
        self.most_at_once = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        yield

    async def send(self, batch: Batch) -> Verdict:
        self.attempts += 1
        attempt = self.attempts
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            await anyio.lowlevel.checkpoint()
            trouble = await self._behaviour(batch, attempt) if self._behaviour else None
        finally:
            self.now -= 1
        if trouble is not None:
            raise trouble
        self.table += records_in(batch)
        return Verdict(batch.count)

    async def describe(self) -> Schema | None:
        return None

    async def ensure(self, wish: TableWish) -> Schema:
        return Schema(wish.name, wish.columns)

    async def count(self) -> int | None:
        return len(self.table)

    async def query(self, statement: str) -> list[dict[str, Any]]:
        return [{"statement": statement}]

    async def tidy(self) -> str | None:
        return None


class RejectList:
    """Keeps rejects in a list; raises what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.rejects: list[Reject] = []
        self._error = error

    async def write(self, rejects: Sequence[Reject]) -> None:
        if self._error is not None:
            raise self._error
        self.rejects += rejects
