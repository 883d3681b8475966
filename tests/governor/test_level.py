"""The course of a learned rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.governor.level import (
    CREEP,
    CUT,
    LONG_HOLD_S,
    NEW_HOLD_S,
    SHORT_HOLD_S,
    SLOWEST_PER_S,
    Level,
)

UNKNOWN = Level()


def test_nothing_known_limits_nothing():
    """Infinite, at any time."""
    assert not UNKNOWN.known
    assert UNKNOWN.after(1e6) == math.inf


@given(st.floats(0.2, 1e5), st.floats(0, 1e4), st.floats(0, 1e4))
def test_the_rate_begins_below_the_ceiling_and_never_falls_by_itself(ceiling, early, late):
    """It starts by the cut below and only grows, without end and without overflow."""
    level = UNKNOWN.lowered(ceiling, LONG_HOLD_S, 0)
    assert level.after(0) == pytest.approx(ceiling * (1 - CUT))
    first, second = level.after(min(early, late)), level.after(max(early, late))
    assert ceiling * (1 - CUT) <= first * (1 + 1e-9)
    assert first <= second < math.inf


def test_while_it_is_held_it_stays_below_the_ceiling():
    """Creeping up all the while."""
    level = UNKNOWN.lowered(100, LONG_HOLD_S, 0)
    assert level.after(LONG_HOLD_S / 2) == pytest.approx(100 * (1 - CUT) * (1 + CREEP / 2))
    assert level.after(LONG_HOLD_S) < 100


def test_a_doubled_limit_is_found_within_a_dozen_seconds_of_the_hold():
    """And the first seconds are gentle."""
    level = UNKNOWN.lowered(100, LONG_HOLD_S, 0)
    assert level.after(LONG_HOLD_S + 3) < 104
    assert level.after(LONG_HOLD_S + 12) > 200


def test_what_is_not_well_known_is_searched_faster():
    """At first, and after refusals in a row."""
    unsure = UNKNOWN.lowered(100, SHORT_HOLD_S, 0)
    assert unsure.after(SHORT_HOLD_S + 8) > 200


@pytest.mark.parametrize("ceiling", [0, 1e-9, SLOWEST_PER_S])
def test_a_rate_is_never_nothing(ceiling):
    """Else nobody would ever find out that the service has come back."""
    assert UNKNOWN.lowered(ceiling, 0, 0).after(0) == SLOWEST_PER_S


def test_a_limit_met_where_it_was_is_held_longer_each_time():
    """Up to the longest; one met far above is new."""
    level = UNKNOWN.lowered(100, SHORT_HOLD_S, 0)
    holds = []
    for _ in range(4):
        level = level.outgrown(101)
        holds.append(level.hold_s)
    assert holds == [6, 18, LONG_HOLD_S, LONG_HOLD_S]
    assert level.outgrown(200).hold_s == NEW_HOLD_S
    assert level.sure


def test_what_was_lowered_for_nothing_doubles_each_second():
    """From where it is, without a hold, and without overflow."""
    freed = UNKNOWN.lowered(100, LONG_HOLD_S, 3).freed(10)
    assert [freed.after(seconds) for seconds in (0, 1, 3)] == pytest.approx([10, 20, 80])
    assert freed.after(1e6) < math.inf
    assert UNKNOWN.freed(0).after(0) == SLOWEST_PER_S


def test_a_freed_level_is_outgrown_by_the_next_refusal():
    """What it meets then is a limit like any other."""
    level = UNKNOWN.freed(10).outgrown(100)
    assert level.after(0) == pytest.approx(100 * (1 - CUT))
    assert not level.free
