"""Which values are the same: the rule, type by type, and its law."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Column, Schema
from ingest.operations.verify_cells import Columns, read_record

TYPES = ("Bigint", "Double", "Text", "Timestamp", "Json", "Date", "Decimal[]")
SCHEMA = Schema("t", tuple(Column(kind, kind) for kind in TYPES))
COLUMNS = Columns.of(SCHEMA, TYPES)


def same(kind: str, one: Any, other: Any) -> bool:
    """Whether two values of a column of this type are the same; both ways of asking agree."""
    differ = bool(COLUMNS.differences({kind: one}, {kind: other}))
    assert differ == (COLUMNS.canonical({kind: one}) != COLUMNS.canonical({kind: other}))
    return not differ


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("Double", 5, 5.0),
        ("Double", 0.1, 0.10000000000000001),
        ("Double", 0.0, -0.0),
        ("Decimal[]", [1, 2.5], [1.0, 2.5]),
        ("Timestamp", "2024-01-02 03:04:05", "2024-01-02T03:04:05.000"),
        ("Timestamp", "2024-01-02T03:04", "2024-01-02T03:04:00"),
        ("Timestamp", "2024-01-02T03:04:05Z", "2024-01-02T05:04:05+02:00"),
        ("Json", {"a": 1, "b": [None]}, {"b": [None], "a": 1}),
    ],
)
def test_the_same(kind, one, other):
    """Spelt differently."""
    assert same(kind, one, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("Bigint", 1, 1.0),
        ("Bigint", 1, True),
        ("Bigint", 2**53, 2**53 + 1),
        ("Text", None, ""),
        ("Text", "1", 1),
        ("Text", "a", "a "),
        ("Double", 0.1, 0.1000000000000001),
        ("Double", 1, True),
        ("Double", None, 0),
        ("Json", {"a": 1}, {"a": 1.0}),
        ("Json", {"a": None}, {}),
        ("Date", "2024-01-02", "2024-01-02T00:00:00"),
        ("Timestamp", "2024-01-02T03:04:05", "2024-01-02T03:04:05Z"),
        ("Timestamp", "2024-01-02T03:04:05.0000001", "2024-01-02T03:04:05"),
        ("Timestamp", "2024-99-02T03:04:05Z", "2024-99-02 03:04:05Z"),
    ],
)
def test_not_the_same(kind, one, other):
    """Though Python, or an eye, would take them for equal."""
    assert not same(kind, one, other)


def test_an_absent_member_is_null():
    """On both sides."""
    assert COLUMNS.canonical({}) == COLUMNS.canonical(dict.fromkeys(TYPES))


def test_columns_that_the_table_lacks_are_left_out():
    """What can be added up is known."""
    found = Columns.of(SCHEMA, ["Text", "gone", "Bigint", "Double", "Text"])
    assert (found.names, found.numeric) == (("Text", "Bigint", "Double"), ("Bigint", "Double"))
    assert found.only(frozenset({"Double", "x"})).names == ("Double",)


def test_records_as_they_are_encoded():
    """With what separates them."""
    assert read_record(b'{"a":1},') == read_record(b'{"a":1}\r\n') == {"a": 1}


CELLS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([1.0, "", "1", "a"])


@settings(max_examples=200, deadline=None)
@given(st.lists(CELLS, min_size=2, max_size=2), st.lists(CELLS, min_size=2, max_size=2))
def test_exact_cells_are_the_same_exactly_if_their_json_is(one, other):
    """The law of all columns but those of floats and moments."""
    columns = Columns(("a", "b"), ("exact", "exact"))
    first, second = dict(zip("ab", one, strict=True)), dict(zip("ab", other, strict=True))
    equal = columns.canonical(first) == columns.canonical(second)
    assert equal == (orjson.dumps(one) == orjson.dumps(other))
    assert equal == (not columns.differences(first, second))
