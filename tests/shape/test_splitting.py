"""Text that is cut at a mark."""

from __future__ import annotations

import polars as pl
import pytest

from ingest.shape.splitting import in_columns, parts_of, split


@pytest.mark.parametrize("data", [b"\xff\n", b"a\n\xe2\x82\n", b"\xed\xa0\x80\n"])
def test_what_is_no_utf8_has_no_parts(data: bytes) -> None:
    """Others say where the trouble is."""
    assert parts_of(data, "\n") is None


def test_parts_stand_in_one_row() -> None:
    """Empty ones, too."""
    assert split(pl.Series("v", ["a,b", "", ","]), ",").to_list() == ["a", "b", "", "", ""]


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("rows", [0, 1, 2, 9])
def test_every_nth_part_stands_in_a_column(columns: int, rows: int) -> None:
    """From the first, the second, ... on."""
    parts = pl.Series("v", [str(at) for at in range(columns * rows)], dtype=pl.String)
    found = in_columns(parts, columns)
    assert found.columns == [f"c{at}" for at in range(columns)]
    assert found.rows() == [
        tuple(str(row * columns + at) for at in range(columns)) for row in range(rows)
    ]
