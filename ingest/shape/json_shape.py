"""NDJSON blocks to encoded records.

With nothing to map, a line travels as it came: checked, not re-encoded. With fields, only the keys
that they name are taken out and coerced, by the same rules as a CSV's columns; every other member
travels as raw JSON behind them, so its digits, its nesting and its order are untouched. A key that
a record does not have it does not get, unless the field has a default.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

import msgspec
import orjson
import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from ingest.model import Block, Layout, Place, Shaped
from ingest.shape.encode import Encoded, Extras, encode
from ingest.shape.encode_apart import in_order
from ingest.shape.encode_check import Known
from ingest.shape.json_alike import Alike, Expected, Rewritten, read_alike
from ingest.shape.json_members import REST, columns_of, members_of
from ingest.shape.json_parts import Part, part_of, read_parts
from ingest.shape.json_read import Record
from ingest.shape.json_unchanged import read_unchanged
from ingest.shape.places import lines_of_each
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.shaped import Rows, pseudo_columns, put_together, unchanged

_ENCODER = msgspec.json.Encoder()


class JsonShaper(Struct, frozen=True):
    """Implements `protocols.Shaper`. `record_end` and `largest_record` are the envelope's.

    `expected` is what the last block of each layout was like, if the next may well be so, too;
    `lines` is the pattern of its lines, where there is nothing to map. Threads may overwrite each
    other's: it decides how long a block takes, and nothing else.
    """

    plans: Mapping[Layout, ShapePlan]
    record_end: bytes
    largest_record: int
    expected: dict[Layout, Expected | None] = msgspec.field(default_factory=dict)
    lines: dict[Layout, str] = msgspec.field(default_factory=dict)

    def __call__(self, block: Block) -> Shaped:
        """Shape one block; what a record holds never raises."""
        plan = self.plans[block.layout]
        if plan.passthrough:
            return self._as_it_came(block) or self._one_by_one(block, plan)
        alike = read_alike(block, plan, self.expected.get(block.layout))
        self.expected[block.layout] = alike.expected if alike else None
        return self._at_once(block, plan, alike) if alike else self._one_by_one(block, plan)

    def _as_it_came(self, block: Block) -> Shaped | None:
        """A block with nothing to map whose records are all alike."""
        before = self.lines.get(block.layout)
        found = read_unchanged(block, self.record_end, self.largest_record, before)
        if found is None:
            return None
        self.lines[block.layout] = found.line
        return unchanged(block, found.records, found.buffer, len(self.record_end) - 1)

    def _at_once(self, block: Block, plan: ShapePlan, alike: Alike) -> Shaped:
        """A block whose records are all built alike: as many records as lines."""
        counts = lines_of_each(block, len(alike.lines))
        borders = list(accumulate(counts, initial=0))
        rows = [Rows(count, count, count) for count in counts]
        parts: dict[int, Part] = {}

        def place(row: int) -> Place:
            number = bisect_right(borders, row) - 1
            if number not in parts:
                parts[number] = part_of(block, block.segments[number])
            return parts[number].place(row - borders[number])

        asked = any(field.pseudo == "@line" for field in plan.fields)
        lines = [n for count in counts for n in range(1, count + 1)] if asked else []
        extra = pseudo_columns(plan, block.segments, rows, lines.__getitem__)
        encoded = self._mapped(alike, plan, extra)
        return put_together(block, rows, encoded, place, self.record_end)

    def _as_lines(self, lines: pl.Series, plan: ShapePlan, longest: int) -> Encoded:
        """Lines that are the target's already, unless a record is too long; none is longer than
        `longest`."""
        largest = self.largest_record
        if longest <= largest or not (lines.str.len_bytes() > largest).any():
            return Encoded(lines, None, (), None)
        frame = pl.DataFrame({"rest": members_of(lines)})
        return encode(frame, replace(plan, fields=()), {}, self.largest_record, REST)

    def _mapped(self, alike: Alike, plan: ShapePlan, pseudo: Mapping[int, pl.Series]) -> Encoded:
        height = len(alike.lines)
        parts = []
        for part in alike.parts:
            if isinstance(part, Rewritten):
                encoded = self._as_lines(part.lines, plan, len(alike.data) + part.growth)
            else:
                c = columns_of(part, plan, height, pseudo)
                known = Known(c.known)
                encoded = encode(c.frame, plan, c.names, self.largest_record, c.extras, known)
            if part.rows is None:
                return encoded
            parts.append((part.rows, encoded))
        return in_order(parts, height)

    def _one_by_one(self, block: Block, plan: ShapePlan) -> Shaped:
        """Any other block: each record is looked at by itself."""
        parts, records = read_parts(block, plan)
        rows = [Rows(len(p.good), len(p.lines.texts), p.lines.count, p.rejects) for p in parts]
        borders = list(accumulate((r.rows for r in rows), initial=0))

        def place(row: int) -> Place:
            number = bisect_right(borders, row) - 1
            part = parts[number]
            return part.place(part.good[row - borders[number]])

        if plan.passthrough:
            encoded = self._untouched(parts, plan)
        else:
            asked = any(field.pseudo == "@line" for field in plan.fields)
            lines = [n for part in parts for n in part.line_numbers()] if asked else []
            extra = pseudo_columns(plan, block.segments, rows, lines.__getitem__)
            encoded = _encode_fields(records, plan, extra, self.largest_record)
        return put_together(block, rows, encoded, place, self.record_end)

    def locate(self, block: Block, segment: int, records: Sequence[int]) -> Sequence[Place]:
        """Where these records of a segment stand."""
        found = part_of(block, block.segments[segment])
        return [found.place(number - 1) for number in records]

    def _untouched(self, parts: Sequence[Part], plan: ShapePlan) -> Encoded:
        texts = [text.strip(b" \t\r").decode()[1:-1] for part in parts for text in part.texts()]
        frame = pl.DataFrame({"rest": pl.Series(texts, dtype=pl.String)})
        return encode(frame, plan, {}, self.largest_record, REST)


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
