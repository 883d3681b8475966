"""Each of aito's types with good and bad values, and the laws that hold for all."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox import aito_types
from ingest.sandbox.aito_types import TYPES

GOOD: dict[str, list[Any]] = {
    "Boolean": [True, False],
    "Int": [0, -1, 2**31 - 1, -(2**31)],
    "Long": [0, 2**53 + 1, 2**63 - 1, -(2**63)],
    "Decimal": [0, 5, 5.0, -0.0, 0.1234567890123456789, 1e308, 5e-324, 2**64 - 1],
    "String": ["", "abc", "00100", "a\x00b", "äöü", "\u2028"],
    "Text": ["", "london 20s"],
    "Json": [{}, [], "text", 0, 1.5, True, {"a": [None, {"b": "c"}]}, 2**80],
    "Boolean[]": [[], [True], [False, True]],
    "Int[]": [[], [1], [2**31 - 1, -1]],
    "Decimal[]": [[], [1, 1.5], [-0.0]],
    "String[]": [[], ["a", ""]],
}
BAD: dict[str, list[Any]] = {
    "Boolean": [1, 0, "true", "", 1.0, [], [True], {}],
    "Int": [2**31, -(2**31) - 1, 12345.0, 1.5, "3", "", True, False, [], [1], {}],
    "Long": [2**63, -(2**63) - 1, 1.0, "1", True, []],
    "Decimal": ["1.5", "", True, math.nan, math.inf, -math.inf, [1.0], {}, 10**400],
    "String": [5, 1.5, True, ["a"], {"a": 1}],
    "Text": [5, False, []],
    "Json": [],
    "Boolean[]": [True, "true", [1], ["true"], [True, None], {}, [[True]]],
    "Int[]": [1, ["1"], [1.0], [True], [None], [2**31], {"0": 1}, [[1]]],
    "Decimal[]": [1.5, ["1.5"], [True], [None, 1], [math.nan], [math.inf]],
    "String[]": ["a", "[]", [1], [None], ["a", 5], {}],
}


def test_every_type_is_tested() -> None:
    """The tables above name every type there is."""
    assert set(TYPES) == GOOD.keys() == BAD.keys()


@pytest.mark.parametrize("kind", TYPES)
def test_good_values(kind: str) -> None:
    """Each alone and all together fit; none fits always."""
    assert aito_types.fits(kind, [])
    for value in GOOD[kind]:
        assert aito_types.fits(kind, [value]), value
    assert aito_types.fits(kind, GOOD[kind])


@pytest.mark.parametrize("kind", TYPES)
def test_bad_values(kind: str) -> None:
    """Each is refused, alone and among good ones."""
    for value in BAD[kind]:
        assert not aito_types.fits(kind, [value]), value
        assert not aito_types.fits(kind, [*GOOD[kind], value])


@given(
    st.sampled_from(TYPES),
    st.lists(st.sampled_from([v for values in (*GOOD.values(), *BAD.values()) for v in values])),
)
def test_a_column_fits_exactly_if_every_value_does(kind: str, values: list[Any]) -> None:
    """The quick form and the form that finds the wrong one are one rule."""
    one_by_one = all(aito_types.fits(kind, [value]) for value in values)
    assert aito_types.fits(kind, values) == one_by_one


@pytest.mark.parametrize("kind", TYPES)
def test_stored_and_answered_is_as_it_came(kind: str) -> None:
    """The same JSON, letter for letter; null stays null."""
    values = [None, *GOOD[kind]]
    if kind == "Decimal":
        values.remove(2**64 - 1)  # the one that 64 bits can't hold
    if kind == "Json":
        values.remove(2**80)  # which only its own bytes can hold: see the store's tests
    raw = [None if value is None else orjson.dumps(value) for value in values]
    stored = aito_types.stored(kind, values, raw)
    assert stored[0] is None
    answered = [aito_types.answered(kind, value) for value in stored[1:]]
    assert list(map(orjson.dumps, answered)) == raw[1:]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, -(2**63) - 1, 10**300])
def test_a_decimal_beyond_64_bits_is_a_double(value: int) -> None:
    """SQLite holds no larger integer."""
    assert aito_types.stored("Decimal", [value], ()) == [float(value)]


@pytest.mark.parametrize("value", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_decimal_within_64_bits_is_exact(value: int) -> None:
    """Whole, past 2^53 too."""
    assert aito_types.stored("Decimal", [value], ()) == [value]
