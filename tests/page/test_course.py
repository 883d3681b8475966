"""A timeline as stretches of time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.page.course import coarser, course, seconds_of
from tests.page.reports import report, timeline


def test_stretches_are_the_points():
    """One after the other, with what happened in each."""
    found = course(report())
    assert len(found) == 40
    assert all(one.end_s == two.start_s for one, two in pairwise(found))
    assert sum(one.accepted for one in found) == 36_000
    assert found[0].accepted_per_s == pytest.approx(10_000)
    assert [at for at, one in enumerate(found) if one.paused > 0.99] == [10, 11, 12, 13, 14]
    assert found[12].p95_ms is None
    assert found[0].in_flight == 4


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "x",
        {},
        {"seconds": [1, 2]},
        {"seconds": "x", "accepted": 1},
        {**timeline(3), "accepted": []},
        {**timeline(3), "seconds": [None, "x", True]},
        {**timeline(3), "seconds": [0.0, 0.0, 0.0]},
    ],
)
def test_a_timeline_that_was_touched(broken):
    """No error, and no stretch without width."""
    assert course(report(timeline=broken)) == []


def test_half_a_timeline():
    """As many stretches as there are whole ones."""
    found = timeline(5)
    found["bytes_sent"] = found["bytes_sent"][:2]
    assert len(course(report(timeline=found))) == 2


@given(st.integers(0, 300), st.integers(1, 50))
def test_coarser_keeps_amounts(ticks, most):
    """Not more than wanted; sums and times stay, percentiles become the highest."""
    fine = course(report(timeline=timeline(ticks)))
    found = coarser(fine, most)
    assert len(found) <= most
    assert seconds_of(found) == pytest.approx(seconds_of(fine))
    assert sum(one.accepted for one in found) == sum(one.accepted for one in fine)
    assert sum(one.paused_s for one in found) == pytest.approx(sum(one.paused_s for one in fine))
    assert max([one.p95_ms or 0 for one in found], default=0) == max(
        [one.p95_ms or 0 for one in fine], default=0
    )
