"""One line of pieces: commas stand where they are due, whichever members are absent."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape.encode_line import Member, Piece, Spelt, glued, line, to_buffer, unquoted
from ingest.shape.rules import Spelling
from ingest.shape.values import quoted
from tests.shape.helpers import any_text

ROWS = 4


@st.composite
def members(draw: st.DrawFn) -> tuple[pl.DataFrame, list[Member], list[str]]:
    """Members over a frame, some of them absent in some rows, and the lines by hand."""
    frame = pl.DataFrame({"row": range(ROWS)})
    found: list[list[str]] = [[] for _ in range(ROWS)]
    made: list[Member] = []
    for index in range(draw(st.integers(0, 5))):
        name = quoted(f"k{index}") + ":"
        texts = draw(st.lists(st.sampled_from(["1", "-2", "33"]), min_size=ROWS, max_size=ROWS))
        may_lack = draw(st.booleans())
        lacks = draw(st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
        column = pl.Series(f"c{index}", texts)
        frame = frame.with_columns(column, pl.Series(f"a{index}", lacks))
        spelling = Spelling("^", draw(st.sampled_from(["", '"'])), draw(st.sampled_from(["", "]"])))
        pieces: list[Piece] = [Spelt(spelling, column.name)]
        if draw(st.booleans()):
            pieces = [pl.col(column.name), ""]
            spelling = Spelling("^")
        made.append(Member(name, pieces, pl.col(f"a{index}") if may_lack else None))
        for row in range(ROWS):
            if not (may_lack and lacks[row]):
                found[row].append(f"{name}{spelling.prefix}{texts[row]}{spelling.suffix}")
    rest = draw(
        st.none() | st.lists(st.sampled_from(["", "x", "x,y"]), min_size=ROWS, max_size=ROWS)
    )
    if rest is not None:
        frame = frame.with_columns(pl.Series("rest", rest))
        found = [parts + [more] * bool(more) for parts, more in zip(found, rest, strict=True)]
    return frame, made, ["{" + ",".join(parts) + "}" for parts in found]


@given(members())
@settings(max_examples=300)
def test_members_are_parted_by_commas(made: tuple[pl.DataFrame, list[Member], list[str]]) -> None:
    """Any members, absent or not, with more behind them or not."""
    frame, parts, lines = made
    rest = "rest" if "rest" in frame.columns else None
    found = frame.select(pl.col("row"), line(parts, rest).alias("x")).get_column("x")
    assert found.to_list() == lines


def test_a_line_that_is_the_same_in_every_block_is_made_once() -> None:
    """Where every column is spelt in one way, the query is put together once."""
    parts = [Member('"a":', [Spelt(Spelling("^"), "c")])]
    assert line(parts) is line(list(parts))
    lacking = [Member('"a":', [Spelt(Spelling("^"), "c")], pl.col("a"))]
    assert line(lacking) is not line(lacking)


@pytest.mark.parametrize(
    ("pieces", "text"), [(["a", "b"], "ab"), (["", "a", ""], "a"), (["a", pl.col("c"), "b"], "axb")]
)
def test_neighbouring_constants_become_one(pieces: Sequence[Piece], text: str) -> None:
    """Nothing stands between pieces."""
    assert pl.DataFrame({"c": ["x"]}).select(glued(pieces)).item() == text


@given(st.lists(any_text(), max_size=5))
def test_texts_lose_their_quotes(texts: list[str]) -> None:
    """A JSON string gives its text, other JSON stays as it is spelt."""
    frame = pl.DataFrame({"j": pl.Series([*map(quoted, texts), "1.50", "null", "[1]"])})
    found = frame.select(unquoted(pl.col("j"))).to_series().to_list()
    assert found == [*texts, "1.50", "null", "[1]"]


@pytest.mark.parametrize("record_end", [b"\n", b",\n"])
@given(st.lists(any_text().map(quoted), max_size=5))
def test_a_buffer_is_the_lines_with_their_ends(record_end: bytes, lines: list[str]) -> None:
    """Nothing is quoted, escaped or dropped on the way to bytes."""
    made = to_buffer(pl.Series(lines, dtype=pl.String), record_end)
    assert made == b"".join(line.encode() + record_end for line in lines)
