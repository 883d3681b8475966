"""What the governor as a whole makes of what is learned: pace, pauses, findings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import Retryable
from ingest.governor import BACKOFF_CAP_S, RELEASE_S, Attempts, Findings, Governor
from tests.governor.test_governor import fail, governor, half


def burst(subject: Governor, status: int | None, *, retry_after_s: float | None = None) -> None:
    """At second 1 forty start; ten are accepted, the others refused at once."""
    for _ in range(40):
        subject.started(1)
    for _ in range(30):
        trouble = Retryable("no", status=status, retry_after_s=retry_after_s)
        subject.troubled(1.01, trouble, Attempts(), 0.01)
    for _ in range(10):
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
