"""Slices to batches: bodies as full as the tighter limit allows, across file borders. Pure.

Two laws, both properties in the tests. *Limits*: no sealed body holds more records or bytes than
the envelope's limits, framing included. *Fullness*: a body is sealed only because the next record
would not fit, or at the end of the input; so the number of requests is the least possible for
records in this order.

A limit asks for the k-th record of a slice, or for the last one below a byte position. Every
encoded record ends in a newline and holds no other, so both are answered by counting newlines in C
over a part of the buffer; no Python runs per record.

In an upsert a key must not stand twice in a body: the last record of a key in input order wins and
the earlier one is dropped from the open body and counted as superseded. Python runs per record
only where a body really holds a key twice.

`Numbering` stands before the packer because it, too, must see the blocks in order: it turns the
places that shaping counted within a segment into places in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.errors import TargetError
from ingest.model import (
    Batch,
    FileInfo,
    Limits,
    Origin,
    Reject,
    Shaped,
    ShapedSegment,
    Slice,
    Span,
    spans_of,
)
from ingest.protocols import Envelope, OpenBody

NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class MemoryEnvelope:
    """Framing of bodies that are kept in memory: `head`, records, `tail`.

    `record_end` stands behind every record; where it is more than a newline (`,\\n`), it separates,
    and the last one is left out.
    """

    head: bytes
    tail: bytes
    record_end: bytes
    limits: Limits

    @property
    def last_end(self) -> int:
        """Bytes of the last record's end that are left out of a sealed body."""
        return 0 if self.record_end == NEWLINE else len(self.record_end)

    @property
    def room_bytes(self) -> int:
        """What all records with their ends may take in one body."""
        return self.limits.size_bytes - len(self.head) - len(self.tail) + self.last_end

    @property
    def largest_record(self) -> int:
        """The longest encoded record, without its end, that fits into a body of its own."""
        return self.room_bytes - len(self.record_end)

    def open(self) -> OpenBody:
        """Begin a new body."""
        return MemoryBody(self)


class MemoryBody:
    """An open body: a list of views of what the shaper encoded; nothing is copied."""

    __slots__ = ("_count", "_envelope", "_size", "_views")

    def __init__(self, envelope: MemoryEnvelope) -> None:
        self._envelope = envelope
        self._views: list[memoryview] = []
        self._count = 0
        self._size = 0

    def fits(self, part: Slice) -> int:
        """How many of `part`'s leading records may still be added."""
        room_records = self._envelope.limits.records - self._count
        room_bytes = self._envelope.room_bytes - self._size
        if part.count <= room_records and part.size_bytes <= room_bytes:
            return part.count
        return min(room_records, leading_records(part, room_bytes))

    def add(self, part: Slice) -> None:
        """Add all of `part`; it must fit."""
        self._views.append(part.view)
        self._count += part.count
        self._size += part.size_bytes

    def seal(self) -> tuple[tuple[memoryview, ...], int]:
        """The pieces with head and tail, and their length."""
        frame = self._envelope
        views = [memoryview(frame.head), *self._views]
        if frame.last_end and self._views:
            views[-1] = views[-1][: -frame.last_end]
        pieces = tuple(v for v in (*views, memoryview(frame.tail)) if len(v))
        return pieces, sum(map(len, pieces))


def leading_records(part: Slice, size_bytes: int) -> int:
    """How many whole leading records of `part`, ends included, take at most `size_bytes`."""
    if size_bytes >= part.size_bytes:
        return part.count
    border = part.buffer.rfind(NEWLINE, part.start, part.start + max(size_bytes, 0))
    return 0 if border < 0 else part.buffer.count(NEWLINE, part.start, border + 1)


def record_border(part: Slice, records: int) -> int:
    """The position in the buffer behind the first `records` records of `part`.

    Guesses by the mean length, counts the newlines up to the guess, and closes in: a handful of
    counts in C instead of a step a record.
    """
    if records <= 0:
        return part.start
    if records >= part.count:
        return part.end
    buffer, position, passed = part.buffer, part.start, 0
    mean = part.size_bytes / part.count
    while records - passed > 16:
        guess = position + max(1, int((records - passed) * mean * 0.98))
        seen = buffer.count(NEWLINE, position, min(guess, part.end))
        if passed + seen > records:
            mean /= 2
            continue
        position, passed = min(guess, part.end), passed + seen
    for _ in range(records - passed):
        position = buffer.index(NEWLINE, position, part.end) + 1
    if records == passed:  # the guess may have ended inside the next record
        position = buffer.rfind(NEWLINE, part.start, position) + 1
    return position


def split(part: Slice, records: int) -> tuple[Slice, Slice]:
    """`part` as its first `records` records and the rest; either may be empty, not both."""
    border = record_border(part, records)
    last = part.first + records - 1
    for number in part.rejected:
        if number > last:
            break
        last += 1
    if records >= part.count:
        last = part.last
    low = tuple(n for n in part.rejected if n <= last)
    head = replace(
        part,
        end=border,
        count=min(records, part.count),
        last=last,
        rejected=low,
        keys=part.keys[:records] if part.keys is not None else None,
    )
    rest = replace(
        part,
        start=border,
        count=part.count - head.count,
        first=last + 1,
        rejected=part.rejected[len(low) :],
        keys=part.keys[records:] if part.keys is not None else None,
    )
    return head, rest


class Packer:
    """Fills bodies from slices in input order; `add` and `finish` return the batches that closed.

    The caller guarantees that no single record exceeds `envelope.largest_record` (the shaper
    rejects those).
    """

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._number = 0
        self._reset()

    def _reset(self) -> None:
        self._body = self._envelope.open()
        self._parts: list[Slice] = []
        self._spans: list[Span] = []
        self._keys: dict[str, None] = {}
        self._superseded = 0

    def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed, in order."""
        closed: list[Batch] = []
        while part.count:
            fitting = self._body.fits(part)
            if fitting:
                head, part = split(part, fitting)
                self._take(head)
            elif self._parts:
                closed.append(self._seal())
            else:
                raise TargetError(
                    f"{part.file.shown}: record {part.first} does not fit into any request",
                    "this is a defect: such a record should have been rejected",
                )
        return closed

    @property
    def pending(self) -> int:
        """Records that stand in the open body or were superseded in it."""
        return sum(part.count for part in self._parts) + self._superseded

    def finish(self) -> list[Batch]:
        """The last, partly filled batch, if there is one."""
        return [self._seal()] if self._parts else []

    def _take(self, part: Slice) -> None:
        _join(self._spans, part)
        if part.keys is None:
            self._parts.append(part)
            self._body.add(part)
            return
        fresh = last_of_each_key(part)
        doubled = self._keys.keys() & set(part.keys)
        self._superseded += part.count - sum(p.count for p in fresh) + len(doubled)
        if doubled:
            self._drop(doubled)
        self._keys.update(dict.fromkeys(part.keys))
        for piece in fresh:
            self._parts.append(piece)
            self._body.add(piece)

    def _drop(self, keys: set[str]) -> None:
        """Take the records with these keys out of the open body."""
        kept = [piece for part in self._parts for piece in without_keys(part, keys)]
        self._parts = kept
        self._body = self._envelope.open()
        for piece in kept:
            self._body.add(piece)

    def _seal(self) -> Batch:
        self._number += 1
        batch = _sealed(self._envelope, self._number, self._parts, self._superseded)
        batch = replace(batch, spans=tuple(self._spans))
        self._reset()
        return batch


def _join(spans: list[Span], part: Slice) -> None:
    """Add the span of `part`, as one with the last where it goes on."""
    last = spans[-1] if spans else None
    if last and last.file == part.file.index and last.last + 1 == part.first:
        spans[-1] = Span(last.file, last.first, part.last, last.count + part.count)
    else:
        spans.append(Span(part.file.index, part.first, part.last, part.count))


def last_of_each_key(part: Slice) -> list[Slice]:
    """`part` without the records whose key stands again behind them, as runs of records."""
    keys = part.keys or ()
    if len(set(keys)) == len(keys):
        return [part]
    last = {key: place for place, key in enumerate(keys)}
    return _runs(part, [last[key] == place for place, key in enumerate(keys)])


def without_keys(part: Slice, keys: set[str]) -> list[Slice]:
    """`part` without the records of these keys, as runs of records."""
    if keys.isdisjoint(part.keys or ()):
        return [part]
    return _runs(part, [key not in keys for key in part.keys or ()])


def _runs(part: Slice, keep: Sequence[bool]) -> list[Slice]:
    runs: list[Slice] = []
    place = 0
    while place < len(keep):
        length = 1
        while place + length < len(keep) and keep[place + length] == keep[place]:
            length += 1
        run, part = split(part, length)
        if keep[place]:
            runs.append(run)
        place += length
    return runs


class Numbering:
    """Turns places within a segment into places in the file, and stops at a limit of records.

    Must see the shaped blocks in order. `limit` is the number of records, over all files, after
    which `done` is true and nothing more comes out.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._left = limit
        self._file: FileInfo | None = None
        self._records = 0
        self._lines = 1
        self.per_file: dict[int, int] = {}

    @property
    def done(self) -> bool:
        """True once the limit is reached."""
        return self._left == 0

    def number(self, shaped: Shaped) -> tuple[list[Slice], list[Reject], int]:
        """Slices and rejects with their places in the file, and how many records were read."""
        slices: list[Slice] = []
        rejects: list[Reject] = []
        read = 0
        for index, segment in enumerate(shaped.segments):
            if self.done:
                break
            part, found, bad = self._number_one(shaped, index, segment)
            read += found
            rejects += bad
            if part.count:
                slices.append(part)
        return slices, rejects, read

    def _number_one(
        self, shaped: Shaped, index: int, segment: ShapedSegment
    ) -> tuple[Slice, int, list[Reject]]:
        place = shaped.block.segments[index]
        if self._file != place.file:
            self._file, self._records, self._lines = place.file, 0, 1
        first_line = place.first_line if place.first_line is not None else self._lines
        base = self._records
        found = segment.records if self._left is None else min(segment.records, self._left)
        bad = [
            replace(r, record=r.record + base, line=r.line + first_line - 1)
            for r in segment.rejects
            if r.record <= found
        ]
        part = Slice(
            file=place.file,
            buffer=shaped.buffer,
            start=segment.start,
            end=segment.end,
            count=segment.records - len(segment.rejects),
            first=base + 1,
            last=base + segment.records,
            rejected=tuple(base + r.record for r in segment.rejects),
            keys=segment.keys,
            origin=Origin(shaped.block, index, base + 1, first_line),
        )
        if found < segment.records:
            part, _ = split(part, found - len(bad))
            refused = tuple(base + r.record for r in segment.rejects if r.record <= found)
            part = replace(part, last=base + found, rejected=refused)
        if self._left is not None:
            self._left -= found
        self._records += found
        self._lines = first_line + segment.lines
        self.per_file[place.file.index] = self.per_file.get(place.file.index, 0) + found
        return part, found, bad


def halves(batch: Batch, envelope: Envelope) -> tuple[Batch, Batch]:
    """A batch of two records or more as two, in order, with the same number.

    What it superseded goes to the first half's account.
    """
    left: list[Slice] = []
    right: list[Slice] = []
    wanted = batch.count // 2
    for part in batch.slices:
        head, rest = split(part, min(part.count, wanted))
        wanted -= head.count
        left += [head] if head.count else []
        right += [rest] if rest.count else []
    return (
        _sealed(envelope, batch.number, left, batch.superseded),
        _sealed(envelope, batch.number, right, 0),
    )


def _sealed(envelope: Envelope, number: int, parts: list[Slice], superseded: int) -> Batch:
    body = envelope.open()
    for part in parts:
        body.add(part)
    pieces, size_bytes = body.seal()
    return Batch(
        number=number,
        body=pieces,
        size_bytes=size_bytes,
        count=sum(part.count for part in parts),
        spans=spans_of(parts),
        slices=tuple(parts),
        keys=frozenset(key for part in parts for key in part.keys or ()),
        superseded=superseded,
    )
