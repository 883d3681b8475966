"""One question to a whole block: is every value spelt as in its first record?

A PLAIN block has no quotes, so its grammar is regular, down to the digits of a column. One pattern
of all columns, matched against the bytes as they lie there in one linear pass (a DFA, in native
code, without the interpreter's lock), says at once that every record has its number of fields, that
every column is spelt as its first value suggests, and that no text needs escaping. Asking the
columns one by one costs two to three times as much. Where the answer is no, they are asked one by
one: nothing is lost but the time until the first odd value.

What is known so says nothing about nulls: a word for null is let through in any column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from ingest.model import Block, Form
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import COMMA_DECIMAL, Spelling

# Delimiters that no spelling but the decimal comma's uses: a value can't reach over them.
DELIMITERS = frozenset(",;\t|")
MOST_COLUMNS = 200  # beyond, the pattern's automaton costs more than it saves
Known = Mapping[int, Spelling]


def known_spellings(block: Block, plan: ShapePlan) -> Known | None:
    """The spellings that hold in the whole block, by field; None if the block is not so spelt."""
    columns = block.layout.columns
    if block.form is not Form.PLAIN or not 0 < len(columns) <= MOST_COLUMNS or not block.data:
        return None
    delimiter = block.layout.dialect.delimiter
    if delimiter not in DELIMITERS:
        return None
    line, _, _ = block.data.partition(b"\n")
    try:
        first = line.decode().removesuffix("\r").split(delimiter)
        text = block.data.decode()
    except UnicodeDecodeError:
        return None
    if len(first) != len(columns):
        return None
    known: dict[int, Spelling] = {}
    parts = [
        _column_pattern(readers, value, delimiter, known)
        for readers, value in zip(_readers(plan, len(columns)), first, strict=True)
    ]
    pattern = rf"\A(?:{re.escape(delimiter).join(parts)}\r?\n)*\z"
    return known if pl.Series([text]).str.contains(pattern)[0] else None


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
