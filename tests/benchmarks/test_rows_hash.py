"""The hash of a heap of rows: order is nothing, value and type and number are everything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rows_hash import RowsHash

ROWS = st.lists(st.dictionaries(st.text(max_size=3), st.integers(-5, 5), max_size=3), max_size=6)


def digest(*rows: object) -> str:
    """The hash of these rows."""
    heap = RowsHash()
    heap.add(rows)
    return heap.hexdigest


@settings(max_examples=50)
@given(rows=ROWS, random=st.randoms(use_true_random=False))
def test_order_is_nothing(rows: list[dict[str, int]], random) -> None:
    """Shuffled rows have the same hash and count."""
    shuffled = rows[:]
    random.shuffle(shuffled)
    one, other = RowsHash(), RowsHash()
    one.add(rows)
    other.add(shuffled[:2])
    other.add(shuffled[2:])
    assert (one.hexdigest, one.count) == (other.hexdigest, other.count)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 5}, {"a": 5.0}), ({"a": 5}, {"a": "5"}), ({"a": None}, {}), ({"a": 1}, {"b": 1})],
)
def test_value_type_and_name_are_everything(one: object, other: object) -> None:
    """What JSON tells apart has another hash."""
    assert digest(one) != digest(other)


def test_the_order_of_keys_is_nothing() -> None:
    """An object is its members."""
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_a_row_that_came_twice_counts_twice() -> None:
    """Twice a row is neither once nor never."""
    assert len({digest(), digest({"a": 1}), digest({"a": 1}, {"a": 1})}) == 3
    assert digest() == "0" * 32
