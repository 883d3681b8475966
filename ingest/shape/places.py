"""From rows of a frame back to places in files, and to the bytes that stand there.

Only rejects ask for them, so nothing is computed before somebody does, and then once a segment.
Rows asked for in rising order cost next to nothing each, whatever the original's encoding.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate

import polars as pl
from msgspec import Struct

from ingest import grammar
from ingest.model import Block, Form, Place, Segment


class Offsets:
    """Positions in a segment's part of a block to offsets in the decompressed original."""

    def __init__(self, block: Block, segment: Segment) -> None:
        self._data = block.data
        self._segment = segment
        self._known = (segment.start, segment.byte)

    def original(self, position: int) -> int:
        """The offset in the original of `data[position]`, where a character starts."""
        segment = self._segment
        if segment.encoding == "utf-8":
            return segment.byte + position - segment.start
        start, byte = self._known
        if position < start:
            start, byte = segment.start, segment.byte
        text = self._data[start:position].decode("utf-8", "replace")
        mark = "".encode(segment.encoding)  # utf-16 would put one before every text
        byte += len(text.encode(segment.encoding, "replace")) - len(mark)
        self._known = (position, byte)
        return byte


def original_offset(segment: Segment, block: Block, position: int) -> int:
    """The offset in the decompressed original of `block.data[position]`, inside `segment`."""
    return Offsets(block, segment).original(position)


class Found(Struct, frozen=True):
    """What one segment held: its good rows, and the numbers of the records that are no rows."""

    rows: int
    rejected: Collection[int] = ()


class _Table(Struct, frozen=True):
    """A segment's rows: where each starts and stops in its bytes, its record number, its line."""

    starts: Sequence[int] | pl.Series
    stops: Sequence[int] | pl.Series
    records: Sequence[int]
    lines: Sequence[int]


class Places:
    """Where the rows of a block's frame stand. Several threads may ask: they'd find the same."""

    def __init__(self, block: Block, found: Sequence[Found], max_record_bytes: int) -> None:
        self._block = block
        self._found = found
        self._max_record_bytes = max_record_bytes
        self._borders = list(accumulate((part.rows for part in found), initial=0))
        self._tables: dict[int, tuple[_Table, Offsets]] = {}

    def __getitem__(self, row: int) -> Place:
        """The place of the frame's row of that number, from 0. Raises IndexError beyond it."""
        if not 0 <= row < self._borders[-1]:
            raise IndexError(f"row {row} of {self._borders[-1]}")
        index = bisect_right(self._borders, row) - 1
        table, offsets = self._tables.get(index) or self._look(index)
        row -= self._borders[index]
        base, data = self._block.segments[index].start, self._block.data
        start, stop = base + int(table.starts[row]), base + int(table.stops[row])
        byte = offsets.original(start)
        return Place(table.records[row], table.lines[row], byte, data[start:stop])

    def _look(self, index: int) -> tuple[_Table, Offsets]:
        segment, found = self._block.segments[index], self._found[index]
        data = self._block.data[segment.start : segment.end]
        # As many line ends, lone CRs in quotes among them, as records: every line of it is one.
        if self._block.form is not Form.ODD and grammar.count_lines(data) == found.rows:
            table = _lines(data)
        else:
            table = self._split(data, found.rejected)
        self._tables[index] = answer = (table, Offsets(self._block, segment))
        return answer

    def _split(self, data: bytes, rejected: Collection[int]) -> _Table:
        starts, stops, records, lines = array("q"), array("q"), array("q"), array("q")
        line, counted = 1, 0
        extents = grammar.split(
            data,
            self._block.layout.dialect,
            final=True,
            max_record_bytes=self._max_record_bytes,
        )
        for number, extent in enumerate(extents, 1):
            line += grammar.count_lines(data, counted, extent.start)
            counted = extent.start
            if number not in rejected:
                starts.append(extent.start)
                stops.append(extent.stop)
                records.append(number)
                lines.append(line)
        return _Table(starts, stops, records, lines)


def _lines(data: bytes) -> _Table:
    """The table of a text whose every line is a good record."""
    lines = pl.Series([data.decode()[:-1]]).str.split("\n").explode()
    ends = (lines.str.len_bytes().cast(pl.Int64) + 1).cum_sum()
    stops = ends - 1 - lines.str.ends_with("\r").cast(pl.Int64)
    numbers = range(1, len(lines) + 1)
    return _Table(ends.shift(1, fill_value=0), stops, numbers, numbers)


def lines_of_each(block: Block, lines: int) -> list[int]:
    """How many of a block's `lines`, each ended by an LF, each of its segments has."""
    if len(block.segments) == 1:
        return [lines]
    return [grammar.count_feeds(block.data, part.start, part.end) for part in block.segments]
