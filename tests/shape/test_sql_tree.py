"""Expressions as trees: what is known to be row-wise, and integers made wide."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.shape.sql_tree import strangers, widened


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("n + 1", []),
        ("upper(s) || 'x'", []),
        ("n as m", []),
        ("case when n > 1 then abs(n) else round(x, 1) end", []),
        ("count(*)", ["Len"]),
        ("unnest(s)", ["Explode"]),
        ("lag(n) over (order by n)", ["Over"]),
        ("median(n) + count(*)", ["Agg", "Len"]),
        ("date(s)", ["Strptime"]),
        ("date(s, '%Y-%m-%d')", []),
        ("row_number() over ()", ["IntRange", "Len"]),
    ],
)
def test_strangers_are_named(expression: str, names: list[str]) -> None:
    """Every node that may look at other rows, and no other."""
    assert strangers(pl.sql_expr(expression)) == names


@pytest.mark.parametrize(
    "expression",
    [
        pl.col("n").shift(1),
        pl.col("n").cum_sum(),
        pl.col("n").rank(),
        pl.col("n").reverse(),
        pl.col("n").sort(),
        pl.col("n").is_first_distinct(),
        pl.col("n").diff(),
        pl.col("n").rolling_mean(2),
        pl.col("n").filter(pl.col("n") > 1),
        pl.col("s").str.join("-"),
        pl.all().sum(),
        pl.col("^n.*$"),
        pl.len(),
        pl.int_range(pl.len()),
    ],
)
def test_polars_own_ways_to_other_rows(expression: pl.Expr) -> None:
    """What SQL can't say today is refused as well, should it learn to."""
    assert strangers(expression)


FRAME = pl.DataFrame(
    {"n": [5, None, -3], "x": [1.5, None, 2.0], "s": ["12", None, "ab"], "b": [True, None, False]}
)
EXPRESSIONS = [
    "n + 1", "n * x", "n / 2", "n % 2", "-n", "abs(n)", "x + 1", "x * 2", "coalesce(n, 0)",
    "coalesce(x, 1)", "greatest(x, 2)", "least(n, 2)", "case when b then 1 else 0 end",
    "case when b then 1 else 0.5 end", "length(s) + 1", "strpos(s, '2')", "cast(x as int)",
    "try_cast(s as int) + 1", "n & 1", "n = 5", "n in (5, 6)", "n between 1 and 9",
    "substr(s, 1, 1)",
    "lpad(s, 4, '0')", "split_part(s, '2', 1)", "round(x, 0)", "power(x, 2)", "nullif(n, 5)",
    "s || n", "n is null", "not b", "b and n > 1", "1 + 1", "'a'", "n as m", "pow(n, 2)", "sign(n)",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_wide_numbers_mean_the_same(expression: str) -> None:
    """Where nothing overflows, the values are those of the expression as it was."""
    narrow = pl.sql_expr(expression)
    before = FRAME.select(narrow.alias("v")).to_series()
    after = FRAME.select(widened(narrow).alias("v")).to_series()
    assert before.to_list() == after.to_list()


@given(st.integers(-128, 127), st.integers(-128, 127))
def test_small_integers_do_not_wrap(left: int, right: int) -> None:
    """Casts to few bits are casts to many."""
    frame = pl.DataFrame({"l": [left], "r": [right]})
    expression = widened(pl.sql_expr("cast(l as tinyint) * cast(r as tinyint) * 1000"))
    assert frame.select(expression.alias("v")).item() == left * right * 1000
