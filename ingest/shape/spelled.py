"""One question to all lines of a block: is every value spelt as in the block's first record?

A PLAIN block has no quotes, so its grammar is regular, down to the digits of a column. One pattern
of all columns (`odd_lines`) says at once that every record has its number of fields, that every
column is spelt as its first value suggests, and that no text needs escaping. Asking the columns one
by one costs several times as much, and so only those of the *odd* lines are, whose answer was no.

Once every line is known to have its fields, splitting is all there is to reading: with the lines'
ends made delimiters the values of all lines stand in one row, and every n-th of them makes a
column. That takes half of what a reader of CSV takes, which has to look for what is known not to be
there.

The pattern lets a word for null through in any column. Whether there is one at all is asked of all
values in one row, too, where that is less work than to ask the columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

import polars as pl
from msgspec import Struct

from ingest.model import Block, Form
from ingest.shape.encode_check import Known
from ingest.shape.odd_lines import odd_among, odd_lines
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import COMMA_DECIMAL, Spelling
from ingest.shape.splitting import in_columns, parts_of, split

# Delimiters that no spelling but the decimal comma's uses: a value can't reach over them.
DELIMITERS = frozenset(",;\t|")
MOST_COLUMNS = 200  # beyond, the pattern's automaton costs more than it saves
COLUMNS_A_WORD = 4  # as many columns take as long to be asked for a word as all values in one row


class Spelled(Struct, frozen=True):
    """A block's values as columns c0, c1, ... of texts, and what is known of them.

    It holds in every row but the `odd` ones, whose numbers are given in rising order.
    """

    frame: pl.DataFrame
    known: Known
    odd: pl.Series


def read_spelled(block: Block, plan: ShapePlan) -> Spelled | None:
    """Read a block; None if it is not surely a record a line, each with all of its fields."""
    first = first_values(block)
    if first is None:
        return None
    columns, delimiter = len(first), block.layout.dialect.delimiter
    pattern, spellings = pattern_of(plan, first, delimiter, partial(column_pattern, delimiter))
    data = lines_of(block.data)
    found = _at_once(data, pattern, delimiter) or _each(data, pattern, delimiter)
    if any(delimiters != columns - 1 for delimiters in found.delimiters):
        return None
    known = Known(spellings, _without_nulls(plan, found.values))
    return Spelled(in_columns(found.values, columns), known, found.odd)


class _Found(Struct, frozen=True):
    """All values in one row; the odd lines' numbers, and how many delimiters they have."""

    values: pl.Series
    odd: pl.Series
    delimiters: Sequence[int]


def _at_once(data: bytes, line: str, delimiter: str) -> _Found | None:
    """The lines need not be told apart if their ends are made delimiters, too."""
    odd = odd_lines(data, line)
    if odd is None:
        return None
    mark = delimiter.encode()
    values = parts_of(data.replace(b"\n", mark), delimiter)
    assert values is not None  # what is PLAIN is UTF-8
    return _Found(values, odd.rows, [data.count(mark, *extent) for extent in odd.extents])


def _each(data: bytes, line: str, delimiter: str) -> _Found:
    lines = parts_of(data, "\n")
    assert lines is not None
    odd = odd_among(lines, line)
    delimiters = lines.gather(odd).str.count_matches(delimiter, literal=True).to_list()
    return _Found(split(lines, delimiter), odd, delimiters)


def first_values(block: Block) -> list[str] | None:
    """The values of the first line of a PLAIN block that can be asked; None if it can't."""
    columns, delimiter = len(block.layout.columns), block.layout.dialect.delimiter
    if block.form is not Form.PLAIN or not 0 < columns <= MOST_COLUMNS or not block.data:
        return None
    if delimiter not in DELIMITERS:
        return None
    end = block.data.find(b"\n")
    line = block.data[: end if end >= 0 else None].decode().removesuffix("\r")
    first = line.split(delimiter)
    return first if len(first) == columns else None


def lines_of(data: bytes) -> bytes:
    """The lines of a block, each ended by an LF and nothing else."""
    # In what is PLAIN, CRs stand before LFs.
    data = data if data.endswith(b"\n") else data.removesuffix(b"\r") + b"\n"
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _without_nulls(plan: ShapePlan, values: pl.Series) -> set[int]:
    """The fields that surely have no word for null among their values, by index."""
    words = {i: field.nulls for i, field in enumerate(plan.fields) if field.position >= 0}
    asked = {word for some in words.values() for word in some}
    if len(asked) * COLUMNS_A_WORD > len(words):
        return set()
    there = {word for word in asked if (values == word).any()}
    return {index for index, some in words.items() if there.isdisjoint(some)}


def pattern_of(
    plan: ShapePlan,
    first: Sequence[str],
    delimiter: str,
    column: Callable[[Spelling | None, Sequence[str]], str],
) -> tuple[str, dict[int, Spelling]]:
    """The pattern of a record by its first one's values, and what it promises of the fields.

    `column` gives the pattern of a column whose values are spelt so, with these words for null, or
    of one of which nothing is known.
    """
    readers: list[list[tuple[int, FieldPlan]]] = [[] for _ in first]
    for index, field in enumerate(plan.fields):
        if field.position >= 0:
            readers[field.position].append((index, field))
    known: dict[int, Spelling] = {}
    parts = []
    for fields, value in zip(readers, first, strict=True):
        spelling = _suggested(fields, value, delimiter)
        nulls: Sequence[str] = ()
        if spelling is not None:
            index, field = fields[0]
            known[index], nulls = spelling, field.nulls
        parts.append(column(spelling, nulls))
    return re.escape(delimiter).join(parts), known


def _suggested(
    readers: Sequence[tuple[int, FieldPlan]], value: str, delimiter: str
) -> Spelling | None:
    """How a column's values are spelt, by its first one; None if its pattern can't tell."""
    if len(readers) != 1:
        return None
    _, field = readers[0]
    rule = field.rule
    if rule is None or rule.also is not None or not rule.spellings:
        return None
    spelling = rule.spellings[0] if value in field.nulls else rule.spelling(value)
    if spelling is None or (delimiter == "," and spelling.pattern == COMMA_DECIMAL):
        return None
    return spelling


def spelt_so(spelling: Spelling, plain: str, nulls: Sequence[str], marks: str) -> str:
    """The pattern of values that are spelt so, or are words for null without any of the `marks`.

    `plain` is the pattern of a text that needs no escape.
    """
    body = plain if spelling.inverted else spelling.body
    # No text may be matched in two ways: each column of a line that fails would be tried in both.
    more = (word for word in dict.fromkeys(nulls) if not re.fullmatch(body, word))
    words = [re.escape(word) for word in more if not set(word) & set(marks)]
    return f"(?:{'|'.join([body, *words])})"


def column_pattern(delimiter: str, spelling: Spelling | None, nulls: Sequence[str]) -> str:
    """The pattern of a column whose values are spelt so, or are words for null; or are anything."""
    mark = re.escape(delimiter)
    if spelling is None:
        return rf"[^{mark}\r\n]*"
    return spelt_so(spelling, rf"[^{mark}\"\\\x00-\x1f]*", nulls, delimiter + "\r\n")
