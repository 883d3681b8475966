"""The lines of NDJSON segments: which of them are records, and why the others are none.

A record may be no good before any field of it is made: it is no JSON, only its head was kept, it
has a key of its own under a name that a field takes, or it lacks a member that no field reads and
that the table requires.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec
from msgspec import Struct
from msgspec import field as made

from ingest.model import Block, Place, Reject, Segment, Stage
from ingest.shape.json_read import Lines, Record, read_records, split_lines
from ingest.shape.places import Offsets
from ingest.shape.plan import ShapePlan
from ingest.shape.shaped import RAW_BYTES
from ingest.shape.values import BadValue

_NULL = msgspec.Raw(b"null")


class Part(Struct):
    """One segment: its lines, and which of them (by index) are records of the frame.

    Where a line starts is found out when the first place is asked for, once.
    """

    block: Block
    segment: Segment
    lines: Lines
    good: Sequence[int] = ()
    rejects: tuple[Reject, ...] = ()
    _starts: list[int] = made(default_factory=list)
    _offsets: Offsets | None = None

    def place(self, index: int) -> Place:
        """Where the line with this index stands."""
        if self._offsets is None:
            data = self.block.data[self.segment.start : self.segment.end]
            sizes = (len(text) + 1 for text in data.split(b"\n"))
            self._starts = list(accumulate(sizes, initial=self.segment.start))
            self._offsets = Offsets(self.block, self.segment)
        line = self.lines.numbers[index]
        byte = self._offsets.original(self._starts[line - 1])
        return Place(index + 1, line, byte, self.lines.texts[index].rstrip(b"\r"))

    def texts(self) -> Iterator[bytes]:
        """The good lines."""
        return (self.lines.texts[index] for index in self.good)

    def line_numbers(self) -> Iterator[int]:
        """The lines, from 1, of the good ones."""
        return (self.lines.numbers[index] for index in self.good)


class _Unfit(Struct, frozen=True):
    """Why a record is no good before any field is made; `key` is the member that is to blame."""

    trouble: BadValue
    stage: Stage = "map"
    key: str | None = None


def part_of(block: Block, segment: Segment) -> Part:
    """The lines of a segment; the kept head of a record that was too long is one, blank or not."""
    heads = {
        block.data.count(b"\n", segment.start, cut.start) + 1
        for cut in block.oversize
        if segment.start <= cut.start < segment.end
    }
    return Part(block, segment, split_lines(block.data[segment.start : segment.end], heads))


def read_parts(block: Block, plan: ShapePlan) -> tuple[list[Part], list[Record]]:
    """The segments with their rejects, and the good records of all of them, in order."""
    parts: list[Part] = []
    records: list[Record] = []
    for segment in block.segments:
        part = part_of(block, segment)
        found, bad = read_records(part.lines.texts)
        cut = _too_long(part)
        if cut:  # a kept head may look like a whole record
            whole = [i for i in range(len(part.lines.texts)) if i not in bad]
            found = [r for i, r in zip(whole, found, strict=True) if i not in cut]
            bad |= cut
        everyone = range(len(part.lines.texts))
        part.good = [i for i in everyone if i not in bad] if bad else everyone
        rejects = [_reject(part, index, _Unfit(bad[index], "parse")) for index in sorted(bad)]
        unfit = {} if plan.passthrough else _lacking(found, plan) | _clashes(found, plan)
        if unfit:
            rejects += [_reject(part, part.good[i], why) for i, why in unfit.items()]
            found = [r for i, r in enumerate(found) if i not in unfit]
            part.good = [index for i, index in enumerate(part.good) if i not in unfit]
        part.rejects = tuple(sorted(rejects, key=lambda r: r.record))
        records += found
        parts.append(part)
    return parts, records


def _too_long(part: Part) -> dict[int, BadValue]:
    """Records of which only the head was kept, by index."""
    bad: dict[int, BadValue] = {}
    block, segment = part.block, part.segment
    for cut in block.oversize:
        if segment.start <= cut.start < segment.end:
            line = block.data.count(b"\n", segment.start, cut.start) + 1
            index = part.lines.numbers.index(line)
            size = len(part.lines.texts[index]) + cut.skipped_bytes
            message = f"the record is {size:,} bytes long; [source] max_record_bytes allows less"
            bad[index] = BadValue("record_too_long", message)
    return bad


def _clashes(records: Sequence[Record], plan: ShapePlan) -> dict[int, _Unfit]:
    """Records that have a key of their own under a name that a field takes are no good."""
    read = {f.column for f in plan.fields}
    taken = {f.name for f in plan.fields if f.name not in read}
    if not plan.rest or not taken:
        return {}
    return {
        i: _Unfit(
            BadValue("name_taken", f"the record has a key {min(both)!r}, which a field makes")
        )
        for i, record in enumerate(records)
        if (both := taken & record.keys())
    }


def _lacking(records: Sequence[Record], plan: ShapePlan) -> dict[int, _Unfit]:
    """Records without a member that no field reads and that the table requires."""
    return {
        i: _Unfit(
            BadValue("missing_value", f"{lacks[0]} has no value and is required"), key=lacks[0]
        )
        for i, record in enumerate(records if plan.must else ())
        if (lacks := [key for key in plan.must if record.get(key, _NULL) == _NULL])
    }


def _reject(part: Part, index: int, why: _Unfit) -> Reject:
    place = part.place(index)
    trouble, cut = why.trouble, why.trouble.reason == "record_too_long"
    return Reject(
        file=part.segment.file.shown,
        line=place.line,
        byte=place.byte,
        record=place.record,
        stage=why.stage,
        reason=trouble.reason,
        message=trouble.message,
        raw=place.raw[:RAW_BYTES],
        column=why.key,
        field=why.key,
        raw_truncated=cut or len(place.raw) > RAW_BYTES,
    )
