"""What is learned from refusals, and what is not."""

from __future__ import annotations

import math

import pytest

from ingest.governor.level import CUT
from ingest.governor.rate import DEAF_S, LIGHT_EVENTS, LearnedRate


def burst(rate: LearnedRate, at: float, accepted: int, refused: int) -> None:
    """So many start at once; the refusals come back at once, the acceptances a little later."""
    for _ in range(accepted + refused):
        rate.started(at)
    for _ in range(refused):
        rate.refused(at + 0.01, 0.01)
    for _ in range(accepted):
        rate.accepted(at + 0.05, 0.05)


def steady(rate: LearnedRate, since: float, until: float, per_s: float) -> None:
    """Starts at this rate, all accepted; the learned rate is what holds them back."""
    for n in range(int((until - since) * per_s)):
        now = since + n / per_s
        rate.started(now)
        rate.held_back(now + 1 / per_s)
        rate.accepted(now + 0.02, 0.02)


@pytest.mark.parametrize("accepted", [1, 2, 20, 100])
def test_a_burst_tells_what_a_second_holds(accepted):
    """So many were taken, the others refused: that many a second, less the cut."""
    rate = LearnedRate()
    burst(rate, 1.0, accepted, 12 + accepted)
    assert rate.per_s == pytest.approx(accepted * (1 - CUT))


@pytest.mark.parametrize("refused", [1, 2])
def test_one_or_two_refusals_teach_nothing(refused):
    """A single node may be flaky; the pause is answer enough."""
    rate = LearnedRate()
    burst(rate, 1.0, 5, refused)
    assert rate.per_s == math.inf


def test_single_refusals_teach_if_they_keep_coming():
    """One a second: something is wrong with the pace."""
    rate = LearnedRate()
    for second in range(LIGHT_EVENTS):
        assert rate.per_s == math.inf
        steady(rate, second, second + 0.9, 50)
        burst(rate, second + 0.95, 0, 1)
    assert rate.per_s < 60


def test_an_outage_teaches_nothing():
    """All refused: what the service would take can't be told."""
    rate = LearnedRate()
    for second in range(20):
        burst(rate, second, 0, 8)
    assert rate.per_s == math.inf


def test_an_outage_forgets_nothing():
    """The rate that was known still holds after it."""
    rate = LearnedRate()
    burst(rate, 1.0, 20, 20)
    for second in range(10, 60, 2):
        rate.paused()
        burst(rate, second, 0, 8)
    assert rate.per_s == pytest.approx(20 * (1 - CUT))


def test_refusals_of_one_pressure_cut_once():
    """Those that started before the first one was known are its echo."""
    rate = LearnedRate()
    burst(rate, 1.0, 20, 20)
    rate.paused()
    assert [rate.refused(2.5, 1.5) for _ in range(9)] == [False] * 9
    assert rate.per_s == pytest.approx(20 * (1 - CUT), rel=0.5)


def test_a_refusal_that_comes_late_is_judged_by_its_start():
    """Two seconds after a full second: the full second is what counts, not the two idle ones."""
    rate = LearnedRate()
    steady(rate, 0, 1, 50)
    for _ in range(15):
        rate.started(1.0)
    for _ in range(15):
        rate.refused(3.0, 2.0)
    assert rate.per_s == pytest.approx(50 * (1 - CUT), rel=0.05)


def test_without_a_latency_that_of_the_accepted_is_taken():
    """Callers that don't know it still get a rate."""
    rate = LearnedRate()
    steady(rate, 0, 1, 50)
    for _ in range(20):
        rate.started(1.0)
    for _ in range(20):
        rate.refused(1.02, None)
    assert rate.per_s == pytest.approx(50 * (1 - CUT), rel=0.05)


def test_a_rate_grows_only_while_it_is_used():
    """A slow source proves nothing about a higher rate."""
    rate = LearnedRate()
    burst(rate, 1.0, 20, 20)
    before = rate.per_s
    for second in range(2, 300):
        rate.started(second)
        rate.accepted(second + 0.05, 0.05)
    assert rate.per_s == before
    steady(rate, 300, 330, 19)
    assert rate.per_s > 2 * before


def test_refusals_in_a_row_halve_what_is_too_much():
    """The service has come down to 40 of 100: found within six refusals, and hardly overshot."""
    rate = LearnedRate()
    burst(rate, 0.0, 100, 50)
    now, refusals = 1.1, 0
    while rate.per_s > 40:
        rate.paused()
        used = 40 / rate.per_s
        steady(rate, now, now + used, rate.per_s)
        burst(rate, now + used, 0, 1)
        now += used + 1.1
        refusals += 1
    assert refusals <= 6
    assert rate.per_s > 30


def test_where_slowing_down_is_no_cure_the_rate_is_set_free():
    """Every twentieth is refused whatever the pace: after some cuts it only pauses, for a while."""
    rate = LearnedRate()
    now, freed = 0.0, 0.0
    while now < 120 and not freed:
        per_s = min(100.0, rate.per_s)
        steady(rate, now, now + 20 / per_s, per_s)
        now += 20 / per_s
        limited = rate.per_s < math.inf
        burst(rate, now, 0, 1)
        freed = now if limited and rate.per_s == math.inf else 0.0
        now += 0.3
    assert 0 < freed < 60
    burst(rate, freed + DEAF_S / 2, 20, 20)
    assert rate.per_s == math.inf
    burst(rate, freed + DEAF_S + 2, 20, 20)
    assert rate.per_s == pytest.approx(20 * (1 - CUT))
