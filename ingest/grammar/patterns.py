"""A dialect as regular expressions over bytes.

All repetition is possessive or of one character class, and alternatives are atomic: once a field is
matched nothing goes back into it, so a pattern looks at each byte a fixed number of times.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from ingest.model import Dialect

RUN_RECORDS = 4096  # in one match: `re` holds the interpreter's lock for about 2 ms then
NOT_AT_END = rb"(?!\Z)"  # csv wants something behind an escaped line end


class Spelling(Struct, frozen=True):
    """What a dialect's patterns are put together from. An absent mark is empty."""

    delimiter: bytes
    quote: bytes
    escape: bytes
    comment: bytes
    quoted: bytes
    bare: bytes

    @property
    def filled(self) -> bytes:
        """A field that is not the empty text."""
        return rb"(?>%b|%b)" % (self.quoted, self.bare) if self.quoted else self.bare

    @property
    def field(self) -> bytes:
        """Any field."""
        return rb"(?>%b|)" % self.filled

    @property
    def no_comment(self) -> bytes:
        """Nothing, but not before a comment mark."""
        return rb"(?!%b)" % self.comment if self.comment else b""


@lru_cache(maxsize=64)
def spelling(dialect: Dialect) -> Spelling:
    """The parts of a dialect's patterns."""
    marks = (dialect.delimiter, dialect.quote, dialect.escape, dialect.comment)
    d, q, e, c = (re.escape((mark or "").encode()) for mark in marks)
    escaped = rb"|%b(?:[^\r\n]|[\r\n]%b)" % (e, NOT_AT_END) if e else b""
    start, more = rb"[^%b%b%b\r\n]" % (d, q, e), rb"[^%b%b\r\n]" % (d, e)
    quoted = b""
    if q and e:
        quoted = rb"%b(?:[^%b%b]++|%b%b%b)*+%b" % (q, q, e, q, q, escaped, q)
    elif q:
        quoted = rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b" % (q, q, q, q, q, q)
    bare = rb"(?:%b%b)(?:%b++%b)*+" % (start, escaped, more, escaped)
    return Spelling(d, q, e, c, quoted, bare)


class Grammar(Struct, frozen=True):
    """A dialect's patterns. `run` is up to RUN_RECORDS lines that are records, blank or comments,
    `closed` fields of which the last is a quoted one."""

    skip: re.Pattern[bytes]
    record: re.Pattern[bytes]
    fields: re.Pattern[bytes]
    closed: re.Pattern[bytes]
    run: re.Pattern[bytes]
    field: re.Pattern[bytes]
    quote: bytes
    escape: bytes


@lru_cache(maxsize=64)
def grammar_of(dialect: Dialect, final: bool) -> Grammar:
    """With `final` the end of the data ends a record, too."""
    parts = spelling(dialect)
    end = rb"(?:\r\n?|\n|\Z)" if final else rb"(?:\r\n?|\n)"
    fields = rb"%b(?:%b%b)*+" % (parts.field, parts.delimiter, parts.field)
    skip, line = rb"[\r\n]++", fields
    if parts.comment:
        skip += rb"|%b[^\r\n]*+(?=[\r\n]%b)" % (parts.comment, rb"|\Z" if final else b"")
        line = rb"(?>%b[^\r\n]*+|%b)" % (parts.comment, fields)
    closed = rb"(?:%b%b)*+%b" % (parts.field, parts.delimiter, parts.quoted or b"(?!)")
    return Grammar(
        skip=re.compile(rb"(?:%b)*+" % skip),
        record=re.compile(rb"(%b)%b" % (fields, end)),
        fields=re.compile(fields),
        closed=re.compile(closed),
        run=re.compile(rb"(?:%b(?:\r\n?|\n)){1,%d}+" % (line, RUN_RECORDS)),
        field=re.compile(parts.field.replace(NOT_AT_END, b"")),
        quote=(dialect.quote or "").encode(),
        escape=(dialect.escape or "").encode(),
    )


@lru_cache(maxsize=64)
def legal_run(dialect: Dialect, columns: int) -> re.Pattern[bytes]:
    """Matches up to RUN_RECORDS legal records of exactly `columns` fields, each with its end."""
    parts = spelling(dialect)
    first = parts.field if columns > 1 else parts.filled
    record = rb"%b(?:%b%b){%d}+" % (first, parts.delimiter, parts.field, columns - 1)
    return re.compile(rb"(?:%b%b(?:\r\n?|\n)){1,%d}+" % (parts.no_comment, record, RUN_RECORDS))
