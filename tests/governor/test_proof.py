"""When it is doubted that the pace is the reason, and what a trial proves."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.governor.level import SLOWEST_PER_S
from ingest.governor.proof import (
    CONTRADICTIONS,
    ENOUGH,
    ENOUGH_LEAST,
    FORGOTTEN_S,
    GAPS,
    LATELY,
    LONGER,
    REST_S,
    TRIAL_S,
    TRIAL_SHARE,
    Proof,
)


class Told:
    """A proof that is told of gaps, on a clock of its own."""

    def __init__(self) -> None:
        self.proof = Proof()
        self.now = 100.0

    def pressed(self, per_s: float = 50.0, *, in_spite: bool = True, calm: bool = False) -> None:
        """A refusal, and the pressure that it makes."""
        self.proof.refused()
        self.proof.pressed(self.now, self.now, per_s, in_spite=in_spite, calm=calm)

    def gap(
        self, accepted: int, seconds: float, per_s: float = 50.0, *, calm: bool = False
    ) -> None:
        """So many accepted in that time, and a pressure at its end."""
        for n in range(accepted):
            at = self.now + (n + 0.5) * seconds / accepted
            self.proof.accepted(at, at)
        self.now += seconds
        self.pressed(per_s, calm=calm)

    def gaps(self, *accepted: int, per_s: float = 50.0) -> None:
        """Gaps of a second, after a first pressure."""
        self.pressed(per_s)
        for count in accepted:
            self.gap(count, 1.0, per_s)


ERRATIC = (1, 9, 2, 14, 3)


@given(st.lists(st.floats(0.5, FORGOTTEN_S), min_size=1, max_size=12), st.floats(15, 500))
def test_a_limit_is_not_doubted(gaps, limit):
    """About the same in each second, be the gaps short or long, at rates above it: no trial."""
    told = Told()
    told.pressed()
    for seconds in gaps:
        told.gap(round(limit * seconds), seconds, per_s=1.1 * limit)
    assert not told.proof.is_trying
    assert told.proof.rate_per_s == math.inf


def test_erratic_gaps_are_doubted():
    """A number that has nothing to do with the seconds; not before there are enough of them."""
    told = Told()
    told.gaps(*ERRATIC[:-1])
    before = told.proof.is_trying
    told.gap(ERRATIC[-1], 1.0)
    assert (before, told.proof.is_trying) == (False, True)
    assert len(ERRATIC) == GAPS


def test_refusals_at_a_proven_rate_are_doubted():
    """Forty a second were taken; who refuses at thirty does so for another reason."""
    told = Told()
    told.gaps(*[40] * LATELY)
    for _ in range(CONTRADICTIONS - 1):
        told.gap(40, 1.0, per_s=30)
        assert not told.proof.is_trying
    told.gap(30, 1.0, per_s=30)
    assert told.proof.is_trying


def test_what_was_met_by_growing_is_not_doubted():
    """A rate that grew until it was refused may well be the limit."""
    told = Told()
    told.gaps(*ERRATIC[:-1])
    told.now += 1
    told.proof.accepted(told.now, told.now)
    told.pressed(in_spite=False)
    assert not told.proof.is_trying


def test_without_a_learned_rate_there_is_no_trial():
    """Contradictions need a rate."""
    told = Told()
    told.gaps(40, 40, 40, 40, 40, 40, per_s=math.inf)
    assert not told.proof.is_trying


@pytest.mark.parametrize("gaps", [0, 1, 2, 3, 8])
def test_what_was_taken_lately(gaps):
    """Forty a second, pauses included and half a second allowed for; of one gap nothing is said."""
    told = Told()
    told.gaps(*[40] * gaps)
    counted = min(gaps, LATELY)
    expected = 40 * counted / (counted + 0.5) if counted > 1 else 0
    assert told.proof.lately_per_s == pytest.approx(expected)


def test_a_trial_is_below_what_was_taken():
    """No limit refuses that."""
    told = Told()
    told.gaps(*ERRATIC)
    assert told.proof.rate_per_s == pytest.approx(TRIAL_SHARE * (2 + 14 + 3) / 3.5)


def test_where_too_little_was_taken_lately_all_gaps_count():
    """Three acceptances are no measure; and no trial is slower than the slowest rate."""
    told = Told()
    told.gaps(9, 1, 1, 1, 1)
    assert told.proof.rate_per_s == pytest.approx(TRIAL_SHARE * 13 / 5.5)
    slow = Told()
    slow.pressed()
    for seconds in (14, 1, 14, 1, 14):
        slow.gap(1, seconds)
    assert slow.proof.rate_per_s == SLOWEST_PER_S


def test_a_refusal_in_a_trial_proves_chance():
    """The share of the answers since there is a rate, and the rate to go on from."""
    told = Told()
    told.gaps(*ERRATIC)
    told.proof.accepted(told.now + 1, told.now + 0.9)
    told.proof.refused()
    share, per_s = told.proof.failed() or (0, 0)
    assert share == pytest.approx(6 / (6 + sum(ERRATIC) + 1))
    assert per_s == pytest.approx(19 / 3.5)
    assert not told.proof.is_trying


def test_an_outage_in_a_trial_proves_nothing():
    """Nothing was accepted in it; nor was what had started before it."""
    told = Told()
    told.gaps(*ERRATIC)
    told.proof.accepted(told.now + 1, told.now - 0.1)
    assert told.proof.failed() is None
    assert told.proof.is_trying


def test_enough_acceptances_end_a_trial():
    """More than four times the usual gap, and ten at least: it was the pace."""
    told = Told()
    told.gaps(*ERRATIC)
    needed = max(ENOUGH_LEAST, ENOUGH * sorted(ERRATIC)[2] + 1)
    for n in range(needed):
        assert told.proof.is_trying
        told.proof.accepted(told.now + n / 10, told.now + n / 10 + 0.01)
    assert not told.proof.is_trying


@pytest.mark.parametrize(("accepted", "ends"), [(1, False), (ENOUGH_LEAST, True)])
def test_a_long_trial_ends_by_time(accepted, ends):
    """If there were ten acceptances in it at all."""
    told = Told()
    told.gaps(100, 900, 200, 1400, 300)
    for _ in range(accepted):
        late = told.now + TRIAL_S + 1
        told.proof.accepted(late, late - 0.1)
    assert told.proof.is_trying is not ends


def test_trials_are_ever_further_apart():
    """After one that was for nothing, none for a while, and then for twice as long."""
    told = Told()
    began: list[float] = []
    for _ in range(400):
        told.gaps(*ERRATIC)
        while told.proof.is_trying:
            if not began or began[-1] < told.now - TRIAL_S:
                began.append(told.now)
            told.now += 1
            told.proof.accepted(told.now, told.now - 0.1)
    waits = [later - earlier for earlier, later in pairwise(began)]
    assert waits[0] >= REST_S
    assert waits[1] >= 2 * REST_S
    assert waits[2] >= 4 * REST_S


def test_an_outage_is_no_gap():
    """Pressures with nothing accepted between are one."""
    told = Told()
    told.gaps(*[0, 0, 40] * 2 * GAPS)
    assert not told.proof.is_trying


def test_a_long_calm_ends_the_row():
    """What was before it says nothing about now."""
    told = Told()
    told.gaps(40, 40, 40)
    told.gap(600, FORGOTTEN_S + 1)
    assert told.proof.lately_per_s == 0


@pytest.mark.parametrize(
    ("accepted", "calm", "begins"),
    [
        (LONGER * 40, True, True),
        (LONGER * 40 - 1, True, False),
        (LONGER * 40, False, False),
    ],
)
def test_a_calm_that_is_longer_than_usual_ends_the_row(accepted, calm, begins):
    """Refusals that came after it may be for another limit; both are needed to say so."""
    told = Told()
    told.gaps(40, 40, 40)
    told.gap(accepted, 3.0, calm=calm)
    assert (told.proof.lately_per_s == 0) is begins
