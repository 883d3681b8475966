"""Axes: round values that hold everything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.page.scale import compact, moment, ticks, time_ticks


@given(st.floats(1e-6, 1e12), st.integers(1, 5))
def test_values_hold_the_highest(highest, most):
    """From 0 in even steps, few of them, and no step more than is needed."""
    found = ticks(highest, most)
    assert found[0] == 0
    assert len(found) <= most + 1
    assert found[-1] >= highest * (1 - 1e-6)
    assert found[-2] < highest


@pytest.mark.parametrize("highest", [0, -1, math.inf, math.nan])
def test_nothing_to_show(highest):
    """An axis all the same."""
    assert ticks(highest) == [0.0, 1.0]


@given(st.floats(0, 1e4), st.floats(0.01, 1e7), st.integers(2, 8))
def test_moments_lie_inside(from_s, width_s, most):
    """In order, within the stretch, and not more than fit."""
    found = time_ticks(from_s, from_s + width_s, most)
    assert found == sorted(set(found))
    assert len(found) <= most + 1
    assert all(from_s - 1e-3 <= one <= from_s + width_s + 1e-3 for one in found)


@pytest.mark.parametrize(
    ("to_s", "found"),
    [
        (0.2, [0, 0.1, 0.2]),
        (91, [0, 30, 60, 90]),
        (3 * 86_400, [0, 43_200, 86_400, 129_600, 172_800, 216_000, 259_200]),
        (0, [0]),
    ],
)
def test_round_moments(to_s, found):
    """Those that a clock would have."""
    assert time_ticks(0, to_s) == pytest.approx(found)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.5, "0.5"), (250, "250"), (5000, "5,000"), (12_000, "12k"), (1.5e6, "1.5M"),
     (2e9, "2G"), (999_999, "999.999k")],
)  # fmt: skip
def test_short_figures(value, said):
    """As short as they are exact."""
    assert compact(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0"), (0.5, "0.5 s"), (59, "59 s"), (60, "1:00"), (90, "1:30"), (3600, "1:00:00"),
     (86_400, "1 d"), (129_600, "36:00:00")],
)  # fmt: skip
def test_moments_in_words(seconds, said):
    """Seconds, then a clock, then days."""
    assert moment(seconds) == said
