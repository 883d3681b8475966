"""One segment of CSV, read record by record: the path for everything a native reader is not given.

Runs of legal records with the right number of fields go to Python's `csv.reader` in one piece; what
stands between the runs is looked at singly and becomes a reject with its reason and place. Where a
run holds bytes that are no UTF-8, or a field longer than `csv` takes (131,072 characters), that
run is read singly as well. A long stretch of regular records between two bad ones is given to the
native reader after all, so that one bad record costs a block little.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final, Literal, get_args

import polars as pl

from ingest import grammar
from ingest.grammar import Extent
from ingest.model import Block, Dialect, Form, Oversize, Reject, Segment
from ingest.shape.csv_native import read_native, schema
from ingest.shape.places import Offsets
from ingest.shape.shaped import RAW_BYTES

Reason = Literal[grammar.Structural, "too_few_fields", "too_many_fields", "not_utf8"]
REASONS: Final[tuple[str, ...]] = get_args(Reason)
_WORDS: Final[dict[str, str]] = {
    "unterminated_quote": "a quote opens a field here and never closes",
    "text_after_quote": "text follows a closing quote (inside, a quote must be doubled)",
    "unfinished_escape": "nothing follows the escape mark",
    "record_too_long": "the record is longer than [source] max_record_bytes",
}
FRAME_ROWS = 4096
# Below this Python is done before Polars has started.
STRETCH_BYTES = 64 * 1024


class SegmentReader:
    """Reads one segment; afterwards `frames` hold its good rows, `rejects` the other records."""

    def __init__(self, block: Block, segment: Segment, max_record_bytes: int) -> None:
        self._data = block.data[segment.start : segment.end]
        self._segment = segment
        self._layout = block.layout
        self._dialect = block.layout.dialect
        self._columns = len(block.layout.columns)
        self._limit = max_record_bytes
        self._offsets = Offsets(block, segment)
        self._oversize = next((o for o in block.oversize if o.start == segment.start), None)
        self._rows: list[Sequence[str]] = []
        self._not_native = 0
        self._line = (1, 0)  # the line that starts at or before this position
        self.frames: list[pl.DataFrame] = []
        self.rejects: list[Reject] = []
        self.rows = 0
        self.records = 0
        self.lines = grammar.count_lines(self._data)

    def read(self) -> None:
        """Read it all."""
        if self._oversize:
            self._read_oversize(self._oversize)
            return
        position = 0
        # In a segment no longer than the limit no record can pass it.
        in_runs = len(self._data) <= self._limit
        while position < len(self._data):
            end = position
            if in_runs:
                end = self._read_stretch(position) or self._read_run(position)
            position = end if end > position else self._read_singly(position, in_runs)
        self._flush()

    def _split(self, start: int) -> Iterator[Extent]:
        return grammar.split(
            self._data, self._dialect, final=True, max_record_bytes=self._limit, start=start
        )

    def _read_singly(self, start: int, until_legal: bool) -> int:
        """Records one by one, up to behind the next good one or the end. Where to go on."""
        for extent in self._split(start):
            if self._read_record(extent) and until_legal:
                return extent.end
        return len(self._data)

    def _read_stretch(self, start: int) -> int:
        """A long stretch of regular records, read natively. Its end; 0 if there is none."""
        if start < self._not_native:
            return 0
        end = grammar.regular_end(self._data, self._dialect, self._columns, start)
        if end - start < STRETCH_BYTES:
            return 0
        self._not_native = end  # so that a refused stretch is not offered again from within
        native = read_native(self._data[start:end], [(0, end - start)], self._layout, Form.REGULAR)
        if native is None:
            return 0
        self._flush()
        self.frames.append(native.frame)
        self.rows += native.frame.height
        self.records += native.frame.height
        return end

    def _read_run(self, start: int) -> int:
        """Up to RUN_RECORDS legal records. Their end, or `start` if there is none."""
        match = grammar.legal_run(self._dialect, self._columns).match(self._data, start)
        if match is None:
            return start
        end = match.end()
        try:
            rows = list(_reader(match[0].decode(), self._dialect))
        except (UnicodeDecodeError, csv.Error):
            for extent in takewhile(lambda e: e.start < end, self._split(start)):
                self._read_record(extent)
        else:
            self.records += len(rows)
            self._add(rows)
        return end

    def _read_record(self, extent: Extent) -> bool:
        """One record, to the rows or to the rejects; True if it is good."""
        self.records += 1
        raw = self._data[extent.start : extent.stop]
        if extent.trouble:
            self._reject(extent, extent.trouble, _WORDS[extent.trouble])
            return False
        fields = grammar.fields(raw, self._dialect)
        if len(fields) != self._columns:
            few = len(fields) < self._columns
            found = f"{len(fields):,} field" + "s" * (len(fields) != 1)
            message = f"{found} where the file has {self._columns:,} columns"
            self._reject(extent, "too_few_fields" if few else "too_many_fields", message)
            return False
        try:
            self._add([[field.decode() for field in fields]])
        except UnicodeDecodeError:
            self._reject(extent, "not_utf8", self._not_utf8(extent, raw))
            return False
        return True

    def _not_utf8(self, extent: Extent, raw: bytes) -> str:
        try:
            raw.decode()
        except UnicodeDecodeError as exc:
            byte = self._offsets.original(self._segment.start + extent.start + exc.start)
            return f"the byte {raw[exc.start]:02x} at byte {byte:,} of the file is no UTF-8"
        raise AssertionError("only for records that are no UTF-8")

    def _read_oversize(self, oversize: Oversize) -> None:
        """The kept head of a record too long to be held is the whole segment."""
        self.lines += oversize.skipped_lines - 1  # the line end behind the head is the cutter's
        comment = self._dialect.comment
        if comment and self._data.startswith(comment.encode()):
            return
        self.records = 1
        self._reject(
            Extent(0, len(self._data) - 1, len(self._data)),
            "record_too_long",
            _WORDS["record_too_long"] + f": {oversize.skipped_bytes:,} more bytes were passed over",
            truncated=True,
        )

    def _reject(
        self, extent: Extent, reason: Reason, message: str, truncated: bool = False
    ) -> None:
        line, position = self._line
        line += grammar.count_lines(self._data, position, extent.start)
        self._line = (line, extent.start)
        raw = self._data[extent.start : extent.stop]
        self.rejects.append(
            Reject(
                file=self._segment.file.shown,
                line=line,
                byte=self._offsets.original(self._segment.start + extent.start),
                record=self.records,
                stage="parse",
                reason=reason,
                message=message,
                raw=raw[:RAW_BYTES],
                raw_truncated=truncated or len(raw) > RAW_BYTES,
            )
        )

    def _add(self, rows: Sequence[Sequence[str]]) -> None:
        self._rows += rows
        self.rows += len(rows)
        if len(self._rows) >= FRAME_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = zip(schema(self._columns), zip(*self._rows, strict=True), strict=True)
            self.frames.append(
                pl.DataFrame([pl.Series(name, texts, dtype=pl.String) for name, texts in columns])
            )
            self._rows = []


def _reader(text: str, dialect: Dialect) -> Iterator[list[str]]:
    # newline="" leaves line ends in quoted fields as they are.
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=True,
    )
