"""SQL fields: what is refused before the run, and what a record's trouble is."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError
from ingest.shape import sql

TYPES = {
    "n": "integer",
    "x": "decimal",
    "s": "string",
    "d": "date",
    "t": "timestamp",
    "b": "boolean",
    "a b": "text",
    "raw": None,
}
FRAME = pl.DataFrame(
    {
        "n": pl.Series([7, None, -3], dtype=pl.Int128),
        "x": [1.5, None, 0.25],
        "s": ["ab", None, 'q"ü'],
        "d": [date(2024, 12, 31), None, date(999, 1, 2)],
        "t": [datetime(2024, 1, 5, 10, 30), None, datetime(2024, 1, 5, 0, 0, 0, 500_000)],  # noqa: DTZ001 - local
        "b": [True, None, False],
        "a b": ["1", None, "2"],
        "raw": ["5", None, "x"],
    }
)


def values_of(expression: str, frame: pl.DataFrame = FRAME) -> list[Any]:
    """What the expression gives, parsed; no row may fail."""
    sql.check("f", expression, TYPES)
    texts, troubles = sql.evaluate(frame, expression)
    assert troubles == {}
    assert len(texts) == frame.height
    return [None if text is None else orjson.loads(text) for text in texts]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("upper(s)", ["AB", None, 'Q"Ü']),
        ("s || '!'", ["ab!", None, 'q"ü!']),
        ("coalesce(s, '-')", ["ab", "-", 'q"ü']),
        ("case when n > 0 then 'up' else 'down' end", ["up", "down", "down"]),
        ("n + 1", [8, None, -2]),
        ("n * x", [10.5, None, -0.75]),
        ("n / 2", [3.5, None, -1.5]),
        ("n % 2", [1, None, -1]),
        ("cast(n as varchar)", ["7", None, "-3"]),
        ('cast("a b" as int) * 2', [2, None, 4]),
        ("try_cast(raw as int)", [5, None, None]),
        ("n is null", [False, True, False]),
        ("not b", [False, None, True]),
        ("n between 1 and 7", [True, None, False]),
        ("n in (7, 8)", [True, None, False]),
        ("length(s)", [2, None, 3]),
        ("substr(s, 1, 1)", ["a", None, "q"]),
        ("left(s, length(s) - 1)", ["a", None, 'q"']),
        ("s like 'a%'", [True, None, False]),
        ("round(x, 0)", [2.0, None, 0.0]),
        ("n * 1.5", [10.5, None, -4.5]),
        ("cast(n as decimal(10, 2))", [7, None, -3]),
        ("d", ["2024-12-31", None, "0999-01-02"]),
        ("d + interval '1 day'", ["2025-01-01", None, "0999-01-03"]),
        ("t", ["2024-01-05T10:30:00", None, "2024-01-05T00:00:00.500"]),
        ("strftime(d, '%d.%m.%Y')", ["31.12.2024", None, "02.01.0999"]),
        ("1", [1, 1, 1]),
        ("'it''s'", ["it's"] * 3),
        ("null", [None] * 3),
        ("greatest(n, 0)", [7, 0, 0]),
    ],
)
def test_row_wise_expressions(expression: str, wanted: list[Any]) -> None:
    """Functions, operators, cases and casts over one record."""
    assert values_of(expression) == wanted


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("extract(month from d) * 100", [1200, None, 100]),
        (
            "extract(year from d) * 10000 + extract(month from d) * 100 + extract(day from d)",
            [20241231, None, 9990102],
        ),
        ("length(s) - 10", [-8, None, -7]),
        ('length("a b") - length(s)', [-1, None, -2]),
        ("extract(month from d) * extract(day from d)", [372, None, 2]),
        ("-length(s)", [-2, None, -3]),
        ("cast(n as smallint) * 100000", [700_000, None, -300_000]),
        ('cast("a b" as int) * 3000000000', [3_000_000_000, None, 6_000_000_000]),
        ("if(n > 0, 100, 1) * 100", [10_000, 100, 100]),
    ],
)
def test_whole_numbers_do_not_wrap_around(expression: str, wanted: list[Any]) -> None:
    """Parts of dates and lengths have 8 to 32 bits by themselves."""
    assert values_of(expression) == wanted


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=60)
def test_arithmetic_is_exact_or_refused(left: int, right: int) -> None:
    """Sums and products of any two numbers of 64 bits."""
    frame = pl.DataFrame({"n": pl.Series([left]), "m": pl.Series([right])}).cast(pl.Int128)
    for expression, exact in (
        ("n + m", left + right),
        ("n - m", left - right),
        ("n * m", left * right),
    ):
        texts, troubles = sql.evaluate(frame, expression)
        if -(2**63) <= exact < 2**63:
            assert (texts[0], troubles) == (str(exact), {})
        else:
            assert troubles[0].reason == "out_of_range"


@pytest.mark.parametrize(
    "expression",
    [
        "sum(n)",
        "max(n)",
        "count(*)",
        "count(n)",
        "count(distinct n)",
        "first(s)",
        "last(n)",
        "median(n)",
        "stddev(n)",
        "quantile_cont(n, 0.5)",
        "array_agg(s)",
        "row_number() over ()",
        "row_number() over (order by n)",
        "rank() over (order by n)",
        "sum(n) over (partition by s)",
        "lag(n) over (order by n)",
        "first_value(n) over (order by n)",
        "n - avg(n)",
        "coalesce(n, max(n))",
        "case when n > 1000 then sum(n) else n end",
        "case when n > 1000 then count(*) else n end",
        "s || (case when n > 1000 then first(s) else 'q' end)",
        "case when n > 1000 then lag(n) over (order by n) else n end",
        "cast(raw as int) + count(*)",
        "cast(raw as int) + min(n)",
        "cast(raw as int) + avg(n)",
        "unnest(s)",
        "date(raw)",
        "timestamp(raw)",
    ],
)
def test_what_looks_at_other_rows_is_refused(expression: str) -> None:
    """Aggregates and windows, in branches that no sample would take and behind casts as well."""
    with pytest.raises(SettingsError, match=r"fields\.f\.sql: ") as caught:
        sql.check("f", expression, TYPES)
    assert "one expression over the fields" in caught.value.hint


@pytest.mark.parametrize(
    "expression",
    [
        "read_csv('{file}')",
        "(select 1)",
        "(select * from read_csv('{file}'))",
        "exists(select 1)",
        "n in (select n from read_csv('{file}'))",
        "n > all(select 1)",
        "select 1",
        "columns('.*')",
        "*",
        "n, s",
        "n limit 1",
        "n from read_csv('{file}')",
        "random()",
        "len()",
        "nosuchfunction(n)",
        "upper(",
        "",
        "'",
    ],
)
def test_what_is_no_expression_is_refused(expression: str, tmp_path: Path) -> None:
    """No file is read, no table made, and a mistake is a sentence and no crash."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\ntop\n")
    with pytest.raises(SettingsError) as caught:
        sql.check("f", expression.format(file=secret), TYPES)
    assert "top" not in caught.value.message


@pytest.mark.parametrize("expression", ["nosuch", "S", "upper(nosuch)", '"N"'])
def test_a_field_must_stand_before_it(expression: str) -> None:
    """Names are asked of the fields before this one, letter by letter."""
    with pytest.raises(SettingsError, match="is no field that stands before it") as caught:
        sql.check("f", expression, TYPES)
    assert "n, x, s" in caught.value.hint


def test_the_first_field_has_none_before_it() -> None:
    """A constant needs no fields; a name needs one."""
    sql.check("f", "1 + 1", {})
    with pytest.raises(SettingsError) as caught:
        sql.check("f", "n", {})
    assert "give it fields first" in caught.value.hint


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("n + 1", "integer"),
        ("length(s)", "integer"),
        ("n / 2", "decimal"),
        ("n * 1.5", "decimal"),
        ("upper(s)", "string"),
        ("null", "string"),
        ("n > 1", "boolean"),
        ("d + interval '1 day'", "date"),
        ("t", "timestamp"),
        ("cast(raw as int) + 1", "integer"),
    ],
)
def test_the_type_of_the_result(expression: str, kind: str) -> None:
    """For the column that is to take it, whatever the values."""
    assert sql.check("f", expression, TYPES) == kind


@pytest.mark.parametrize(
    "expression",
    ["d - d", "interval '1 day'", "time '10:00'", "string_to_array(s, 'a')", "cast(s as bytea)"],
)
def test_a_result_that_is_no_json_value_is_refused(expression: str) -> None:
    """Durations, lists and bytes have no field type."""
    with pytest.raises(SettingsError, match="no field type"):
        sql.check("f", expression, TYPES)


@pytest.mark.parametrize("expression", ["d > '2024-01-01'", "n + s", "b || d + 1"])
def test_types_that_do_not_go_together_are_refused(expression: str) -> None:
    """What no record could ever give is said before the first one."""
    with pytest.raises(SettingsError, match=r"fields\.f\.sql: "):
        sql.check("f", expression, TYPES)


@pytest.mark.parametrize("bad", [[], [0], [2], [0, 1, 2], [1, 500, 999]])
def test_each_row_that_fails_is_named(bad: list[int]) -> None:
    """The others keep their values, wherever the bad ones stand."""
    count = 1000 if 999 in bad else 3
    cells = [("x" if row in bad else str(row)) for row in range(count)]
    texts, troubles = sql.evaluate(pl.DataFrame({"raw": cells}), "cast(raw as int) + 1")
    assert sorted(troubles) == bad
    assert {trouble.reason for trouble in troubles.values()} <= {"sql_failed"}
    for row in range(count):
        assert texts[row] == (None if row in bad else str(row + 1))


def test_no_rows_give_no_values() -> None:
    """An empty frame is no trouble, not even for a constant."""
    for expression in ("upper(s)", "1", "null"):
        texts, troubles = sql.evaluate(FRAME.clear(), expression)
        assert (len(texts), troubles) == (0, {})


def test_what_is_not_finite_is_a_reject() -> None:
    """Division by zero and roots of negative numbers have no JSON."""
    frame = pl.DataFrame({"x": [1.0, 0.0, -1.0, None]})
    _, troubles = sql.evaluate(frame, "1 / x")
    assert {row: t.reason for row, t in troubles.items()} == {1: "not_finite"}
    _, troubles = sql.evaluate(frame, "sqrt(x)")
    assert {row: t.reason for row, t in troubles.items()} == {2: "not_finite"}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_decimals_come_back_exactly(number: float) -> None:
    """The JSON of a double is that double."""
    texts, _ = sql.evaluate(pl.DataFrame({"x": [number]}), "x")
    assert orjson.loads(texts[0]) == number
