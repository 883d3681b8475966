"""Text so regular that a native reader can be trusted with it, and how that is found out fast.

Regular is a text whose records have exactly n fields and end with LF or CRLF, without stray quotes,
escapes, comments and blank lines. Three engines decide it: Python's at once and for any width;
PCRE2's, or where it isn't there Rust's (in Polars), without the interpreter's lock.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ingest.grammar.lines import has_blank_line
from ingest.grammar.patterns import RUN_RECORDS, spelling
from ingest.grammar.pcre2 import runs_of
from ingest.model import Dialect

# Above some 1,000 columns an automaton built as it goes falls from 500 to 35 MB/s.
PATTERN_COLUMNS = 800


@lru_cache(maxsize=64)
def _regular(dialect: Dialect, columns: int) -> re.Pattern[bytes]:
    return re.compile(rb"(?:%b){1,%d}+" % (_record(dialect, columns), RUN_RECORDS))


@lru_cache(maxsize=64)
def _record(dialect: Dialect, columns: int) -> bytes:
    """A record and its end, in the syntax that Python shares with PCRE2."""
    parts = spelling(dialect)
    bare = rb"[^%b%b%b\r\n]" % (parts.delimiter, parts.quote, parts.escape)
    quoted = b""
    if parts.quote:
        inside = rb"[^%b%b]*+" % (parts.quote, parts.escape)
        quoted = rb"%b%b(?:%b%b)*+%b|" % (
            parts.quote, inside, parts.quote * 2, inside, parts.quote
        )  # fmt: skip
    field = rb"(?>%b%b*+)" % (quoted, bare)
    first = field if columns > 1 else rb"(?>%b%b++)" % (quoted, bare)
    return rb"%b%b(?:%b%b){%d}+\r?\n" % (
        parts.no_comment, first, parts.delimiter, field, columns - 1
    )  # fmt: skip


def regular_end(data: bytes, dialect: Dialect, columns: int, start: int = 0) -> int:
    """Where the regular records that `data` has from `start` on end; `start` if it has none."""
    run = _regular(dialect, columns).match
    while match := run(data, start):
        start = match.end()
    return start


def is_regular(data: bytes, dialect: Dialect, columns: int) -> bool:
    """Whether `data` is regular, by Python's engine: 400 MB/s, no start-up, any width."""
    return regular_end(data, dialect, columns) == len(data)


def is_regular_at_once(data: bytes, dialect: Dialect, columns: int) -> bool | None:
    """The same by PCRE2, without the interpreter's lock; None where it can't say."""
    runs = runs_of(_record(dialect, columns).decode("ascii"))
    return None if runs is None else runs.cover(data)


def regular_pattern(dialect: Dialect, columns: int) -> str:
    """The same question in the syntax of Rust's `regex`: no look-around, linear time.

    `contains` answers it at 500 MB/s without the interpreter's lock. (`extract` takes 25 times as
    long.) `columns` is at most PATTERN_COLUMNS.
    """
    d, q, e, c = (
        rf"\x{ord(mark):02X}" if mark else ""
        for mark in (dialect.delimiter, dialect.quote, dialect.escape, dialect.comment)
    )
    quoted = f"{q}(?:[^{q}{e}]|{q}{q})*{q}|" if q else ""
    bare = rf"[^{d}{q}{e}\r\n]"
    field = f"(?:{quoted}{bare}*)"
    first_filled = rf"{quoted}[^{d}{q}{e}{c}\r\n]{bare}*"
    first = f"(?:{first_filled}|)" if columns > 1 else f"(?:{first_filled})"
    return rf"\A(?:{first}(?:{d}{field}){{{columns - 1}}}\r?\n)*\z"


def record_pattern(dialect: Dialect, columns: int) -> str:
    """Matches each record of a regular text once, in the syntax of Rust's `regex`."""
    return regular_pattern(dialect, columns).removeprefix(r"\A").removesuffix(r"*\z")


def plain_records(data: bytes, dialect: Dialect, columns: int) -> int | None:
    """How many records a PLAIN text has, if none of them is short; None if one may be.

    Sound only together with a reader that refuses long records: a short one beside a long one
    keeps the sum.
    """
    records = data.count(b"\n")
    if data.count(dialect.delimiter.encode()) != records * (columns - 1):
        return None
    return None if columns == 1 and has_blank_line(data) else records
