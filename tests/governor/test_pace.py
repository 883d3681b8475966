"""Starts are spaced, and each waiter has a turn of its own."""

from __future__ import annotations

import heapq

import pytest

from ingest.governor.pace import LINE_S, Pace


@pytest.mark.parametrize("waiters", [0, 1, 2, 9])
def test_each_waiter_is_told_a_turn_of_its_own(waiters):
    """Two to an interval, not all the same moment: only one of them could go."""
    pace = Pace()
    pace.started(0, 0.1)
    turns = [pace.wait_s(0, 0.1) for _ in range(waiters)]
    assert turns == pytest.approx([0.1 + 0.05 * n for n in range(waiters)])


def test_no_turn_is_further_away_than_the_line_is_long():
    """So that nobody sleeps on when the pace has become quicker."""
    pace = Pace()
    pace.started(0, 0.4)
    waits = [pace.wait_s(0, 0.4) for _ in range(6)]
    assert waits == pytest.approx([0.4, 0.6, 0.8, LINE_S, LINE_S, LINE_S])


def test_who_is_nearly_there_waits_for_the_very_moment():
    """Half an interval before a start: not sent to the end of the line."""
    pace = Pace()
    pace.started(0, 0.4)
    pace.wait_s(0, 0.4)
    assert pace.wait_s(0.3, 0.4) == pytest.approx(0.1)


@pytest.mark.parametrize("writers", [1, 2, 8, 64])
def test_late_timers_cost_their_lateness_and_no_more(writers):
    """Wakings a millisecond late, a start each 10 ms: nobody misses a start."""
    pace, asks, starts = Pace(), [(0.0, n) for n in range(writers)], 0
    while asks[0][0] < 10:
        now, writer = heapq.heappop(asks)
        wait_s = pace.wait_s(now, 0.01)
        if not wait_s:
            pace.started(now, 0.01)
            starts += 1
        heapq.heappush(asks, (now + wait_s + 0.001 * (wait_s > 0), writer))
    assert 10 / 0.011 - 5 <= starts <= 10 / 0.01 + 1


def test_a_pace_slower_than_the_line_is_still_waited_for():
    """One start in ten seconds: everybody waits for it."""
    pace = Pace()
    pace.started(0, 10)
    assert [pace.wait_s(0, 10) for _ in range(2)] == [10, 10]


def test_a_turn_is_no_reservation():
    """If the waiter never comes, the next who asks may go."""
    pace = Pace()
    pace.started(0, 1)
    assert pace.wait_s(0, 1) == 1
    assert pace.wait_s(1, 1) == 0


@pytest.mark.parametrize(("start", "wait_s"), [(1.0, 1.0), (1.1, 0.9), (1.5, 0.75), (60, 1.0)])
def test_lateness_is_made_good_only_as_far_as_allowed(start, wait_s):
    """Timers are late; an idle minute is no lateness."""
    pace = Pace()
    pace.started(0, 1)
    pace.started(start, 1, late_s=0.25)
    assert pace.wait_s(start, 1) == pytest.approx(wait_s)


def test_without_a_rate_nobody_waits():
    """An interval of nothing."""
    pace = Pace()
    pace.started(5, 0)
    assert pace.wait_s(5, 0) == 0
