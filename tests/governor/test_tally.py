"""Attempts are booked by the moment of their start."""

from __future__ import annotations

import pytest

from ingest.governor.tally import KEPT_S, SLOT_S, Tally


def filled(*starts: float) -> Tally:
    """A tally of attempts that started then."""
    tally = Tally()
    for start in starts:
        tally.started(start)
    return tally


def test_an_empty_tally_has_nothing():
    """No attempts, no counts; an answer nobody waited for does no harm."""
    tally = Tally()
    tally.accepted(1.0)
    tally.refused(1.0)
    assert tally.between(0, 10).all == 0


def test_answers_are_booked_where_the_attempt_started():
    """A refusal two seconds later belongs to the second in which the attempt started."""
    tally = filled(1.01, 1.51, 3.01)
    tally.accepted(1.01)
    tally.refused(1.51)
    first, second = tally.between(1.0 - SLOT_S, 2.0), tally.between(2.0, 4.0)
    assert (first.all, first.accepted, first.refused, first.taken) == (2, 1, 1, 1)
    assert (second.all, second.taken) == (1, 1)


def test_a_start_reckoned_from_a_latency_may_miss_its_slot():
    """It is booked in the slot before it."""
    tally = filled(1.01)
    tally.refused(1.01 + 3 * SLOT_S)
    assert tally.between(0.5, 1.5).refused == 1


@pytest.mark.parametrize("starts", [0, 1, 2, 50])
def test_what_is_unanswered_counts_as_taken(starts):
    """Until it is refused."""
    tally = filled(*([5.01] * starts))
    assert tally.between(4.0, 6.0).taken == starts


def test_memory_does_not_grow():
    """Only so many slots are kept, however long the run is."""
    tally = filled(*(n * SLOT_S + 0.001 for n in range(int(3 * KEPT_S / SLOT_S))))
    assert tally.between(-1, 1e9).all == int(KEPT_S / SLOT_S)
    tally.refused(0.0)  # long forgotten
    assert tally.between(-1, 1e9).refused == 0
