"""Each type's rule with good and bad values, and the laws that hold for all."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox.tables import TYPES, Column
from ingest.sandbox.values import compiled

PROPERTIES: dict[str, dict[str, Any]] = {
    "Text": {"max_length": 3},
    "Picklist": {"picklist_items": ["Male", "Other"]},
    "Embedding": {"length": 2},
}
GOOD: dict[str, list[Any]] = {
    "Integer": [0, -1, 2**31 - 1, -(2**31)],
    "Bigint": [0, 2**53 + 1, 2**63 - 1, -(2**63)],
    "Lookup": [0, 2**63 - 1],
    "Double": [0, 5, -0.0, 0.1234567890123456789, 1e308, 5e-324, 2**64 - 1],
    "Text": ["", "abc", "äöü", "a\x00b"],
    "Textarea": ["", "x" * 100_000, "\n"],
    "Date": ["2020-02-29", "0001-01-01", "9999-12-31"],
    "Timestamp": [
        "2020-02-29T23:59:59Z", "2020-01-01T00:00", "2020-01-01 00:00:00",
        "2020-01-01T00:00:00.123456789+05:30", "2020-01-01T00:00:00.1-0800", "2020-01-01T00:00+01",
    ],
    "Email": ["john@mycompany.com", "a.b+c@d.e.org", "größe@büro.de"],
    "Picklist": ["Male", "Other"],
    "Json": [{}, [], "text", 0, 1.5, True, {"a": [None, {"b": "c"}]}, 2**80],
    "Embedding": [[0, 1.5], [-1, 2]],
}  # fmt: skip
BAD: dict[str, list[Any]] = {
    "Integer": [2**31, -(2**31) - 1, 1.0, 1.5, "1", "12345.0", True, False, [], {}, ""],
    "Bigint": [2**63, -(2**63) - 1, 1.0, "1", True],
    "Lookup": [2**63, 1.0, "1", True],
    "Double": ["1.5", True, "NaN", math.nan, math.inf, -math.inf, [1.0], 10**400],
    "Text": ["abcd", 5, True, ["a"], {"a": 1}],
    "Textarea": [5, True, []],
    "Date": ["2020-02-30", "2019-02-29", "20200101", "2020-1-1", "2020-W01-1", "2020-01-01T00:00",
             "", " 2020-01-01", "2020-01-01\n", "٢٠٢٠-٠١-٠١", "0000-01-01", 20200101, 1.5],
    "Timestamp": ["2020-01-01", "2020-01-01T24:00:00", "2020-02-30T00:00:00", "2020-01-01T00:00:60",
                  "2020-01-01T00:00:00+25:00", "2020-01-01T00:00:00.", "2020-01-01T00", "", 0,
                  "2020-01-01T00:00:00Z\n", "20200101T000000Z", "2020-01-01T00:00:00 Z"],
    "Email": ["", "john", "john@", "@x.org", "a@b", "a b@c.org", "a@@b.org", "a@b..c", 5,
              "x" * 250 + "@a.org", "a@b.org\n"],
    "Picklist": ["", "male", "Female", 0, ["Male"]],
    "Json": [math.nan, [math.inf], {"a": -math.inf}],
    "Embedding": [[], [1], [1, 2, 3], ["1", 2], [True, 1], [None, 1], "[1,2]", {"0": 1},
                  [math.nan, 1], 5],
}  # fmt: skip


def check(kind: str, **more: Any) -> Any:
    """The compiled check of a column of that type."""
    return compiled(Column("c", kind, {**PROPERTIES.get(kind, {}), **more}))


def test_every_type_is_tested() -> None:
    """The tables above name every type there is."""
    assert set(TYPES) == GOOD.keys() == BAD.keys()


@pytest.mark.parametrize("kind", TYPES)
def test_good_values(kind: str) -> None:
    """Each alone and all together, with nulls between them, fit."""
    for value in GOOD[kind]:
        assert check(kind).fits([value]), value
        assert check(kind).problem(value) is None
    assert check(kind).fits([None, *GOOD[kind], None])


@pytest.mark.parametrize("kind", TYPES)
def test_bad_values(kind: str) -> None:
    """Each has a problem, and spoils a column of good ones."""
    for value in BAD[kind]:
        assert check(kind).problem(value), value
        assert not check(kind).fits([*GOOD[kind], value])


@pytest.mark.parametrize("kind", TYPES)
def test_null_is_fine_unless_required(kind: str) -> None:
    """And an empty column always is."""
    assert check(kind).fits([None, None])
    assert check(kind).problem(None) is None
    assert not check(kind, required=True).fits([GOOD[kind][0], None])
    assert check(kind, required=True).problem(None)
    assert check(kind, required=True).fits([])


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4])
def test_max_length_at_its_edge(length: int) -> None:
    """Three characters fit in max_length 3, four do not; characters are counted, not bytes."""
    for kind in ("Text", "Textarea"):
        assert check(kind, max_length=3).fits(["ü" * length]) == (length <= 3)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from([value for values in (*GOOD.values(), *BAD.values()) for value in values]),
)  # fmt: skip
ANYTHING = st.lists(
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
    max_size=6,
)


@given(st.sampled_from(TYPES), st.booleans(), ANYTHING)
def test_a_column_fits_exactly_if_no_value_has_a_problem(
    kind: str, required: bool, values: list[Any]
) -> None:
    """The quick form and the form with words are one rule."""
    one = check(kind, required=required)
    assert one.fits(values) == all(one.problem(value) is None for value in values)
