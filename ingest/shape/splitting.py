"""Text that is cut at a mark, in native code: all parts in one row, or every n-th in a column."""

from __future__ import annotations

from functools import lru_cache

import polars as pl


def split(texts: pl.Series, by: str) -> pl.Series:
    """All parts of all texts, or of bytes that are texts, in one row."""
    parts = pl.col(texts.name).cast(pl.String).str.split(by).explode()
    return texts.to_frame().select_seq(parts).to_series()


def parts_of(data: bytes, end: str) -> pl.Series | None:
    """The parts of `data`, each ended by `end`; None if they are no UTF-8."""
    try:
        parts = split(pl.Series("part", [data]), end)
    except pl.exceptions.PolarsError:
        return None
    return parts.head(len(parts) - 1)  # behind the last end stands nothing


def in_columns(parts: pl.Series, columns: int) -> pl.DataFrame:
    """Every n-th part, from the first, the second, ... on, as columns c0, c1, ..."""
    return parts.to_frame().select_seq(_columns(columns))


@lru_cache(maxsize=16)
def _columns(columns: int) -> tuple[pl.Expr, ...]:
    return tuple(
        pl.first().gather_every(columns, start).alias(f"c{start}") for start in range(columns)
    )
