"""A block of CSV to a frame of strings, and the records that can't be read as rejects.

Two paths with one meaning. The *quick* one hands a block that the cutter found PLAIN or REGULAR to
Polars (`csv_native`), and believes it only where that can be proved. Blocks of which it can't, and
all ODD ones, go the *careful* path (`csv_careful`), which finds every record and says what is wrong
with it.

Fields are text as written: empty is "", quoted or not; nothing is trimmed and nothing is null.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from ingest import grammar
from ingest.model import Block, Form, Place, Reject
from ingest.shape.csv_careful import SegmentReader
from ingest.shape.csv_native import OneLiners, none_known, read_native, schema
from ingest.shape.places import Found, Places, lines_of_each


class ParsedSegment(Struct, frozen=True):
    """What one segment gave: `rows` to the frame, of `records` found in `lines` physical lines.

    `record` and `line` of the rejects count from 1 in the segment, `byte` is that of the file.
    """

    rows: int
    records: int
    lines: int
    rejects: tuple[Reject, ...] = ()


class Parsed(Struct, frozen=True):
    """A block's good records, in order, as columns c0, c1, ... of strings without nulls."""

    frame: pl.DataFrame
    segments: tuple[ParsedSegment, ...]
    places: Places

    def place(self, row: int) -> Place:
        """Where the record of a row of the frame stands, for the rejects of later stages."""
        return self.places[row]


def read_csv(
    block: Block,
    max_record_bytes: int = grammar.UNLIMITED,
    one_liners: OneLiners = none_known,
) -> Parsed:
    """Read a block. Never raises for what a record holds: that is a reject.

    `max_record_bytes` is needed only where a segment may be longer than it; the cutter's are not.
    `one_liners` may be asked of a frame which columns need no look for line ends.
    """
    quick = _quick(block, max_record_bytes, one_liners)
    return quick or _careful(block, max_record_bytes)


def of_lines(block: Block, frame: pl.DataFrame) -> Parsed:
    """A PLAIN block that somebody else has read: `frame` has a row for each of its lines."""
    counts = lines_of_each(block, frame.height)
    places = Places(block, [Found(rows) for rows in counts], grammar.UNLIMITED)
    return Parsed(frame, tuple(ParsedSegment(rows, rows, rows) for rows in counts), places)


def _quick(
    block: Block, max_record_bytes: int, one_liners: OneLiners = none_known
) -> Parsed | None:
    """The block as Polars reads it; None where it can't be trusted with it."""
    data, segments = block.data, block.segments
    parts = [(segment.start, segment.end) for segment in segments]
    whole = sum(end - start for start, end in parts) == len(data)
    if block.form is Form.ODD or block.oversize or not whole:
        return None
    native = read_native(data, parts, block.layout, block.form, one_liners)
    if native is None:
        return None
    one_each = block.form is Form.PLAIN  # a record a line, or the count would have been off
    parsed = [
        ParsedSegment(
            rows, rows, rows if one_each else grammar.count_lines(data, start, end, feeds)
        )
        for rows, feeds, (start, end) in zip(native.rows, native.feeds, parts, strict=True)
    ]
    places = Places(block, [Found(rows) for rows in native.rows], max_record_bytes)
    return Parsed(native.frame, tuple(parsed), places)


def _careful(block: Block, max_record_bytes: int) -> Parsed:
    frames = [pl.DataFrame(schema=schema(len(block.layout.columns)))]
    segments, found = [], []
    for segment in block.segments:
        reader = SegmentReader(block, segment, max_record_bytes)
        reader.read()
        frames += reader.frames
        rejects = tuple(reader.rejects)
        segments.append(ParsedSegment(reader.rows, reader.records, reader.lines, rejects))
        found.append(Found(reader.rows, frozenset(reject.record for reject in rejects)))
    frame = pl.concat(frames)
    return Parsed(frame, tuple(segments), Places(block, found, max_record_bytes))
