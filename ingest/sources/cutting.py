"""The pace of cutting: what waits to be cut, the window that grows, what is dropped of a record.

Where a cut falls depends on the content only, never on how the bytes arrived: nothing is decided
before `block_bytes` are there (or the end is), and then by these alone. If no record ends in them
the window doubles, up to the length where a record is certainly too long; of such a record only
the head is kept, and the rest is dropped as it comes. It is a piece of its own: its offsets don't
go on in the next one.

Where lines are records the piece ends with the window's last line, and no more than it is put
together, once. Else all that waits is, and the piece is copied out of it.
"""

from __future__ import annotations

import re

from msgspec import Struct

from ingest import grammar
from ingest.model import Form, Oversize
from ingest.sources.forms import whole_characters

TakenPiece = tuple[int, Form, bytes]  # its end in the buffer, its form, its bytes
HEAD_BYTES = 64 * 1024
CR, LF = b"\r", b"\n"


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


class Cutter:
    """The buffer, the growing window and the dropping; what a record is, the subclasses know."""

    _line_end: re.Pattern[bytes]
    _marks: tuple[bytes, ...] = ()  # without them, each line is a record's end

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
        cuts = [] if final or self._dropped else self._quick()
        if cuts and self._held < self._window:
            return cuts
        buffer, position = b"".join(self._chunks), 0
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

    def _quick(self) -> list[Cut]:
        """The window's cut, if it has nothing but lines, of which one ends in the last chunk."""
        *before, last = self._chunks
        stop = max(0, self._window - self._held + len(last))  # where the window ends in it
        end = last.rfind(LF, 0, stop) + 1
        if not end or self._window != self._block_bytes:
            return []
        parts = (*((chunk, len(chunk)) for chunk in before), (last, stop))
        if any(within(mark, part, 0, to) for part, to in parts for mark in self._marks):
            return []
        whole = b"".join((*before, memoryview(last)[:end]))
        piece = self._of_lines(whole, 0, len(whole), at_end=False)
        if piece is None or piece[0] != len(whole):
            return []
        _, form, data = piece
        cut = Cut(data, self._byte, form)
        self._byte += len(whole)
        self._held -= len(whole)
        self._chunks = [last[end:]] if end < len(last) else []
        return [cut]

    def _widen(self, buffer: bytes, position: int) -> int:
        """No record ends in the window: double it, or give the record up. Where to go on."""
        most = self._max_record_bytes + 2
        if self._window < most:
            self._window = min(2 * self._window, most)
            return position
        kept = position + min(HEAD_BYTES, self._max_record_bytes)
        head = whole_characters(buffer[position:kept]).removesuffix(CR)
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
        half = match is not None and match[0] == CR and match.end() == len(buffer) and not final
        end = len(buffer) if match is None else match.start() if half else match.end()
        dropped.size_bytes += end - position
        dropped.lines += self._lines(buffer, position, end)
        if final or (match and not half):
            oversize = Oversize(0, dropped.size_bytes, dropped.lines)
            cuts.append(Cut(dropped.head + LF, dropped.byte, Form.ODD, (oversize,)))
            self._byte += len(dropped.head) + dropped.size_bytes
            self._dropped, self._window = None, self._block_bytes
        return end

    def _lines(self, buffer: bytes, start: int, end: int) -> int:
        return grammar.count_lines(buffer, start, end)

    def _of_lines(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        """See `_piece`; for a window in which none of the marks is."""
        raise NotImplementedError

    def _piece(self, buffer: bytes, start: int, stop: int, at_end: bool) -> TakenPiece | None:
        """The piece of whole records that the window `buffer[start:stop]` begins with.

        None: no record is sure to end in it, or the first one is too long. `at_end`: the window's
        end is the file's.
        """
        raise NotImplementedError


def within(mark: bytes, buffer: bytes, start: int, stop: int) -> bool:
    """Whether there is such a mark, and it stands there."""
    return mark != b"" and buffer.find(mark, start, stop) >= 0
