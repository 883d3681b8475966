"""NDJSON blocks to encoded records.

With nothing to map, a line travels as it came: checked, not re-encoded. With fields, only the keys
that they name are taken out and coerced, by the same rules as a CSV's columns; every other member
travels as raw JSON behind them, so its digits, its nesting and its order are untouched. A key that
a record does not have it does not get, unless the field has a default.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made
from itertools import accumulate

import msgspec
import orjson
import polars as pl

from ingest.model import Block, Layout, Place, Reject, Segment, Shaped, Stage
from ingest.shape.encode import Encoded, Extras, encode
from ingest.shape.json_read import Lines, Record, read_records, split_lines
from ingest.shape.places import Offsets
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.shaped import RAW_BYTES, Rows, pseudo_columns, put_together
from ingest.shape.values import BadValue

_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class _Part:
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


@dataclass(frozen=True, slots=True)
class JsonShaper:
    """Implements `protocols.Shaper`. `record_end` and `largest_record` are the envelope's."""

    plans: Mapping[Layout, ShapePlan]
    record_end: bytes
    largest_record: int

    def __call__(self, block: Block) -> Shaped:
        """Shape one block; what a record holds never raises."""
        plan = self.plans[block.layout]
        parts, records = _read(block, plan)
        rows = [Rows(len(p.good), len(p.lines.texts), p.lines.count, p.rejects) for p in parts]
        borders = list(accumulate((r.rows for r in rows), initial=0))

        def place(row: int) -> Place:
            number = bisect_right(borders, row) - 1
            part = parts[number]
            return part.place(part.good[row - borders[number]])

        if plan.passthrough:
            encoded = self._as_it_came(parts, plan)
        else:
            asked = any(field.pseudo == "@line" for field in plan.fields)
            lines = [n for part in parts for n in part.line_numbers()] if asked else []
            extra = pseudo_columns(plan, block.segments, rows, lines.__getitem__)
            encoded = _encode_fields(records, plan, extra, self.largest_record)
        return put_together(block, rows, encoded, place, self.record_end)

    def locate(self, block: Block, segment: int, records: Sequence[int]) -> Sequence[Place]:
        """Where these records of a segment stand."""
        found = _part(block, block.segments[segment])
        return [found.place(number - 1) for number in records]

    def _as_it_came(self, parts: Sequence[_Part], plan: ShapePlan) -> Encoded:
        texts = [text.strip(b" \t\r").decode()[1:-1] for part in parts for text in part.texts()]
        frame = pl.DataFrame({"rest": pl.Series(texts, dtype=pl.String)})
        return encode(frame, plan, {}, self.largest_record, Extras(rest="rest"))


def _part(block: Block, segment: Segment) -> _Part:
    """The lines of a segment; the kept head of a record that was too long is one, blank or not."""
    heads = {
        block.data.count(b"\n", segment.start, cut.start) + 1
        for cut in block.oversize
        if segment.start <= cut.start < segment.end
    }
    return _Part(block, segment, split_lines(block.data[segment.start : segment.end], heads))


def _read(block: Block, plan: ShapePlan) -> tuple[list[_Part], list[Record]]:
    parts: list[_Part] = []
    records: list[Record] = []
    for segment in block.segments:
        part = _part(block, segment)
        found, bad = read_records(part.lines.texts)
        cut = _too_long(part)
        if cut:  # a kept head may look like a whole record
            whole = [i for i in range(len(part.lines.texts)) if i not in bad]
            found = [r for i, r in zip(whole, found, strict=True) if i not in cut]
            bad |= cut
        everyone = range(len(part.lines.texts))
        part.good = [i for i in everyone if i not in bad] if bad else everyone
        rejects = [_reject(part, index, bad[index], "parse") for index in sorted(bad)]
        clashes = {} if plan.passthrough else _clashes(found, plan)
        if clashes:
            rejects += [_reject(part, part.good[i], t, "map") for i, t in clashes.items()]
            found = [r for i, r in enumerate(found) if i not in clashes]
            part.good = [index for i, index in enumerate(part.good) if i not in clashes]
        part.rejects = tuple(sorted(rejects, key=lambda r: r.record))
        records += found
        parts.append(part)
    return parts, records


def _too_long(part: _Part) -> dict[int, BadValue]:
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


def _clashes(records: Sequence[Record], plan: ShapePlan) -> dict[int, BadValue]:
    """Records that have a key of their own under a name that a field takes are no good."""
    read = {f.column for f in plan.fields}
    taken = {f.name for f in plan.fields if f.name not in read}
    if not plan.rest or not taken:
        return {}
    return {
        i: BadValue("name_taken", f"the record has a key {min(both)!r}, which a field makes")
        for i, record in enumerate(records)
        if (both := taken & record.keys())
    }


def _reject(part: _Part, index: int, trouble: BadValue, stage: Stage) -> Reject:
    place = part.place(index)
    cut = trouble.reason == "record_too_long"
    return Reject(
        file=part.segment.file.shown,
        line=place.line,
        byte=place.byte,
        record=place.record,
        stage=stage,
        reason=trouble.reason,
        message=trouble.message,
        raw=place.raw[:RAW_BYTES],
        raw_truncated=cut or len(place.raw) > RAW_BYTES,
    )


def _encode_fields(
    records: list[Record],
    plan: ShapePlan,
    pseudo: Mapping[int, pl.Series],
    largest_record: int,
) -> Encoded:
    columns: dict[int, str] = {}
    absent: dict[int, str] = {}
    series: list[pl.Series] = [pl.Series("_", [None] * len(records), dtype=pl.String)]
    for index, field in enumerate(plan.fields):
        if index in pseudo:
            columns[index] = f"p{index}"
            series.append(pseudo[index].alias(f"p{index}"))
        elif field.column is not None:
            columns[index] = f"v{index}"
            texts = [_text(r.get(field.column), field) for r in records]
            series.append(pl.Series(f"v{index}", texts, dtype=pl.String))
            missing = [field.column not in r for r in records]
            if field.default is None and any(missing):
                absent[index] = f"a{index}"
                series.append(pl.Series(f"a{index}", missing))
    extras = Extras(absent, "rest" if plan.rest else None)
    if plan.rest:
        series.append(pl.Series("rest", _rest(records, plan), dtype=pl.String))
    return encode(pl.DataFrame(series), plan, columns, largest_record, extras)


def _text(raw: msgspec.Raw | None, field: FieldPlan) -> str | None:
    """A member's value as the text that the rules read; None for null and for no such key."""
    if raw is None:
        return None
    text = bytes(raw).decode()
    if text == "null":
        return None
    if text[0] != '"':
        return text
    if field.rule is not None and field.type != "json":
        return _unquoted(text)
    # It travels as it came, unless the word in it means null.
    return None if field.nulls and _unquoted(text) in field.nulls else text


def _unquoted(text: str) -> str:
    return str(orjson.loads(text)) if "\\" in text else text[1:-1]


def _rest(records: list[Record], plan: ShapePlan) -> list[str]:
    """The members that no field reads, as `"k":v,...`."""
    read = {f.column for f in plan.fields if f.column is not None}
    left = [{k: v for k, v in r.items() if k not in read} for r in records] if read else records
    lines = _ENCODER.encode_lines(left).split(b"\n")
    return [line[1:-1].decode() for line in lines[: len(records)]]
