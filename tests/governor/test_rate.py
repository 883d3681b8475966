"""What is learned from refusals, and what is not."""

from __future__ import annotations

import math

import pytest

from ingest.governor.level import CUT
from ingest.governor.rate import HEAVY, HEAVY_SHARE, LIGHT_EVENTS, LearnedRate


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
    burst(rate, 1.0, accepted, HEAVY + 3 * accepted)
    assert rate.per_s == pytest.approx(accepted * (1 - CUT))


@pytest.mark.parametrize(("accepted", "refused"), [(0, 1), (5, 1), (5, 2), (1, 7), (12, 20)])
def test_a_few_refusals_teach_nothing(accepted, refused):
    """A single node may be flaky; the pause is answer enough."""
    assert refused < HEAVY or refused < HEAVY_SHARE * (accepted + refused)
    rate = LearnedRate()
    burst(rate, 1.0, accepted, refused)
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
    burst(rate, 1.0, 20, 60)
    for second in range(10, 60, 2):
        rate.paused()
        burst(rate, second, 0, 8)
    assert rate.per_s == pytest.approx(20 * (1 - CUT))


def test_refusals_of_one_pressure_cut_once():
    """Those that started before the first one was known are its echo."""
    rate = LearnedRate()
    burst(rate, 1.0, 20, 60)
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
    burst(rate, 1.0, 20, 60)
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
    burst(rate, 0.0, 100, 300)
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


def every_twentieth(rate: LearnedRate, now: float, until: float) -> float:
    """Of twenty-one attempts one is refused, whatever the pace, and pauses all for a while."""
    while now < until:
        per_s = min(100.0, rate.per_s)
        steady(rate, now, now + 20 / per_s, per_s)
        now += 20 / per_s
        burst(rate, now, 0, 1)
        rate.paused()
        now += 0.3
    return now


def test_no_cut_goes_below_what_was_taken():
    """Pauses alone leave 40 a second. The rate is cut to that, tried out, and comes back; it is
    never a fifth of it."""
    rate = LearnedRate()
    now, slowest = 0.0, math.inf
    while now < 40:
        now = every_twentieth(rate, now, now + 0.1)
        slowest = min(slowest, rate.per_s)
    assert 40 / 5 <= slowest < 40


def test_where_slowing_down_is_no_cure_the_rate_is_set_free():
    """Every twenty-first is refused whatever the pace: soon it is no longer slowed down for that,
    and a refusal pauses nobody."""
    rate = LearnedRate()
    now = every_twentieth(rate, 0.0, 40.0)
    assert rate.per_s > 100
    rate.started(now + 0.1)
    assert not rate.refused(now + 0.11, 0.01)


def test_a_limit_is_found_beside_chance():
    """A service that refuses every twenty-first anyway begins to take only 20 a second."""
    rate = LearnedRate()
    now = every_twentieth(rate, 0.0, 40.0) + 1
    burst(rate, now, 20, 80)
    assert rate.per_s == pytest.approx(20 * (1 - CUT))
