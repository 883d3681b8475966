"""One question to each line of a block: is every value spelt as in the block's first record?

A PLAIN block has no quotes, so its grammar is regular, down to the digits of a column. One pattern
of all columns, matched against each line in one linear pass (a DFA, in native code, without the
interpreter's lock), says at once that every record has its number of fields, that every column is
spelt as its first value suggests, and that no text needs escaping. Asking the columns one by one
costs two to three times as much, and so only those of the *odd* lines are, whose answer was no.

Once every line is known to have its fields, splitting is all there is to reading: the values of all
lines stand in one row, and every n-th of them makes a column. That takes two thirds of what a
reader of CSV takes, which has to look for what is known not to be there.

The pattern lets a word for null through in any column. Whether there is one at all is asked of all
values in one row, too, where that is less work than to ask the columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import polars as pl
from msgspec import Struct

from ingest.model import Block, Form
from ingest.shape.encode_check import Known
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import COMMA_DECIMAL, Spelling

# Delimiters that no spelling but the decimal comma's uses: a value can't reach over them.
DELIMITERS = frozenset(",;\t|")
MOST_COLUMNS = 200  # beyond, the pattern's automaton costs more than it saves
COLUMNS_A_WORD = 4  # as many columns take as long to be asked for a word as all values in one row
_VALUES = "v"
_EACH = pl.col(_VALUES)


class Spelled(Struct, frozen=True):
    """A block's values as columns c0, c1, ... of texts, and what is known of them.

    It holds in every row but the `odd` ones, whose numbers are given in rising order.
    """

    frame: pl.DataFrame
    known: Known
    odd: pl.Series


def read_spelled(block: Block, plan: ShapePlan) -> Spelled | None:
    """Read a block; None if it is not surely a record a line, each with all of its fields."""
    columns = len(block.layout.columns)
    if block.form is not Form.PLAIN or not 0 < columns <= MOST_COLUMNS or not block.data:
        return None
    delimiter = block.layout.dialect.delimiter
    if delimiter not in DELIMITERS:
        return None
    first = _first_line(block.data).split(delimiter)
    if len(first) != columns:
        return None
    pattern, spellings = _line_pattern(plan, first, delimiter)
    lines = _split(pl.Series(_VALUES, [_text(block.data)]), "\n")
    odd = lines.to_frame().select_seq((~_EACH.str.contains(pattern)).arg_true()).to_series()
    if (
        len(odd)
        and (lines.gather(odd).str.count_matches(delimiter, literal=True) + 1 != columns).any()
    ):
        return None
    values = _split(lines, delimiter)
    known = Known(spellings, _without_nulls(plan, values))
    return Spelled(values.to_frame().select_seq(_columns(columns)), known, odd)


def _first_line(data: bytes) -> str:
    end = data.find(b"\n")
    return data[: end if end >= 0 else None].decode().removesuffix("\r")


def _text(data: bytes) -> str:
    """The lines of a block, the last without its end."""
    # What is PLAIN is UTF-8, and its CRs stand before LFs. A view, because each copy costs time.
    text = str(memoryview(data)[:-1] if data.endswith(b"\n") else data, "utf-8")
    return text.replace("\r\n", "\n").removesuffix("\r") if "\r" in text else text


@lru_cache(maxsize=16)
def _columns(columns: int) -> tuple[pl.Expr, ...]:
    """Every n-th value, from the first, the second, ... on."""
    return tuple(_EACH.gather_every(columns, start).alias(f"c{start}") for start in range(columns))


def _split(texts: pl.Series, by: str) -> pl.Series:
    """All parts of all texts, in one row."""
    return texts.to_frame().select_seq(_EACH.str.split(by).explode()).to_series()


def _without_nulls(plan: ShapePlan, values: pl.Series) -> set[int]:
    """The fields that surely have no word for null among their values, by index."""
    words = {i: field.nulls for i, field in enumerate(plan.fields) if field.position >= 0}
    asked = {word for some in words.values() for word in some}
    if len(asked) * COLUMNS_A_WORD > len(words):
        return set()
    there = {word for word in asked if (values == word).any()}
    return {index for index, some in words.items() if there.isdisjoint(some)}


def _line_pattern(
    plan: ShapePlan, first: Sequence[str], delimiter: str
) -> tuple[str, Mapping[int, Spelling]]:
    """The pattern of a line, and what it promises of the fields."""
    known: dict[int, Spelling] = {}
    parts = [
        _column_pattern(readers, value, delimiter, known)
        for readers, value in zip(_readers(plan, len(first)), first, strict=True)
    ]
    return rf"\A{re.escape(delimiter).join(parts)}\z", known


def _readers(plan: ShapePlan, columns: int) -> list[list[tuple[int, FieldPlan]]]:
    """The fields that read each of a file's columns."""
    readers: list[list[tuple[int, FieldPlan]]] = [[] for _ in range(columns)]
    for index, field in enumerate(plan.fields):
        if field.position >= 0:
            readers[field.position].append((index, field))
    return readers


def _column_pattern(
    readers: Sequence[tuple[int, FieldPlan]], value: str, delimiter: str, known: dict[int, Spelling]
) -> str:
    anything = rf"[^{re.escape(delimiter)}\r\n]*"
    if len(readers) != 1:
        return anything
    index, field = readers[0]
    rule = field.rule
    if rule is None or rule.also is not None or not rule.spellings:
        return anything
    spelling = rule.spellings[0] if value in field.nulls else rule.spelling(value)
    if spelling is None or (delimiter == "," and spelling.pattern == COMMA_DECIMAL):
        return anything
    known[index] = spelling
    if spelling.inverted:
        body = rf"[^{re.escape(delimiter)}\"\\\x00-\x1f]*"
    else:
        body = spelling.pattern.removeprefix("^").removesuffix("$")
    words = [re.escape(word) for word in field.nulls if not set(word) & {delimiter, "\r", "\n"}]
    return f"(?:{'|'.join([body, *words])})"
