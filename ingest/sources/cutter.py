"""Cutting a stream of bytes into pieces of whole records, at one pace: as fast as bytes arrive.

Cutting is the one step that can't be done by several threads, so it looks at a piece as little as
it can. A piece without quotes ends at a newline. In a piece with quotes the end of the regular
records that its last lines are is a guess, and the last newline with an even number of quotes
before it a better one, which costs a look at every byte. Either is proved for the whole piece by
the regular pattern, in one pass without the interpreter's lock. Only what is neither goes to the
careful splitter.

What is found out is said in the piece's `Form`, so that nobody looks twice:

    PLAIN    no quote and no escape mark in it; every record ends with LF or CRLF; no comments; if
             the file has one column, no blank lines. Lone CRs (old Mac) were made LFs where there
             was nothing else. Valid UTF-8. (Field counts: `grammar.plain_records`.)
    REGULAR  every record has exactly the layout's fields, and all quotes stand where they belong.
    ODD      anything else; NDJSON always.

Where a cut falls depends on the content only, never on how the bytes arrived: nothing is decided
before `block_bytes` are there (or the end is), and then by these alone. If no record ends in them
the window doubles, up to the length where a record is certainly too long; of such a record only
the head is kept, and the rest is dropped as it comes. It is a piece of its own: its offsets don't
go on in the next one.
"""

from __future__ import annotations

import re

from msgspec import Struct

from ingest import grammar
from ingest.model import Form, Layout, Oversize
from ingest.sources.forms import ended, is_regular, whole_characters

_Piece = tuple[int, Form, bytes]  # its end in the buffer, its form, its bytes
HEAD_BYTES = 64 * 1024
TAIL_BYTES = 16 * 1024
TRIES = 32
_CR, _LF = b"\r", b"\n"


class Cut(Struct, frozen=True):
    """Whole records, the last one ended. `byte` counts from the first byte that was fed.

    A cut with `oversize` holds the head of that one record and a line end, nothing else.
    """

    data: bytes
    byte: int
    form: Form
    oversize: tuple[Oversize, ...] = ()


class _Dropped(Struct):
    """A record too long to be held, while its end is still to come."""

    head: bytes
    byte: int
    size_bytes: int
    lines: int


class _Cutter:
    """The buffer, the growing window and the dropping; what a record is, the subclasses know."""

    _line_end: re.Pattern[bytes]

    def __init__(self, block_bytes: int, max_record_bytes: int) -> None:
        # No record of a first window can be too long, so its pieces need no look at lengths.
        self._block_bytes = max(1, min(block_bytes, max_record_bytes))
        self._max_record_bytes = max_record_bytes
        self._window = self._block_bytes
        self._chunks: list[bytes] = []
        self._held = 0
        self._byte = 0
        self._dropped: _Dropped | None = None

    def feed(self, data: bytes) -> list[Cut]:
        """The cuts that these next bytes allow."""
        self._chunks.append(data)
        self._held += len(data)
        if self._held < self._window and self._dropped is None:
            return []
        return self._drain(final=False)

    def finish(self) -> list[Cut]:
        """The cuts of what is left; the last record gets its line end if it has none."""
        return self._drain(final=True)

    def _drain(self, final: bool) -> list[Cut]:
        buffer, position = b"".join(self._chunks), 0
        cuts: list[Cut] = []
        while True:
            if self._dropped:
                position = self._drop(buffer, position, final, cuts)
            left = len(buffer) - position
            if self._dropped or not left or (left < self._window and not final):
                break
            stop = position + min(left, self._window)
            at_end = final and stop == len(buffer)
            piece = self._piece(buffer, position, stop, at_end)
            if piece is None:
                position = self._widen(buffer, position)
                continue
            end, form, data = piece
            cuts.append(Cut(data, self._byte, form))
            self._byte += end - position
            position, self._window = end, self._block_bytes
        self._chunks = [buffer[position:]] if position < len(buffer) else []
        self._held = len(buffer) - position
        return cuts

    def _widen(self, buffer: bytes, position: int) -> int:
        """No record ends in the window: double it, or give the record up. Where to go on."""
        most = self._max_record_bytes + 2
        if self._window < most:
            self._window = min(2 * self._window, most)
            return position
        kept = position + min(HEAD_BYTES, self._max_record_bytes)
        head = whole_characters(buffer[position:kept]).removesuffix(_CR)
        # Its end is not before this; and no CRLF is cut in two, or it would count as two lines.
        certain = position + self._max_record_bytes
        certain -= buffer[certain - 1 : certain + 1] == b"\r\n"
        lines = self._lines(buffer, position + len(head), certain)
        size_bytes = certain - position - len(head)
        self._dropped = _Dropped(head, self._byte, size_bytes, lines)
        return certain

    def _drop(self, buffer: bytes, position: int, final: bool, cuts: list[Cut]) -> int:
        """Drop bytes up to the end of the long record's line. Returns where to go on."""
        dropped = self._dropped
        assert dropped is not None
        match = self._line_end.search(buffer, position)
        half = match is not None and match[0] == _CR and match.end() == len(buffer) and not final
        end = len(buffer) if match is None else match.start() if half else match.end()
        dropped.size_bytes += end - position
        dropped.lines += self._lines(buffer, position, end)
        if final or (match and not half):
            oversize = Oversize(0, dropped.size_bytes, dropped.lines)
            cuts.append(Cut(dropped.head + _LF, dropped.byte, Form.ODD, (oversize,)))
            self._byte += len(dropped.head) + dropped.size_bytes
            self._dropped, self._window = None, self._block_bytes
        return end

    def _lines(self, buffer: bytes, start: int, end: int) -> int:
        return grammar.count_lines(buffer, start, end)

    def _piece(self, buffer: bytes, start: int, stop: int, at_end: bool) -> _Piece | None:
        """The piece of whole records that the window `buffer[start:stop]` begins with.

        None: no record is sure to end in it, or the first one is too long. `at_end`: the window's
        end is the file's.
        """
        raise NotImplementedError


class CsvCutter(_Cutter):
    """Cuts the data of a CSV file (its header already taken off) into pieces of whole records."""

    _line_end = re.compile(rb"\r\n?|\n")

    def __init__(self, layout: Layout, block_bytes: int, max_record_bytes: int) -> None:
        super().__init__(block_bytes, max_record_bytes)
        self._layout = layout
        marks = (layout.dialect.quote, layout.dialect.escape)
        self._quote, self._escape = ((mark or "").encode() for mark in marks)

    def _piece(self, buffer: bytes, start: int, stop: int, at_end: bool) -> _Piece | None:
        if stop - start > self._block_bytes:
            return self._long(buffer[start:stop], start, at_end)
        piece = None
        if not _within(self._escape, buffer, start, stop):
            quoted = _within(self._quote, buffer, start, stop)
            quick = self._quoted if quoted else self._unquoted
            piece = quick(buffer, start, stop, at_end)
        return piece or self._careful(buffer[start:stop], start, at_end)

    def _unquoted(self, buffer: bytes, start: int, stop: int, at_end: bool) -> _Piece | None:
        end = stop if at_end else buffer.rfind(_LF, start, stop) + 1
        # Without any LF, a CR that has a byte behind it ends a record.
        end = end or buffer.rfind(_CR, start, stop - 1) + 1
        if not end:
            return None
        data = buffer[start:end]
        if _CR in data and _LF not in data:
            data = data.replace(_CR, _LF)
        data = ended(data)
        return end, Form.PLAIN if self._is_plain(data) else Form.ODD, data

    def _is_plain(self, data: bytes) -> bool:
        mixed = _CR in data and data.count(_CR) != data.count(b"\r\n")
        return not (
            mixed
            or grammar.has_comment(data, self._layout.dialect)
            or (len(self._layout.columns) == 1 and grammar.has_blank_line(data))
            or not grammar.is_utf8(data)
        )

    def _quoted(self, buffer: bytes, start: int, stop: int, at_end: bool) -> _Piece | None:
        if at_end and buffer.count(self._quote, start, stop) % 2 == 0:
            return self._regular(buffer, start, stop)
        likely = self._likely_end(buffer, start, stop)
        if likely and (piece := self._regular(buffer, start, likely)):
            return piece
        end = self._even_newline(buffer, start, stop) + 1
        return self._regular(buffer, start, end) if end not in (0, likely) else None

    def _regular(self, buffer: bytes, start: int, end: int) -> _Piece | None:
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
            line = tail.find(_LF, line) + 1
            if not line:
                break
            end = grammar.regular_end(tail, self._layout.dialect, columns, line)
            if 2 * (end - line) > len(tail) - line:
                return at + end
        return 0

    def _even_newline(self, buffer: bytes, start: int, stop: int) -> int:
        """The last newline with an even number of quotes before it, or -1."""
        newline = buffer.rfind(_LF, start, stop)
        odd = newline >= 0 and buffer.count(self._quote, start, newline) % 2
        while odd:
            last_quote = buffer.rfind(self._quote, start, newline)
            earlier = buffer.rfind(_LF, start, last_quote)
            if earlier < 0:
                return -1
            odd ^= buffer.count(self._quote, earlier, newline) % 2
            newline = earlier
        return newline

    def _careful(self, window: bytes, start: int, at_end: bool) -> _Piece | None:
        end = len(window) if at_end else grammar.border(window, self._layout.dialect)
        return (start + end, Form.ODD, ended(window[:end])) if end else None

    def _long(self, window: bytes, start: int, at_end: bool) -> _Piece | None:
        """One record of a grown window, so that what follows is looked at in small windows."""
        dialect = self._layout.dialect
        extents = grammar.split(
            window, dialect, final=at_end, max_record_bytes=self._max_record_bytes
        )
        if extent := next(extents, None):
            end = 0 if extent.trouble == "record_too_long" else extent.end
        else:
            end = len(window) if at_end else grammar.border(window, dialect)
        return (start + end, Form.ODD, ended(window[:end])) if end else None


class NdjsonCutter(_Cutter):
    """Cuts lines of JSON. They end at LF only: U+2028 and a lone CR are a matter of JSON."""

    _line_end = re.compile(rb"\n")

    def _piece(self, buffer: bytes, start: int, stop: int, at_end: bool) -> _Piece | None:
        if stop - start <= self._block_bytes:
            end = stop if at_end else buffer.rfind(_LF, start, stop) + 1
        else:
            newline = buffer.find(_LF, start, stop)
            newline = stop if newline < 0 and at_end else newline
            fits = 0 <= newline <= start + self._max_record_bytes
            end = min(newline + 1, stop) if fits else 0
        data = buffer[start:end]
        return (end, Form.ODD, data if data.endswith(_LF) else data + _LF) if end else None

    def _lines(self, buffer: bytes, start: int, end: int) -> int:
        return buffer.count(_LF, start, end)


def _within(mark: bytes, buffer: bytes, start: int, stop: int) -> bool:
    return mark != b"" and buffer.find(mark, start, stop) >= 0
