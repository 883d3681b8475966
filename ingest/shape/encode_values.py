"""A column whose spelling is not one: the slower steps of its rule.

Bulk in native code, then the reference once for each distinct value that is still open (`rules`).
A query takes as long as the reference takes for hundreds of values: few are asked one by one.
"""

from __future__ import annotations

import polars as pl

from ingest.errors import as_data
from ingest.shape.rules import Rule
from ingest.shape.values import BadValue

FEW = 256


def read_texts(texts: pl.Series, rule: Rule) -> tuple[pl.Series, dict[int, BadValue]]:
    """The JSON texts of these values (null for null), and the rows whose value is refused."""
    if len(texts) <= FEW:
        return _one_by_one(texts, rule)
    if rule.bulk is not None:
        bulk = rule.bulk(pl.col("s")).cast(pl.String)
        done = texts.alias("s").to_frame().select(bulk).to_series()
    else:
        done = pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    still_open = done.is_null() & texts.is_not_null()
    if not still_open.any():
        return done, {}
    good: dict[str, str] = {}
    refused: dict[str, BadValue] = {}
    for text in texts.filter(still_open).unique():
        try:
            good[text] = rule.scalar(text)
        except BadValue as trouble:
            refused[text] = as_data(trouble)
    rows = (still_open & texts.is_in(list(refused))).arg_true() if refused else ()
    bad = {row: refused[texts[row]] for row in rows}
    if good:
        named = texts.replace_strict(list(good), list(good.values()), default=None)
        done = done.zip_with(~still_open, named.cast(pl.String))
    return done, bad


def _one_by_one(texts: pl.Series, rule: Rule) -> tuple[pl.Series, dict[int, BadValue]]:
    done: list[str | None] = []
    bad: dict[int, BadValue] = {}
    for row, text in enumerate(texts):
        try:
            done.append(None if text is None else rule.scalar(text))
        except BadValue as trouble:
            bad[row] = as_data(trouble)
            done.append(None)
    return pl.Series(done, dtype=pl.String), bad
