"""The governor's laws, on a virtual clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import Permanent, Retryable, Trouble
from ingest.governor import (
    BACKOFF_BASE_S,
    BACKOFF_CAP_S,
    PAUSE_CAP_S,
    RELEASE_S,
    TICK_S,
    Attempts,
    Decision,
    Governor,
)


def half() -> float:
    """A draw that is always in the middle."""
    return 0.5


def governor(
    rate: float | None = None, budget_s: float = 300.0, random: Callable[[], float] = half
) -> Governor:
    """A governor for eight writers."""
    return Governor(8, rate, budget_s, random)


def fail(subject: Governor, now: float, trouble: Trouble, attempts: Attempts) -> Decision:
    """Start an attempt and let it fail at once."""
    subject.started(now)
    return subject.troubled(now, trouble, attempts)


def simulate(subject: Governor, arrivals: list[float]) -> list[float]:
    """Writers that arrive at these moments and follow the protocol; when they started."""
    queue = sorted(arrivals)
    starts = []
    while queue:
        now = heapq.heappop(queue)
        wait_s = subject.admit(now)
        if wait_s:
            heapq.heappush(queue, now + wait_s)
        else:
            subject.started(now)
            starts.append(now)
    return starts


@pytest.mark.parametrize("in_flight", [0, -1])
def test_no_request_at_all_is_no_limit(in_flight):
    """A limit that lets nothing through is an error, not a run that hangs."""
    with pytest.raises(ValueError, match="in_flight"):
        Governor(in_flight, None, 0, half)


@pytest.mark.parametrize("rate", [0, -1.0, math.nan])
def test_a_rate_must_allow_something(rate):
    """The same for the rate."""
    with pytest.raises(ValueError, match="requests_per_s"):
        Governor(1, rate, 0, half)


@pytest.mark.parametrize("budget_s", [-1.0, math.nan])
def test_a_budget_is_not_negative(budget_s):
    """The same for the budget."""
    with pytest.raises(ValueError, match="retry_budget_s"):
        Governor(1, None, budget_s, half)


@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_what_is_under_way_is_counted_however_it_ends(in_flight):
    """Success, trouble and abandonment each end one attempt."""
    subject = Governor(in_flight, None, 0, half)
    for _ in range(3):
        subject.started(0)
    subject.succeeded(1, 1.0)
    subject.troubled(1, Permanent("no"), Attempts())
    assert (subject.limit, subject.in_flight) == (in_flight, 1)
    subject.abandoned()
    assert subject.in_flight == 0


def test_without_a_rate_nothing_waits():
    """No rate, no pause: always now."""
    assert simulate(governor(), [0.0] * 50) == [0.0] * 50


@pytest.mark.parametrize(("rate", "expected"), [(1, [0, 1, 2]), (2, [0, 0.5, 1]), (0.5, [0, 2, 4])])
def test_starts_are_spaced_by_the_rate(rate, expected):
    """Three writers at once start one interval apart."""
    assert simulate(governor(rate), [0.0] * 3) == pytest.approx(expected)


def test_unused_time_is_not_saved_up():
    """After an idle minute the second request still waits its interval."""
    subject = governor(10)
    subject.started(0)
    assert subject.admit(60) == 0
    subject.started(60)
    assert subject.admit(60) == pytest.approx(0.1)


@given(
    rate=st.floats(0.01, 5_000),
    arrivals=st.lists(st.floats(0, 1_000), min_size=1, max_size=40),
)
@settings(max_examples=150, deadline=None)
def test_no_window_holds_more_than_the_rate(rate, arrivals):
    """At most rate x t + 1 starts in any window of t seconds, and everybody gets a turn."""
    starts = simulate(governor(rate), arrivals)
    assert len(starts) == len(arrivals)
    for first, start in enumerate(starts):
        for last in range(first, len(starts)):
            count, window_s = last - first + 1, starts[last] - start
            # Each start may be a tick early.
            assert count <= rate * (window_s + count * TICK_S) + 1 + 1e-6


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked_s", "pause_s"), [(1, 1), (2, 2), (86_400, PAUSE_CAP_S)])
def test_one_writers_retry_after_pauses_all(status, asked_s, pause_s):
    """The shared pause is as long as asked, capped, and ends with jitter."""
    subject = governor(random=lambda: 0.0)
    fail(subject, 10, Retryable("slow down", status=status, retry_after_s=asked_s), Attempts())
    assert subject.admit(10) == pytest.approx(pause_s)
    assert subject.admit(10 + pause_s - 0.25) == pytest.approx(0.25)
    assert subject.admit(10 + pause_s) == 0


def test_pauses_do_not_add_up():
    """Eight 429 at once make one pause, not eight; a shorter one never shortens it."""
    subject = governor(random=lambda: 0.0)
    for asked_s in (20, 20, 5, 20):
        fail(subject, 0, Retryable("slow", status=429, retry_after_s=asked_s), Attempts())
    assert subject.paused_until == 20


def test_writers_come_back_from_a_pause_one_by_one():
    """Every writer draws its own moment behind the pause's end."""
    draws = iter([0.0, 0.1, 0.9])
    subject = governor(random=lambda: next(draws))
    fail(subject, 0, Retryable("slow", status=429, retry_after_s=10), Attempts())
    waits = [subject.admit(0) for _ in range(2)]
    assert waits == pytest.approx([10 + 0.1 * RELEASE_S, 10 + 0.9 * RELEASE_S])


@pytest.mark.parametrize("asked_s", [0.0, None])
def test_a_retry_after_of_now_or_none_still_backs_off(asked_s):
    """0, a past date or no header at all: the batch waits its own backoff."""
    decision = fail(governor(), 0, Retryable("slow", status=429, retry_after_s=asked_s), Attempts())
    assert decision.wait_s == pytest.approx(0.25)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pressed_service_without_retry_after_pauses_all(status):
    """429 or 503 alone: everybody waits the backoff; a broken connection pauses only its batch."""
    pressed, broken = governor(), governor()
    fail(pressed, 0, Retryable("slow", status=status), Attempts(3, 0))
    fail(broken, 0, Retryable("reset"), Attempts(3, 0))
    assert pressed.paused_until == pytest.approx(0.5 * BACKOFF_BASE_S * 8)
    assert broken.admit(0) == 0


def test_trouble_of_other_kinds_does_not_pause():
    """A refused batch says nothing about the pace."""
    subject = governor()
    fail(subject, 0, Permanent("bad", status=400, retry_after_s=60), Attempts())
    assert subject.admit(0) == 0


@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_whoever_finds_no_slot_waits_for_an_attempt_to_end(in_flight):
    """No number of seconds would be right; once one has ended, the next may start."""
    subject = Governor(in_flight, None, 0, half, wakes=True)
    for _ in range(in_flight):
        assert subject.admit(0) == 0
        subject.started(0)
    assert subject.admit(0) == math.inf
    subject.abandoned()
    assert subject.admit(0) == 0


def test_without_waking_no_wait_is_infinite():
    """Then it is the number of writers that bounds what is under way."""
    subject = Governor(1, None, 0, half)
    subject.started(0)
    assert (subject.admit(0), subject.limit) == (0, 1)


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 10),
            st.sampled_from([None, 200, 400, 408, 429, 503]),
            st.one_of(st.none(), st.floats(0, 1e9)),
        ),
        max_size=30,
    ),
    rate=st.one_of(st.none(), st.floats(0.1, 100)),
)
@settings(max_examples=100, deadline=None)
def test_waits_are_bounded_whatever_happens(steps, rate):
    """No answer makes a wait negative, endless, or longer than the cap with its jitter."""
    subject = governor(rate)
    now = 0.0
    attempts = Attempts()
    for passed_s, status, asked_s in steps:
        now += passed_s
        while (wait_s := subject.admit(now)) > 0:
            assert wait_s <= PAUSE_CAP_S + RELEASE_S + (1 / rate if rate else 0)
            now += wait_s
        subject.started(now)
        trouble = Retryable("x", status=status, retry_after_s=asked_s)
        decision = subject.troubled(now, trouble, attempts)
        attempts = decision.attempts
        assert 0 <= decision.wait_s <= BACKOFF_CAP_S
    assert subject.in_flight == 0
