"""One question to all records of a block with quotes: is every value spelt as in the first record?

As `spelled` asks it of lines. A value is spelt so in quotes or without them; where nothing is known
of a column's values, because they need an escape, say, or are read by several fields, they may be
anything. The text is REGULAR already, so what such a pattern takes for a field is one.

If it holds, it is known of these columns, and saves a question to each of them. The first record
that is odd ends the question, and then the columns are asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from ingest import grammar
from ingest.grammar.pcre2 import runs_of
from ingest.model import Block, Dialect, Form
from ingest.shape.encode_check import NOTHING_KNOWN, Known
from ingest.shape.plan import ShapePlan
from ingest.shape.rules import Spelling
from ingest.shape.spelled import DELIMITERS, MOST_COLUMNS, pattern_of, spelt_so


def known_of_quoted(data: bytes, plan: ShapePlan, first: Sequence[str]) -> Known:
    """What is known of the fields of REGULAR `data`, whose first record has these values."""
    dialect = plan.layout.dialect
    if not _can_be_asked(dialect, len(first)):
        return NOTHING_KNOWN
    column = partial(column_pattern, dialect)
    pattern, spellings = pattern_of(plan, first, dialect.delimiter, column)
    runs = runs_of(rf"(?:{pattern})\r?\n")
    return Known(spellings) if runs is not None and runs.cover(data) else NOTHING_KNOWN


def first_values(block: Block) -> list[str] | None:
    """The values of the first record of a REGULAR block that can be asked; None if it can't."""
    data, dialect = block.data, block.layout.dialect
    if block.form is not Form.REGULAR or not _can_be_asked(dialect, len(block.layout.columns)):
        return None
    if (dialect.escape and dialect.escape.encode() in data) or grammar.has_comment(data, dialect):
        return None
    first = next(grammar.split(data, dialect, final=True), None)
    if first is None or first.trouble:
        return None
    values = grammar.fields(data[first.start : first.stop], dialect)
    return [value.decode() for value in values]


def _can_be_asked(dialect: Dialect, columns: int) -> bool:
    known = dialect.delimiter in DELIMITERS and dialect.quote is not None
    return known and 1 < columns <= MOST_COLUMNS


def column_pattern(dialect: Dialect, spelling: Spelling | None, nulls: Sequence[str]) -> str:
    """The pattern of a column whose values are spelt so, in quotes or without them, or are words
    for null; or are anything."""
    mark, quote = re.escape(dialect.delimiter), re.escape(dialect.quote or "")
    if spelling is None:
        return rf"(?:{quote}[^{quote}]*(?:{quote}{quote}[^{quote}]*)*{quote}|[^{mark}{quote}\r\n]*)"
    marks = f"{dialect.delimiter}{dialect.quote}\r\n"
    within = spelt_so(spelling, rf"[^{quote}\"\\\x00-\x1f]*", nulls, marks)
    bare = spelt_so(spelling, rf"[^{mark}{quote}\"\\\x00-\x1f]*", nulls, marks)
    return f"(?:{quote}{within}{quote}|{bare})"
