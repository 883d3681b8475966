"""Interval sets against plain sets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.journal import IntervalSet

RANGES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8)).map(lambda p: (p[0], sum(p))))


def numbers(intervals: IntervalSet) -> set[int]:
    """All numbers of the set."""
    return {number for first, last in intervals for number in range(first, last + 1)}


def disjoint(intervals: IntervalSet) -> bool:
    """Ascending, with a hole between any two."""
    return all(last + 1 < first for (_, last), (first, _) in pairwise(intervals))


@given(RANGES, RANGES)
def test_adding_and_removing(added: list[tuple[int, int]], removed: list[tuple[int, int]]) -> None:
    """The same numbers as a set of them, in as few intervals as there can be."""
    intervals, plain = IntervalSet(added), set[int]()
    for first, last in added:
        plain |= set(range(first, last + 1))
    assert numbers(intervals) == plain
    for first, last in removed:
        intervals.remove(first, last)
        plain -= set(range(first, last + 1))
    assert numbers(intervals) == plain
    assert disjoint(intervals)
    assert intervals.records == len(plain)
    assert [n for n in range(60) if n in intervals] == sorted(plain)


@given(RANGES, st.integers(1, 50), st.integers(0, 20))
def test_stretches(added: list[tuple[int, int]], first: int, more: int) -> None:
    """They cover the asked range once, in order, and say of each number what the set says."""
    intervals = IntervalSet(added)
    stretches = intervals.stretches(first, first + more)
    told = {n: inside for low, high, inside in stretches for n in range(low, high + 1)}
    assert list(told) == list(range(first, first + more + 1))
    assert told == {n: n in intervals for n in told}
    assert all(one[2] != other[2] for one, other in pairwise(stretches))


@given(RANGES, RANGES)
def test_union(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """All numbers of both, however they came."""
    union = IntervalSet(one)
    union.update(IntervalSet(other))
    assert union == IntervalSet(other + one)
    assert numbers(union) == numbers(IntervalSet(one)) | numbers(IntervalSet(other))


@pytest.mark.parametrize("batches", [0, 1, 2, 1000])
def test_neighbours_are_one(batches: int) -> None:
    """Whatever their order, what leaves no hole is one interval."""
    places = list(range(batches))
    for order in (places, places[::-1], places[::2] + places[1::2]):
        intervals = IntervalSet((10 * n + 1, 10 * n + 10) for n in order)
        assert list(intervals) == ([(1, 10 * batches)] if batches else [])


def test_nothing_in_nothing_out() -> None:
    """An empty range changes nothing."""
    intervals = IntervalSet([(3, 5)])
    intervals.add(9, 8)
    intervals.remove(4, 3)
    assert list(intervals) == [(3, 5)]
    assert intervals.stretches(5, 4) == []
    assert repr(intervals) == "IntervalSet([(3, 5)])"
    assert len(intervals) == 1
