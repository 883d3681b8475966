"""A run's course in a bounded number of points."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Accounts
from ingest.report import latency_ms
from ingest.timeline import ACCURACY, POINTS, WIDTH_S, Timeline

STEPS = st.lists(
    st.tuples(
        st.floats(0, 3),  # seconds since the tick before
        st.integers(0, 10_000),  # records
        st.integers(0, 8),  # in flight
        st.lists(st.floats(0.001, 100), max_size=3),
    ),
    max_size=80,
)


def ticked(steps, points: int = POINTS, before: Accounts | None = None) -> Timeline:
    """A timeline that was told of these steps, one tick each, paused for half of the time."""
    before = before or Accounts()
    timeline = Timeline(before, points=points)
    accepted, latencies, now = before.accepted, [], 0.0
    for seconds, records, in_flight, took in [(0.0, 0, 0, []), *steps]:
        now += seconds
        accepted += records
        latencies += took
        accounts = Accounts(
            accepted=accepted,
            bytes_sent=3 * accepted,
            requests_sent=len(latencies),
            in_flight=in_flight,
        )
        timeline.add(now, accounts, now / 2, latencies)
    return timeline


@settings(max_examples=60)
@given(STEPS, st.integers(2, 9))
def test_nothing_is_lost_but_resolution(steps, points):
    """Sums, order and the number of points hold however often neighbours were joined."""
    found = ticked(steps, points).points
    whole_s = sum(step[0] for step in steps)
    latencies = sum(len(step[3]) for step in steps)
    assert 1 <= len(found) <= points
    assert sum(point.accepted for point in found) == sum(step[1] for step in steps)
    assert sum(point.requests for point in found) == latencies
    assert sum(point.latencies.total() for point in found) == latencies
    assert sum(point.paused_s for point in found) == pytest.approx(whole_s / 2)
    assert sum(point.busy_s for point in found) == pytest.approx(sum(s[0] * s[2] for s in steps))
    assert found[0].start_s == 0
    assert found[-1].end_s == pytest.approx(whole_s)
    assert all(one.end_s == two.start_s for one, two in pairwise(found))


@pytest.mark.parametrize("ticks", [1, 2, 3, 4, 5, 100, 10_000])
def test_a_long_run_has_no_more_points(ticks):
    """From half as many as there may be, to as many."""
    found = ticked([(WIDTH_S, 1, 2, [])] * ticks, 4).points
    assert min(ticks, 2) <= len(found) <= 4
    assert all(point.in_flight == pytest.approx(2) for point in found)


@given(st.lists(st.floats(0.0001, 300), min_size=1, max_size=40), st.integers(2, 5))
def test_percentiles_of_joined_points(latencies, points):
    """Within the accuracy promised of the percentile of the same latencies, however joined."""
    timeline = ticked([(WIDTH_S, 0, 1, [one]) for one in latencies], points)
    last = timeline.points[0]
    for point in timeline.points[1:]:
        last.join(point)
    exact = latency_ms(latencies)
    for percent in (50, 95):
        wanted_ms = exact[f"p{percent}"]
        assert wanted_ms is not None
        assert last.latency_s(percent) == pytest.approx(
            wanted_ms / 1000, rel=ACCURACY * 1.01, abs=0.00006
        )


def test_the_report():
    """Columns of equal length, amounts within each point, nothing where nothing was answered."""
    timeline = ticked([(0.2, 10, 2, [0.05, 0.05]), (0.2, 5, 1, [])])
    found = timeline.as_report()
    assert found["seconds"] == [0.2, 0.4]
    assert found["accepted"] == [10, 5]
    assert found["bytes_sent"] == [30, 15]
    assert found["requests"] == [2, 0]
    assert found["in_flight"] == [2.0, 1.0]
    assert found["paused_s"] == [0.1, 0.1]
    assert found["latency_p50_ms"] == [pytest.approx(50, rel=ACCURACY), None]
    assert (found["from_s"], found["taken_up"]) == (0.0, False)


def test_a_last_moment_says_nothing_of_a_rate():
    """What came within a few milliseconds of the end belongs to the point before."""
    found = ticked([(0.2, 10, 2, []), (0.2, 10, 2, []), (0.001, 10_000, 0, [])]).points
    assert [point.accepted for point in found] == [10, 10_010]


def test_a_run_that_was_taken_up():
    """The points are this process's; what was there before is said beside them."""
    before = Accounts(accepted=700, bytes_sent=2100, requests_sent=0)
    found = ticked([(0.2, 10, 1, [])], before=before).as_report()
    assert found["accepted"] == [10]
    assert found["before"] == {"accepted": 700, "bytes_sent": 2100, "requests": 0}


def test_no_tick_at_all():
    """Columns without rows."""
    found = Timeline(Accounts(), taken_up=True).as_report()
    assert found["seconds"] == found["accepted"] == found["latency_p95_ms"] == []
    assert found["taken_up"] is True


def test_a_clock_that_stands_still():
    """No width, no rate, no error; and no time runs backwards."""
    timeline = ticked([(0.0, 5, 1, [0.01])] * 3)
    (point,) = timeline.points
    assert (point.accepted, point.in_flight, point.width_s) == (15, 0.0, 0.0)
    timeline.add(-1.0, Accounts(accepted=20), 0.0, [0.01] * 3)
    assert timeline.points[-1].end_s == 0.0


@pytest.mark.parametrize("points", [-1, 0, 1])
def test_one_point_is_no_course(points):
    """Refused at once."""
    with pytest.raises(ValueError, match="two points"):
        Timeline(Accounts(), points=points)
