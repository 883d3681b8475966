"""One question to every column of a block at once: how is it spelt, and has it nulls?

The first value of a column suggests a spelling (`rules`); one query asks of all columns whether
every value is spelt so. What is `Known` beforehand is not asked again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

import msgspec
import polars as pl
from msgspec import Struct

from ingest.shape.plan import FieldPlan
from ingest.shape.rules import Spelling

HEAD_ROWS = 64  # how far to look for a first value that is not null


class Checked(Struct, frozen=True):
    """What the query said of one field's column. `clean`: every value but null is so spelt."""

    spelling: Spelling | None
    clean: bool
    has_nulls: bool


class Known(Struct, frozen=True):
    """What is known of fields' columns beforehand, by the fields' indexes.

    `spellings` hold for every value but the words for null, and no such word is in the columns
    `without_nulls`. What was `checked` already is not asked again.
    """

    spellings: Mapping[int, Spelling] = msgspec.field(default_factory=dict)
    without_nulls: Collection[int] = ()
    checked: Mapping[int, Checked] = msgspec.field(default_factory=dict)


NOTHING_KNOWN = Known()


def check(
    frame: pl.DataFrame,
    fields: Mapping[int, FieldPlan],
    columns: Mapping[int, str],
    known: Known,
) -> dict[int, Checked]:
    """The answer for each of the `columns` (by the field's index)."""
    pending = {index: name for index, name in columns.items() if index not in known.checked}
    if not pending:
        return dict(known.checked)
    asked: dict[int, Spelling | None] = {}
    questions: list[pl.Expr] = []
    is_open = frame.height > 0 and not pending.keys() <= known.spellings.keys()
    first = frame.row(0, named=True) if is_open else {}
    for index, name in pending.items():
        field = fields[index]
        if index not in known.without_nulls:
            questions += _null_questions(index, name, field.nulls)
        if index in known.spellings:
            asked[index] = known.spellings[index]
            continue
        spelling = _suggested(frame, name, field, first.get(name))
        asked[index] = spelling
        if spelling is None or field.rule is None:
            continue
        holds = spelling.holds(pl.col(name))
        if field.rule.also is not None:
            holds = holds & field.rule.also(pl.col(name))
        questions.append((holds | is_null(name, field.nulls)).all().alias(f"clean{index}"))
    answers = frame.select(questions).row(0, named=True) if questions else {}
    nulls = frame.null_count().row(0, named=True)
    found = {
        index: Checked(
            spelling,
            index in known.spellings or bool(answers.get(f"clean{index}")),
            bool(answers.get(f"null{index}")) or nulls[columns[index]] > 0,
        )
        for index, spelling in asked.items()
    }
    return {**known.checked, **found}


def _suggested(
    frame: pl.DataFrame, name: str, field: FieldPlan, first: str | None
) -> Spelling | None:
    """What the first value suggests that is not null; mostly the `first` of all."""
    if field.rule is None:
        return None
    if first is not None and first not in field.nulls:
        return field.rule.spelling(first)
    for text in frame.get_column(name).head(HEAD_ROWS):
        if text is not None and text not in field.nulls:
            return field.rule.spelling(text)
    return field.rule.spellings[0] if field.rule.spellings else None


@lru_cache(maxsize=1024)
def is_null(name: str, words: tuple[str, ...]) -> pl.Expr:
    """A Boolean a row: null, or a word for it."""
    column = pl.col(name)
    if not words:
        return column.is_null()
    same = column == words[0] if len(words) == 1 else column.is_in(list(words))
    return column.is_null() | same


@lru_cache(maxsize=1024)
def _null_questions(index: int, name: str, words: tuple[str, ...]) -> tuple[pl.Expr, ...]:
    """Does any value mean null? (Nulls of the column's own are counted without asking.)"""
    if not words:
        return ()
    column = pl.col(name)
    same = column == words[0] if len(words) == 1 else column.is_in(list(words))
    return (same.any().alias(f"null{index}"),)
