"""Cutting a stream of bytes into pieces of whole records, at one pace: as fast as bytes arrive.

Cutting is the one step that can't be done by several threads, so it looks at a piece as little as
it can. A piece without quotes ends at a newline. In a piece with quotes the end of the regular
records that its last lines are is a guess, and the last newline with an even number of quotes
before it a better one, which costs a look at every byte. Either is proved for the whole piece by
the regular pattern, in one pass without the interpreter's lock. Only what is neither goes to the
careful splitter. (Windows, long records and the buffer are `cutting`'s.)

What is found out is said in the piece's `Form`, so that nobody looks twice:

    PLAIN    no quote and no escape mark in it; every record ends with LF or CRLF; no comments; if
             the file has one column, no blank lines. Lone CRs (old Mac) were made LFs where there
             was nothing else. Valid UTF-8. (Field counts: `grammar.plain_records`.)
    REGULAR  every record has exactly the layout's fields, and all quotes stand where they belong.
    ODD      anything else; NDJSON always.
"""

from __future__ import annotations

import re

from ingest import grammar
from ingest.model import Form, Layout
from ingest.sources.cutting import CR, LF, Cut, Cutter, TakenPiece, within
from ingest.sources.forms import ended, is_regular

TAIL_BYTES = 16 * 1024
TRIES = 32


class CsvCutter(Cutter):
    """Cuts the data of a CSV file (its header already taken off) into pieces of whole records."""

    _line_end = re.compile(rb"\r\n?|\n")

    def __init__(self, layout: Layout, block_bytes: int, max_record_bytes: int) -> None:
        super().__init__(block_bytes, max_record_bytes)
        self._layout = layout
        marks = (layout.dialect.quote, layout.dialect.escape)
        self._quote, self._escape = ((mark or "").encode() for mark in marks)
        self._marks = (self._quote, self._escape)

    def whole(self, data: bytes) -> Cut | None:
        """All of a file's data as the one cut that `feed` and `finish` would give; None if they
        might give more. Changes nothing in the cutter: any number of files may be asked."""
        if not 0 < len(data) < self._block_bytes:
            return None
        piece = self._piece(data, 0, len(data), at_end=True)
        if piece is None or piece[0] != len(data):
            return None
        return Cut(piece[2], 0, piece[1])

    def _piece(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        if stop - start > self._block_bytes:
            return self._long(buffer[start:stop], start, at_end)
        piece = None
        if not within(self._escape, buffer, start, stop):
            if not within(self._quote, buffer, start, stop):
                return self._of_lines(buffer, start, stop, at_end)
            piece = self._quoted(buffer, start, stop, at_end)
        return piece or self._careful(buffer[start:stop], start, at_end)

    def _of_lines(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        end = stop if at_end else buffer.rfind(LF, start, stop) + 1
        # Without any LF, a CR that has a byte behind it ends a record.
        end = end or buffer.rfind(CR, start, stop - 1) + 1
        if not end:
            return None
        data = buffer[start:end]
        if CR in data and LF not in data:
            data = data.replace(CR, LF)
        data = ended(data)
        return end, Form.PLAIN if self._is_plain(data) else Form.ODD, data

    def _is_plain(self, data: bytes) -> bool:
        mixed = CR in data and data.count(CR) != data.count(b"\r\n")
        return not (
            mixed
            or grammar.has_comment(data, self._layout.dialect)
            or (len(self._layout.columns) == 1 and grammar.has_blank_line(data))
            or not grammar.is_utf8(data)
        )

    def _quoted(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        if at_end and buffer.count(self._quote, start, stop) % 2 == 0:
            return self._regular(buffer, start, stop)
        likely = self._likely_end(buffer, start, stop)
        if likely and (piece := self._regular(buffer, start, likely)):
            return piece
        end = self._even_newline(buffer, start, stop) + 1
        return self._regular(buffer, start, end) if end not in (0, likely) else None

    def _regular(self, buffer: bytes, start: int, end: int) -> TakenPiece | None:
        data = ended(buffer[start:end])
        return (end, Form.REGULAR, data) if is_regular(data, self._layout) else None

    def _likely_end(self, buffer: bytes, start: int, stop: int) -> int:
        """The end of the regular records that most of the window's tail is, or 0.

        It is read from some line on, which may stand in quotes: then it mostly is not regular.
        """
        columns = len(self._layout.columns)
        if columns < 2:  # any line is a record then
            return 0
        at = max(start, stop - TAIL_BYTES)
        tail, line = buffer[at:stop], 0
        for _ in range(TRIES):
            line = tail.find(LF, line) + 1
            if not line:
                break
            end = grammar.regular_end(tail, self._layout.dialect, columns, line)
            if 2 * (end - line) > len(tail) - line:
                return at + end
        return 0

    def _even_newline(self, buffer: bytes, start: int, stop: int) -> int:
        """The last newline with an even number of quotes before it, or -1."""
        newline = buffer.rfind(LF, start, stop)
        odd = newline >= 0 and buffer.count(self._quote, start, newline) % 2
        while odd:
            last_quote = buffer.rfind(self._quote, start, newline)
            earlier = buffer.rfind(LF, start, last_quote)
            if earlier < 0:
                return -1
            odd ^= buffer.count(self._quote, earlier, newline) % 2
            newline = earlier
        return newline

    def _careful(self, window: bytes, start: int, at_end: bool) -> TakenPiece | None:
        end = len(window) if at_end else grammar.border(window, self._layout.dialect)
        return (start + end, Form.ODD, ended(window[:end])) if end else None

    def _long(self, window: bytes, start: int, at_end: bool) -> TakenPiece | None:
        """One record of a grown window, so that what follows is looked at in small windows."""
        line = self._long_line(window, at_end)
        if line is not None:
            return (start + len(line), Form.PLAIN, ended(line)) if line else None
        dialect = self._layout.dialect
        extents = grammar.split(
            window, dialect, final=at_end, max_record_bytes=self._max_record_bytes
        )
        if extent := next(extents, None):
            end = 0 if extent.trouble == "record_too_long" else extent.end
        else:
            end = len(window) if at_end else grammar.border(window, dialect)
        return (start + end, Form.ODD, ended(window[:end])) if end else None

    def _long_line(self, window: bytes, at_end: bool) -> bytes | None:
        """The first line of a grown window, if it is a plain record; empty if it has no end yet.

        None if only the grammar can tell, whose patterns take far longer than to find a byte.
        """
        end = window.find(LF) + 1
        stop = end or len(window)
        if any(within(mark, window, 0, stop) for mark in self._marks):
            return None
        if not end and not at_end:
            return None if CR in window else b""
        line = window[:stop]
        size = len(line.rstrip(b"\r\n"))
        return line if 0 < size <= self._max_record_bytes and self._is_plain(line) else None


class NdjsonCutter(Cutter):
    """Cuts lines of JSON. They end at LF only: U+2028 and a lone CR are a matter of JSON."""

    _line_end = re.compile(rb"\n")

    def _piece(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        if stop - start <= self._block_bytes:
            return self._of_lines(buffer, start, stop, at_end)
        newline = buffer.find(LF, start, stop)
        newline = stop if newline < 0 and at_end else newline
        fits = 0 <= newline <= start + self._max_record_bytes
        return _up_to(min(newline + 1, stop), buffer, start) if fits else None

    def _of_lines(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        end = stop if at_end else buffer.rfind(LF, start, stop) + 1
        return _up_to(end, buffer, start) if end else None

    def _lines(self, buffer: bytes, start: int, end: int) -> int:
        return grammar.count_feeds(buffer, start, end)


def _up_to(end: int, buffer: bytes, start: int) -> TakenPiece:
    data = buffer[start:end]
    return end, Form.ODD, data if data.endswith(LF) else data + LF
