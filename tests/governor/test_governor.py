"""The governor's laws, on a virtual clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import Ambiguous, Permanent, QuotaExceeded, Retryable, Trouble
from ingest.governor import (
    BACKOFF_BASE_S,
    BACKOFF_CAP_S,
    PAUSE_CAP_S,
    RELEASE_S,
    TICK_S,
    Attempts,
    Decision,
    Findings,
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


def test_the_first_failure_counts_as_none_before():
    """The state of a batch after its failures."""
    once = Attempts().failed_again(5.0)
    assert (once, once.failed_again(7.0)) == (Attempts(1, 5.0), Attempts(2, 5.0))


@pytest.mark.parametrize(
    ("failed", "ceiling_s"), [(0, 0.5), (1, 1), (2, 2), (5, 16), (6, 30), (10_000, 30)]
)
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_backoff_is_a_draw_below_a_doubling_ceiling(failed, ceiling_s, draw):
    """Full jitter; the ceiling doubles from the base up to the cap and never overflows."""
    decision = fail(
        governor(random=lambda: draw), 0, Retryable("connection refused"), Attempts(failed, 0)
    )
    assert decision.retry
    assert decision.wait_s == pytest.approx(draw * ceiling_s)
    assert BACKOFF_BASE_S <= ceiling_s <= BACKOFF_CAP_S


def test_a_budget_of_nothing_gives_up_at_the_first_failure():
    """Budget 0: no retry."""
    decision = fail(governor(budget_s=0), 10, Retryable("reset"), Attempts())
    assert (decision.retry, decision.exhausted) == (False, True)


@pytest.mark.parametrize("budget_s", [1.0, 2.0, 60.0])
def test_a_batch_is_given_up_when_its_budget_is_used_up(budget_s):
    """The budget runs from the batch's first failure; the last wait is cut to what is left."""
    subject = governor(budget_s=budget_s, random=lambda: 0.99)
    first = fail(subject, 100, Retryable("reset"), Attempts())
    late = fail(subject, 100 + budget_s - 0.1, Retryable("reset"), Attempts(9, 100))
    over = fail(subject, 100 + budget_s, Retryable("reset"), first.attempts)
    assert first.retry
    assert late.retry
    assert late.wait_s == pytest.approx(0.1)
    assert (over.retry, over.exhausted) == (False, True)


def test_an_endless_budget_never_ends():
    """Infinity is a budget."""
    assert fail(governor(budget_s=math.inf), 1e9, Retryable("reset"), Attempts(99, 0)).retry


@pytest.mark.parametrize("trouble", [Permanent("400"), Ambiguous("502"), QuotaExceeded("quota")])
def test_only_what_was_surely_not_applied_is_sent_again(trouble):
    """Everything else is not the governor's to repeat, and not a matter of the budget."""
    decision = fail(governor(), 0, trouble, Attempts())
    assert (decision.retry, decision.exhausted) == (False, False)
    assert decision.attempts == Attempts(1, 0)


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


def burst(subject: Governor, status: int | None, *, retry_after_s: float | None = None) -> None:
    """At second 1 twenty start; the even ones are accepted, the others refused at once."""
    for _ in range(20):
        subject.started(1)
    for _ in range(10):
        trouble = Retryable("no", status=status, retry_after_s=retry_after_s)
        subject.troubled(1.01, trouble, Attempts(), 0.01)
        subject.succeeded(1.02, 0.02)


@pytest.mark.parametrize("status", [408, 409, 429, 503])
def test_what_means_too_fast_lowers_the_rate(status):
    """The statuses by which services ask for less."""
    subject = governor()
    burst(subject, status)
    assert subject.rate_per_s == pytest.approx(10, rel=0.05)
    subject.started(10)
    assert subject.admit(10) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("status", [None, 502])
def test_other_failures_do_not(status):
    """A broken connection is no matter of the pace."""
    subject = governor()
    burst(subject, status)
    assert (subject.rate_per_s, subject.findings.refusals) == (None, 0)


def test_a_rate_given_is_the_ceiling_of_what_is_learned():
    """Five a second were allowed, ten would be taken: five, and nothing learned."""
    subject = governor(rate=5)
    burst(subject, 429)
    assert subject.rate_per_s is None
    subject.started(10)
    assert subject.admit(10) == pytest.approx(0.2)


def test_the_echo_of_a_refusal_makes_no_new_pause():
    """Those that were under way when the pause began say nothing new, unless they ask for more."""
    subject = governor()
    for _ in range(3):
        subject.started(0)
    subject.troubled(2.0, Retryable("slow", status=429), Attempts(), 2.0)
    first = subject.paused_until
    subject.troubled(2.2, Retryable("slow", status=429), Attempts(), 2.2)
    assert subject.paused_until == first
    subject.troubled(2.3, Retryable("slow", status=429, retry_after_s=1), Attempts(), 2.3)
    assert subject.paused_until == pytest.approx(3.3)


def test_writers_are_let_go_no_slower_than_the_pace():
    """With a known rate the jitter is no longer than it takes that rate to let all start."""
    subject = Governor(2, None, 300.0, lambda: 0.5)
    burst(subject, 429, retry_after_s=10)
    assert subject.admit(2) == pytest.approx(9.01 + 0.5 * 2 / 10, rel=0.02)


def test_the_findings_say_what_was_learned():
    """For the report: two pauses, one second and two, one of them lengthened."""
    subject = governor()
    assert subject.findings == Findings(8, None, 0, 0, 0.0)
    for now, asked_s in ((10.0, 1), (10.5, 1), (20.0, 2)):
        fail(subject, now, Retryable("slow", status=429, retry_after_s=asked_s), Attempts())
    assert subject.findings == Findings(8, None, refusals=3, pauses=2, paused_s=3.5)


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0, 3),
            st.sampled_from([None, 200, 200, 200, 429, 503]),
            st.one_of(st.none(), st.floats(0, 5)),
            st.floats(0, 4),
        ),
        max_size=60,
    )
)
@settings(max_examples=100, deadline=None)
def test_a_learned_rate_never_stops_a_run(steps):
    """Whatever is answered, a start is at most a pause, its jitter and ten seconds away."""
    subject = governor()
    now = 0.0
    for passed_s, status, asked_s, latency_s in steps:
        now += passed_s
        asked_at = now
        while (wait_s := subject.admit(now)) > 0:
            now += wait_s
        assert now - asked_at <= 5 + BACKOFF_CAP_S + RELEASE_S + 10
        subject.started(now)
        now += latency_s
        if status == 200:
            subject.succeeded(now, latency_s)
        else:
            trouble = Retryable("x", status=status, retry_after_s=asked_s)
            subject.troubled(now, trouble, Attempts(), latency_s)
        assert subject.rate_per_s is None or subject.rate_per_s >= 0.09
    assert subject.in_flight == 0


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


def test_one_that_does_not_learn_keeps_what_it_was_given():
    """Refusals pause all writers, and lower neither rate nor concurrency."""
    subject = Governor(4, None, 300.0, half, wakes=True, learns=False)
    for n in range(50):
        now = 10.0 * n
        assert subject.admit(now) == 0.0
        subject.started(now)
        subject.troubled(now + 0.01, Retryable("busy", status=429), Attempts(), 0.01)
        assert subject.admit(now + 0.011) > 0.0
    assert (subject.limit, subject.rate_per_s) == (4, None)
    assert subject.findings.refusals == 50
