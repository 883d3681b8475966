"""Through a text from record to record: where each starts and stops, and what is wrong with it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Literal, NamedTuple

from ingest.grammar.lines import LINE_END
from ingest.grammar.patterns import Grammar, grammar_of
from ingest.model import Dialect

Structural = Literal[
    "unterminated_quote", "text_after_quote", "unfinished_escape", "record_too_long"
]
UNLIMITED = sys.maxsize // 2


class Extent(NamedTuple):
    """One record: `data[start:stop]`; its terminator ends at `end`."""

    start: int
    stop: int
    end: int
    trouble: Structural | None = None


def _end(match: re.Match[bytes] | None) -> int:
    """The end of a match that can't fail."""
    assert match is not None
    return match.end()


class _View(NamedTuple):
    """Data as far as it may be looked at: `seen` bytes are there, of which `size` count.

    A CR at the very end may be half a CRLF, so it doesn't count before the data is final.
    """

    data: bytes
    size: int
    final: bool
    max_record_bytes: int

    def decided(self, position: int) -> bool:
        """Whether more data can't change what the record at `position` is."""
        return self.final or len(self.data) >= self.bound(position)

    def bound(self, position: int) -> int:
        """Where a record that starts at `position` has certainly become too long."""
        return position + self.max_record_bytes + 2


def _view(data: bytes, final: bool, max_record_bytes: int) -> _View:
    half = not final and data[-1:] == b"\r"
    return _View(data, len(data) - half, final, max_record_bytes)


def split(
    data: bytes,
    dialect: Dialect,
    *,
    final: bool,
    max_record_bytes: int = UNLIMITED,
    start: int = 0,
) -> Iterator[Extent]:
    """The records of `data`, from the record's start `start` on; those in trouble say which.

    With `final` the end of the data ends the last record; else iteration stops before the first
    record that more data could still change.
    """
    grammar, view = grammar_of(dialect, final), _view(data, final, max_record_bytes)
    skip, record, size = grammar.skip.match, grammar.record.match, view.size
    position = _end(skip(data, start, size))
    while position < size:
        match = record(data, position, min(size, position + max_record_bytes + 2))
        extent: Extent | None
        if match and (stop := match.end(1)) - position <= max_record_bytes:
            extent = Extent(position, stop, match.end())
        elif (extent := _examine(grammar, view, position)) is None:
            return
        yield extent
        position = _end(skip(data, extent.end, size))


def _examine(grammar: Grammar, view: _View, position: int) -> Extent | None:
    """What is wrong at `position`, where no legal record stands; None: more data will tell."""
    data, size, final, max_record_bytes = view
    bound, decided = min(size, view.bound(position)), view.decided(position)
    stuck = _end(grammar.fields.match(data, position, bound))
    trouble = _trouble_at(grammar, view, position, stuck)
    if trouble and (decided or trouble == "text_after_quote"):
        line = LINE_END.search(data, stuck, bound)
        stop, end = (line.start(), line.end()) if line else (size, size)
        if (line or final) and stop - position <= max_record_bytes:
            return Extent(position, stop, end, trouble)
    if not decided:
        return None
    line = LINE_END.search(data, position + max_record_bytes, size)
    if line or final:
        stop, end = (line.start(), line.end()) if line else (size, size)
        return Extent(position, stop, end, "record_too_long")
    return None


def _trouble_at(grammar: Grammar, view: _View, position: int, stuck: int) -> Structural | None:
    """Why the fields from `position` on go no further than `stuck`; None: the data ends there."""
    bound = min(view.size, view.bound(position))
    mark = view.data[stuck:bound][:1]
    if mark in (b"", b"\r", b"\n"):
        return None
    if mark == grammar.quote:
        return "unterminated_quote"
    if mark == grammar.escape:
        closed = grammar.closed.match(view.data, position, bound)
        if closed and closed.end() == stuck:
            return "text_after_quote"
        # What it escapes is there, and more data will come: only the record's end is not known yet.
        is_open = not view.final and stuck + 1 < bound
        return None if is_open else "unfinished_escape"
    return "text_after_quote"


def border(data: bytes, dialect: Dialect) -> int:
    """The end of the last record in `data` that more data can't change; 0 if there is none.

    Blank lines and comments have ends as well. No record counts as too long.
    """
    grammar, view = grammar_of(dialect, final=False), _view(data, False, UNLIMITED)
    position = 0
    while position < view.size:
        if match := grammar.run.match(data, position, view.size):
            position = match.end()
        elif extent := _examine(grammar, view, position):
            position = extent.end
        else:
            break
    return position


def fields(record: bytes, dialect: Dialect) -> list[bytes]:
    """The fields of one legal record (without its terminator), unquoted and unescaped."""
    grammar, delimiter = grammar_of(dialect, final=True), dialect.delimiter.encode()
    found, position = [], 0
    while True:
        end = _end(grammar.field.match(record, position))
        found.append(_value(record[position:end], grammar))
        if record[end : end + 1] != delimiter:
            return found
        position = end + 1


def _value(text: bytes, grammar: Grammar) -> bytes:
    quoted = grammar.quote != b"" and text.startswith(grammar.quote)
    text = text[1:-1] if quoted else text
    if grammar.escape and grammar.escape in text:
        marks = grammar.escape + grammar.quote * quoted
        return re.sub(rb"[%b]([\s\S])" % re.escape(marks), rb"\1", text)
    return text.replace(grammar.quote * 2, grammar.quote) if quoted else text


def field_count(record: bytes, dialect: Dialect) -> int:
    """How many fields a legal record has."""
    if any((mark or "").encode() in record for mark in (dialect.quote, dialect.escape) if mark):
        return len(fields(record, dialect))
    return record.count(dialect.delimiter.encode()) + 1
