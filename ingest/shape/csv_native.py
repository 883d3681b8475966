"""Polars as the reader of text whose structure is known, and what it is not believed.

It fills short records with empty fields without a word; so in a PLAIN text the delimiters are
counted, which, together with its refusal of long records, proves that none is short. (A REGULAR
text has been looked at already.) It drops a byte order mark in front of the text, and takes some
first bytes for a compressed file's. And the rows it finds must be as many as were counted beside
it. Where anything is off the answer is None, and the careful reader has the word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from ingest import grammar
from ingest.model import Form, Layout

_BOM = b"\xef\xbb\xbf"
OneLiners = Callable[[pl.DataFrame], Collection[str]]  # columns in whose values no LF can stand


def none_known(_frame: pl.DataFrame) -> Collection[str]:
    """An LF may stand anywhere."""
    return ()


class Native(NamedTuple):
    """A frame of strings c0, c1, ..., how many of its rows each part of the text gave, and how many
    LFs are in each part."""

    frame: pl.DataFrame
    rows: list[int]
    feeds: list[int]


@lru_cache(maxsize=64)
def schema(columns: int) -> dict[str, type[pl.String]]:
    """The columns of a frame: c0, c1, ... by position, all strings."""
    return dict.fromkeys((f"c{position}" for position in range(columns)), pl.String)


def read_native(
    data: bytes,
    parts: Sequence[tuple[int, int]],
    layout: Layout,
    form: Form,
    one_liners: OneLiners = none_known,
) -> Native | None:
    """Read `data`, which is PLAIN or REGULAR and consists of the `parts` (from, to) one by one."""
    dialect, columns = layout.dialect, len(layout.columns)
    if not data or not _suits(data, layout):
        return None
    counts = feeds = [grammar.count_feeds(data, start, end) for start, end in parts]
    if form is Form.PLAIN and grammar.plain_records(data, dialect, columns) is None:
        return None
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema=schema(columns),
            separator=dialect.delimiter,
            quote_char=None if form is Form.PLAIN else dialect.quote,
            empty_string_is_null=False,
            raise_if_empty=False,
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return None
    if form is Form.REGULAR and len(parts) == 1:
        counts = [counts[0] - _line_ends_within(frame, one_liners(frame))]
    elif form is Form.REGULAR and sum(counts) != frame.height:
        # Some line ends stand in quotes, and in which parts, only the records' pattern tells.
        if columns > grammar.PATTERN_COLUMNS:
            return None
        texts = pl.Series([data[start:end].decode() for start, end in parts], dtype=pl.String)
        counts = texts.str.count_matches(grammar.record_pattern(dialect, columns)).to_list()
    return Native(frame, counts, feeds) if sum(counts) == frame.height else None


def _line_ends_within(frame: pl.DataFrame, one_liners: Collection[str]) -> int:
    """How many line ends stand within values: all others end a record each."""
    asked = [pl.col(name) for name in frame.columns if name not in one_liners]
    if not asked:
        return 0
    counts = frame.select(column.str.count_matches("\n", literal=True).sum() for column in asked)
    return int(counts.sum_horizontal().item())


def _suits(data: bytes, layout: Layout) -> bool:
    escape = layout.dialect.escape
    return not (
        data.startswith(_BOM)
        or (escape and escape.encode() in data)
        or grammar.has_comment(data, layout.dialect)
    )
