"""The promises on one page: what a source, an envelope and a target owe the engine.

Whoever adds a service writes one `Target` and runs it through the contract tests; the engine knows
no other name. The duties that a signature can't say stand in the docstrings here, and the contract
suites in `tests/` hold every implementation to them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from ingest.model import (
    Batch,
    Block,
    Column,
    Limits,
    Place,
    Receipt,
    Schema,
    Shaped,
    Slice,
    Verdict,
)


class Clock(Protocol):
    """Time, handed in. Waits use `monotonic`, so a clock that jumps can't stretch them."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less still yields to other tasks."""
        ...


class Source(Protocol):
    """Files to blocks.

    Duties: blocks come in file order and record order; every byte of a record stands in exactly one
    block; the cuts depend on the content alone, never on how the bytes arrived; memory does not
    grow with the input. A file that breaks off gives its whole records first and then raises
    `SourceError` (as the last thing, after every readable file: the others are still read).
    """

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Hold open what reading needs; on leaving, however that comes, every file is closed."""
        ...

    def blocks(self) -> AsyncGenerator[Block, None]:
        """The blocks, in order; only within `opened`."""
        ...


class Shaper(Protocol):
    """A block to encoded records. Pure and thread-safe: it runs in several threads at once."""

    def __call__(self, block: Block, /) -> Shaped:
        """Shape one block. Never raises for what a record holds: that is a reject in the result."""
        ...

    def locate(self, block: Block, segment: int, records: Sequence[int], /) -> Sequence[Place]:
        """Where these records (numbers from 1 within the segment) stand, and their own bytes."""
        ...


class OpenBody(Protocol):
    """A request body that is still being filled."""

    def fits(self, part: Slice) -> int:
        """How many of `part`'s leading records may still be added: 0 to `part.count`."""
        ...

    def add(self, part: Slice) -> None:
        """Add all of `part`; it must fit."""
        ...

    def seal(self) -> tuple[tuple[memoryview, ...], int]:
        """Close the body: its pieces with all framing, and their length in bytes."""
        ...


class Stamper(Protocol):
    """Writes into a body which one it is."""

    def applied(
        self, pieces: tuple[memoryview, ...], count: int, number: int, offset: int = 0, /
    ) -> tuple[memoryview, ...]:
        """The pieces of a body of `count` records with its stamp in each; as long as before."""
        ...


class Envelope(Protocol):
    """How a target frames records. `record_end` is what the shaper writes behind each record.

    A limit is asked of the encoded size with its framing *before* adding, so a sealed body never
    exceeds `limits`.
    """

    @property
    def record_end(self) -> bytes:
        """The bytes behind every record, a newline last: `,\\n` in an array, `\\n` in NDJSON."""
        ...

    @property
    def limits(self) -> Limits:
        """What one body may hold."""
        ...

    @property
    def largest_record(self) -> int:
        """The longest encoded record (without `record_end`) that fits into a body of its own."""
        ...

    @property
    def stamp(self) -> Stamper | None:
        """What writes into every record which body it is in, if the job wants that."""
        ...

    def open(self) -> OpenBody:
        """Begin a new body."""
        ...

    def lowered(self, size_bytes: int) -> Envelope:
        """The same framing for bodies of at most so many bytes."""
        ...


class Packing(Protocol):
    """Slices in input order to batches. Awaited, because a body may be written to the disk."""

    async def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed, in order."""
        ...

    async def finish(self) -> list[Batch]:
        """The last, partly filled batch, if there is one."""
        ...

    @property
    def pending(self) -> int:
        """Records that stand in the open body or were superseded in it."""
        ...

    async def release(self, batch: Batch) -> None:
        """The batch has ended and its rejects are written: what it holds on the disk may go."""
        ...

    def lower(self, size_bytes: int) -> None:
        """Bodies that are opened from now on are at most this large."""
        ...


class TableWish(Struct, frozen=True):
    """The table a job wants: name, properties passed through, columns in the service's words."""

    name: str
    properties: dict[str, Any]
    columns: tuple[Column, ...]


class Target(Protocol):
    """A service that takes batches.

    Duties: `send` makes exactly one attempt and sends exactly the batch's bytes; it returns on a
    certain success and raises a `Trouble` of the right kind for everything else: `Retryable` only
    if the batch was surely not applied, `Ambiguous` whenever it may have been. It is safe to call
    from many tasks. The other calls (`describe`, `ensure`, `query`, ...) retry what is retryable by
    themselves and raise an `IngestError` that says what to do. No token ever stands in a message.
    """

    @property
    def envelope(self) -> Envelope:
        """How bodies are framed, with the limits in force."""
        ...

    @property
    def shown(self) -> str:
        """The target in a few words for people: system, host and table, no credential."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Hold the connections open for the run; on leaving, none is left behind."""
        ...

    async def describe(self) -> Schema | None:
        """The live table, or None if there is none."""
        ...

    async def ensure(self, wish: TableWish) -> Schema:
        """Create the table or add the columns it lacks; never change what is there."""
        ...

    async def send(self, batch: Batch) -> Verdict:
        """One attempt. Returns what the service said of the body that it took."""
        ...

    async def count(self) -> int | None:
        """Rows in the table now, or None where the service can't tell."""
        ...

    async def query(self, statement: str) -> list[dict[str, Any]]:
        """Ask rows back, in the service's own query language; bounded."""
        ...

    async def tidy(self) -> str | None:
        """After a load: do what the job asks to be done then, or say what a person might do."""
        ...


class Settler(Protocol):
    """Finds out what became of an ambiguous batch by asking the service (`settling`)."""

    async def prepare(self, batch: Batch, /) -> bool:
        """Asked before a body's first attempt. False: it can't be settled later."""
        ...

    async def settle(
        self, batch: Batch, since_s: float, wait_until: Callable[[float], Awaitable[bool]], /
    ) -> bool | None:
        """True: it landed. False: it surely did not. None: it can't be known.

        `since_s` is when the lost attempt ended, on the monotonic clock; `wait_until` waits for a
        moment of it and says False if the run is being ended before. Raises an IngestError where a
        part of the batch landed.
        """
        ...


class Ledger(Protocol):
    """Where intents and outcomes are kept. The engine writes the intent before the first attempt
    and the receipt after the last; a durable ledger makes a run resumable."""

    async def intend(self, batch: Batch, /) -> None:
        """About to send this body for the first time. Returning means it is recorded."""
        ...

    async def settle(self, receipt: Receipt, /) -> None:
        """The body reached its end."""
        ...

    async def apart(self, batch: Batch, /) -> None:
        """The service surely refused this body whole; its parts will be intended."""
        ...


class SettledRecords(Protocol):
    """Records that an earlier process of this run has settled (`journal.Settled`)."""

    def stretches(self, file: int, first: int, last: int, /) -> Sequence[tuple[int, int, bool]]:
        """The records `first` to `last` of a file as stretches: from, to, whether settled."""
        ...

    def holds(self, file: int, record: int, /) -> bool:
        """Whether this record is settled."""
        ...


class RejectSink(Protocol):
    """Where rejects go. Returning means they are written: a reject is never only in memory."""

    async def write(self, rejects: Sequence[Any]) -> None:
        """Keep these `model.Reject`s, in order."""
        ...


# --- rows of a table, for verify and undo ---------------------------------------------------


class OfTable(Struct, frozen=True):
    """All rows of the table."""


class OfIds(Struct, frozen=True):
    """Rows whose id is in one of these ranges (both ends included, no two overlap)."""

    ranges: tuple[tuple[int, int], ...]


class OfStamps(Struct, frozen=True):
    """Rows that bear a stamp of this run in this column; with `stamp` those of that one alone."""

    column: str
    run: str
    stamp: str | None = None


class OfValues(Struct, frozen=True):
    """Rows whose column has one of these values, which are at least one."""

    column: str
    values: tuple[str | int, ...]


Scope = OfTable | OfIds | OfStamps | OfValues
Row = dict[str, Any]
ID = "id"


class TheseIds(Struct, frozen=True):
    """Rows to delete, named one by one: 1 to `MOST` ids. Nothing else that deletes by id exists."""

    ids: tuple[int, ...]
    MOST: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        if not 0 < len(self.ids) <= self.MOST or any(type(one) is not int for one in self.ids):
            raise ValueError(f"a deletion names 1 to {self.MOST} ids, each an integer")


class ThisStamp(Struct, frozen=True):
    """The rows of one body, by its whole stamp: `<run>:<number>.<offset>.<count>`."""

    column: str
    stamp: str

    def __post_init__(self) -> None:
        if not self.column or not re.fullmatch(
            r"[A-Za-z0-9._-]+:\d{9}\.\d{6}\.\d{6}", self.stamp, re.ASCII
        ):
            raise ValueError(f"{self.stamp!r} is no stamp of a body")


class Sum(Struct, frozen=True):
    """Of one numeric column: how many values are not null, and what they add up to."""

    count: int
    total: int | float


class Rows(Protocol):
    """A table's rows as the service has them. Every call retries by itself, as a target's do.

    Duties: an answer that may not be all that was asked for raises an IngestError; nulls may be
    left out of a row. `has_ids`: every row has an `id`, and it is among what is answered.
    """

    @property
    def has_ids(self) -> bool:
        """Whether rows have an id of their own."""
        ...

    def can_ask(self, value: str | int) -> bool:
        """Whether rows can be asked for by this value safely."""
        ...

    async def count(self, scope: Scope, /) -> int:
        """How many rows."""
        ...

    def pages(
        self, scope: Scope, columns: Sequence[str], page_rows: int, /
    ) -> AsyncGenerator[list[Row], None]:
        """All of them, in pages of at most so many, each row once while nobody writes."""
        ...

    async def at(
        self, scope: Scope, columns: Sequence[str], offset: int, limit: int, /
    ) -> list[Row]:
        """Some of them: those at a place in the service's order."""
        ...

    async def sums(self, scope: Scope, columns: Sequence[str], /) -> dict[str, Sum]:
        """Sums over numeric columns."""
        ...

    async def stamps(self, scope: OfStamps, /) -> dict[str, int]:
        """The stamps of a run that stand in the table, with the number of their rows."""
        ...

    async def delete(self, these: TheseIds | ThisStamp, /) -> None:
        """Delete these rows. Harmless when repeated."""
        ...

    async def drop(self) -> None:
        """Drop the table."""
        ...
