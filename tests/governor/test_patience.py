"""Whether a batch is tried again, and after how long."""

from __future__ import annotations

import math

import pytest

from ingest.errors import Ambiguous, Permanent, QuotaExceeded, Retryable
from ingest.governor import BACKOFF_BASE_S, BACKOFF_CAP_S, Attempts
from tests.governor.test_governor import fail, governor


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
