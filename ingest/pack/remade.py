"""A recorded body made again, byte for byte, from its records. Pure but for a spool's digest.

It is sealed in the same framing by the packer's own logic, so that in an upsert the same earlier
records are superseded, and no limit is asked: it was within those that held when it was cut. Then
its digest must be the recorded one. Where it is not, the data, the mapping or the program changed
since, and what became of the recorded body can't be found out by sending another: an error that
says so, never a guess.

A body on the disk is not written again: its file is taken (`respooled`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from ingest.errors import SettingsError
from ingest.model import Batch, Limits, Slice, Span, Spool
from ingest.pack.packer import Packer
from ingest.pack.respooled import Places, file_digest
from ingest.protocols import Envelope, OpenBody, Stamper

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
        """SHA-256 of the body, in hex, as `Batch.digest` gives it."""
        ...

    @property
    def where(self) -> str:
        """The spans in words."""
        ...

    @property
    def spool(self) -> Spool | None:
        """The file that holds the body, if one does."""
        ...


@dataclass(slots=True)
class Gathered:
    """An open intent, and what of it has come by so far."""

    intent: RecordedIntent
    parts: list[Slice] = field(default_factory=list)
    count: int = 0
    handed_on: bool = False
    places: Places | None = None

    def __post_init__(self) -> None:
        if self.intent.spool is not None:
            self.places = Places(self.intent.spool)

    @property
    def missing(self) -> int:
        """Records that have not come yet."""
        return self.intent.records - self.count

    def take(self, part: Slice) -> None:
        """Take records of the body, the next in input order. Blocking for one on the disk: only
        places are kept of that. Raises IngestError if their source can't be written."""
        self.parts.append(part if self.places is None else self.places.placed(part))
        self.count += part.count


def made_again(one: Gathered, envelope: Envelope) -> Batch:
    """The body of an intent. Raises SettingsError if it is not the recorded one."""
    intent = one.intent
    if intent.spool is not None:
        batch, digest = _from_spool(one, intent.spool), file_digest(intent.spool)
    else:
        packer = Packer(_Unlimited(envelope), intent.number, intent.offset)
        for part in one.parts:
            packer.add(part)
        (made,) = packer.finish()
        digest = made.digest()
        batch = replace(made, spans=intent.spans, offset=intent.offset, part=intent.part)
    if digest is None:
        raise cannot_be_made(intent, "its file is no longer there")
    if (digest, batch.count, one.count) != (intent.digest, intent.count, intent.records):
        raise cannot_be_made(intent, "it would not be the same body")
    return batch


def _from_spool(one: Gathered, spool: Spool) -> Batch:
    return Batch(
        number=one.intent.number,
        body=(),
        size_bytes=spool.size_bytes,
        count=one.count,
        spans=one.intent.spans,
        slices=tuple(one.parts),
        spool=spool,
        offset=one.intent.offset,
        part=one.intent.part,
    )


def cannot_be_made(intent: RecordedIntent, why: str) -> SettingsError:
    """The error for a recorded body that is lost to us."""
    return SettingsError(
        f"batch {intent.number} was perhaps sent and can't be made again: {why} ({intent.where})",
        WAY_ON,
    )


@dataclass(frozen=True, slots=True)
class _Unlimited:
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


@dataclass(frozen=True, slots=True)
class _UnlimitedBody:
    """A body that is asked no limit."""

    body: OpenBody

    def fits(self, part: Slice) -> int:
        return part.count

    def add(self, part: Slice) -> None:
        self.body.add(part)

    def seal(self) -> tuple[tuple[memoryview, ...], int]:
        return self.body.seal()
