"""CSV blocks to encoded records: parse, give every field its column, encode.

A `CsvShaper` is made once a run and called by several threads at once; it holds nothing that
changes. Every layout of the input (files may order their columns differently) has its plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
from msgspec import Struct

from ingest.model import Block, Layout, Place, Shaped
from ingest.shape.csv_asked import Asked
from ingest.shape.csv_read import Parsed, of_lines, read_csv
from ingest.shape.encode import Encoded, encode
from ingest.shape.encode_apart import encode_apart
from ingest.shape.encode_check import NOTHING_KNOWN
from ingest.shape.odd_records import Ending
from ingest.shape.places import Places
from ingest.shape.plan import ShapePlan
from ingest.shape.shaped import Rows, pseudo_columns, put_together
from ingest.shape.spelled import read_spelled
from ingest.shape.transcribed import read_transcribed


class CsvShaper(Struct, frozen=True):
    """Implements `protocols.Shaper`. `record_end` and `largest_record` are the envelope's."""

    plans: Mapping[Layout, ShapePlan]
    record_end: bytes
    largest_record: int

    def __call__(self, block: Block) -> Shaped:
        """Shape one block; what a record holds never raises."""
        ending = Ending(self.record_end, self.largest_record)
        shaped = read_transcribed(block, self.plans[block.layout], ending)
        return shaped or self._in_columns(block)

    def _in_columns(self, block: Block) -> Shaped:
        rows, encoded, places = self._encoded(block)
        return put_together(block, rows, encoded, places.__getitem__, self.record_end)

    def _encoded(self, block: Block) -> tuple[list[Rows], Encoded, Places]:
        """The lines; by now nobody holds the columns, which take more room than they."""
        plan = self.plans[block.layout]
        spelled = read_spelled(block, plan)
        if spelled:
            parsed, known = of_lines(block, spelled.frame), spelled.known
        else:
            asked = Asked(plan, _columns_read(plan), block.data)
            parsed = read_csv(block, one_liners=asked.one_liners)
            known = asked.known_of(parsed.frame)
        rows = [Rows(s.rows, s.records, s.lines, s.rejects) for s in parsed.segments]
        frame, columns = self._with_columns(plan, block, parsed, rows)

        def encoding(rows: pl.DataFrame, is_known: bool) -> Encoded:
            told = known if is_known else NOTHING_KNOWN
            return encode(rows, plan, columns, self.largest_record, known=told)

        encoded = encode_apart(frame, spelled.odd, encoding) if spelled else encoding(frame, True)
        return rows, encoded, parsed.places

    def locate(self, block: Block, segment: int, records: Sequence[int]) -> Sequence[Place]:
        """Where these records of a segment stand; the block is parsed once more to know."""
        parsed = read_csv(block)
        first = sum(s.rows for s in parsed.segments[:segment])
        wanted = set(records)
        places = (parsed.place(first + i) for i in range(parsed.segments[segment].rows))
        return [place for place in places if place.record in wanted]

    def _with_columns(
        self, plan: ShapePlan, block: Block, parsed: Parsed, rows: list[Rows]
    ) -> tuple[pl.DataFrame, dict[int, str]]:
        columns = _columns_read(plan)
        extra = pseudo_columns(plan, block.segments, rows, lambda row: parsed.place(row).line)
        frame = parsed.frame
        if extra:
            frame = frame.with_columns([s.alias(f"p{index}") for index, s in extra.items()])
            columns |= {index: f"p{index}" for index in extra}
        return frame, dict(sorted(columns.items()))


def _columns_read(plan: ShapePlan) -> dict[int, str]:
    """The frame's column for each field, by index, that reads one of the file's."""
    return {i: f"c{f.position}" for i, f in enumerate(plan.fields) if f.position >= 0}
