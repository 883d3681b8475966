"""A recorded body made again from its records.

*In memory* it is sealed in the same framing by the packer's own logic, so that in an upsert the
same earlier records are superseded, and no limit is asked: it was within those that held when it
was cut. Then its digest must be the recorded one.

*On the disk* the file is taken as it is, if it still is what was recorded (`respooled`). Where it
was lost, a new one is filled with the same records. Its bytes may differ, since how it was packed
depends on limits, blocks and the compressor's version; what it unpacks to must not: that is known
by its length, its CRC-32 and its number of records.

Where a body is not the recorded one, the data, the mapping or the program changed since, and what
became of the recorded one can't be found out by sending another: an error that says so, never a
guess.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio.to_thread
from msgspec import Struct, field
from msgspec.structs import replace

from ingest.errors import SettingsError
from ingest.model import Batch, Limits, Slice, Span, Spool
from ingest.pack.packer import Packer
from ingest.pack.respooled import Places, is_whole
from ingest.protocols import Envelope, OpenBody, Packing, Stamper

WAY_ON = (
    "the data, the fields or the program changed since the run began: put them back as they were;"
    " or look at what the table holds, then begin anew with --restart"
)


class RecordedIntent(Protocol):
    """A body that may have been sent, as a journal recorded it (`journal.IntentRecord`)."""

    @property
    def number(self) -> int:
        """The batch number."""
        ...

    @property
    def offset(self) -> int:
        """Records before it in the whole body of its number."""
        ...

    @property
    def part(self) -> int:
        """Its place among the parts of the whole body."""
        ...

    @property
    def count(self) -> int:
        """Records in the body."""
        ...

    @property
    def records(self) -> int:
        """Records that it answers for, superseded ones included."""
        ...

    @property
    def spans(self) -> tuple[Span, ...]:
        """What it answers for, in input order; a file of -1 is not there any more."""
        ...

    @property
    def digest(self) -> str:
        """Of the body, as `Batch.digest` gave it when it was recorded."""
        ...

    @property
    def where(self) -> str:
        """The spans in words."""
        ...

    @property
    def spool(self) -> Spool | None:
        """The file that holds the body, if one does."""
        ...


class Gathered(Struct):
    """An open intent, and what of it has come by so far.

    `parts` hold its records; of a spool that is whole only places, in `places`. `filler` is what
    another one is filled in.
    """

    intent: RecordedIntent
    once_more: Callable[[], Packing] | None = None
    parts: list[Slice] = field(default_factory=list)
    count: int = 0
    handed_on: bool = False
    places: Places | None = None
    filler: Packing | None = None

    @property
    def missing(self) -> int:
        """Records that have not come yet."""
        return self.intent.records - self.count

    async def prepare(self) -> None:
        """Decide, before the first record, whether the file will do. Raises SettingsError."""
        spool = self.intent.spool
        if spool is None or self.places is not None or self.filler is not None:
            return
        if await anyio.to_thread.run_sync(is_whole, spool):
            self.places = Places(spool)
        elif self.once_more is not None:
            self.filler = self.once_more()
        else:
            raise cannot_be_made(self.intent, "its file is no longer there")

    async def placed(self, part: Slice) -> Slice:
        """`part` as it is kept here; asked twice, it is the same. Raises IngestError where its
        source can't be written to the disk."""
        if self.places is None:
            return part
        return await anyio.to_thread.run_sync(self.places.placed, part)

    async def take(self, part: Slice) -> None:
        """Take records of the body as `placed` gave them, the next in input order. They are counted
        here from now on, whatever ends the call. Raises IngestError if they can't be written."""
        self.count += part.count
        if self.filler is None:
            self.parts.append(part)
        else:
            await self.filler.add(part)

    def remove_places(self) -> None:
        """Its records can't be shown as they came any more. Blocking."""
        if self.places is not None:
            self.places.remove()


async def made_again(one: Gathered, envelope: Envelope) -> Batch:
    """The body of an intent. Raises SettingsError if it is not the recorded one."""
    intent, spool = one.intent, one.intent.spool
    if spool is None:
        # In a thread: the digest of 6 MB takes milliseconds.
        made, same = await anyio.to_thread.run_sync(_in_memory, one, envelope)
    elif one.filler is not None:
        (made,) = await one.filler.finish()
        same = made.spool is not None and _content(made.spool) == _content(spool)
    else:
        parts = tuple(one.parts)
        made = Batch(intent.number, (), spool.size_bytes, one.count, (), parts, spool=spool)
        same = True  # the file was looked at before its first record came
    if not same or (made.count, one.count) != (intent.count, intent.records):
        raise cannot_be_made(intent, "it would not be the same body")
    return replace(
        made, number=intent.number, spans=intent.spans, offset=intent.offset, part=intent.part
    )


def _in_memory(one: Gathered, envelope: Envelope) -> tuple[Batch, bool]:
    intent = one.intent
    packer = Packer(_Unlimited(envelope), intent.number, intent.offset, sys.maxsize)
    for part in one.parts:
        packer.add(part)
    (made,) = packer.finish()
    return made, made.digest(intent.digest) == intent.digest


def _content(spool: Spool) -> tuple[int, int | None]:
    return spool.plain_bytes, spool.plain_crc32


def did_not_come(missing: Sequence[Gathered]) -> SettingsError:
    """The error for recorded bodies whose records are not there any more."""
    one, more = missing[0], len(missing) - 1
    others = f" (and {more} more batches)" if more else ""
    return SettingsError(
        f"batch {one.intent.number} was perhaps sent and can't be made again: of its"
        f" {one.intent.records} records ({one.intent.where}) only {one.count} are there"
        f" now{others}",
        WAY_ON,
    )


def cannot_be_made(intent: RecordedIntent, why: str) -> SettingsError:
    """The error for a recorded body that is lost to us."""
    return SettingsError(
        f"batch {intent.number} was perhaps sent and can't be made again: {why} ({intent.where})",
        WAY_ON,
    )


class _Unlimited(Struct, frozen=True):
    """An envelope whose bodies take all that comes."""

    envelope: Envelope

    @property
    def record_end(self) -> bytes:
        return self.envelope.record_end

    @property
    def limits(self) -> Limits:
        return self.envelope.limits

    @property
    def largest_record(self) -> int:
        return self.envelope.largest_record

    def open(self) -> OpenBody:
        return _UnlimitedBody(self.envelope.open())

    @property
    def stamp(self) -> Stamper | None:
        return self.envelope.stamp

    def lowered(self, size_bytes: int) -> Envelope:
        return self.envelope.lowered(size_bytes)


class _UnlimitedBody(Struct, frozen=True):
    """A body that is asked no limit."""

    body: OpenBody

    def fits(self, part: Slice) -> int:
        return part.count

    def add(self, part: Slice) -> None:
        self.body.add(part)

    def seal(self) -> tuple[tuple[memoryview, ...], int]:
        return self.body.seal()
