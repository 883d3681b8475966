"""Odd lines are found at once or one by one, and they are the same."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.grammar import pcre2
from ingest.shape.odd_lines import MOST, odd_among, odd_lines
from ingest.shape.splitting import parts_of

NUMBER = "0|[1-9][0-9]*"
needs_pcre2 = pytest.mark.skipif(pcre2.version() is None, reason="this machine has no PCRE2")


@given(st.lists(st.sampled_from(["0", "12", "", "01", "x", "é", "1\r", "\u2028"]), max_size=300))
def test_at_once_is_one_by_one(texts: list[str]) -> None:
    """The rows, and with them where the lines are."""
    data = "".join(text + "\n" for text in texts).encode()
    lines = parts_of(data, "\n")
    assert lines is not None
    assert lines.to_list() == texts
    odd = odd_among(lines, NUMBER).to_list()
    assert odd == [row for row, text in enumerate(texts) if text not in ("0", "12")]
    found = odd_lines(data, NUMBER)
    if found is not None:
        assert found.rows.to_list() == odd
        assert [data[start:end].decode() for start, end in found.extents] == [
            texts[row] + "\n" for row in odd
        ]


@needs_pcre2
@pytest.mark.parametrize("odd", [0, 1, 2, MOST, MOST + 1])
def test_more_than_so_many_are_not_told(odd: int) -> None:
    """Polars is quicker then."""
    data = b"1\n" * 3 + b"x\n" * odd
    found = odd_lines(data, NUMBER)
    assert (found is None) == (odd > MOST)
    if found is not None:
        assert found.rows.to_list() == list(range(3, 3 + odd))
        assert found.rows.dtype == pl.UInt32
