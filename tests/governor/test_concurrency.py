"""As few at once as lose nothing: epochs told by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.governor.concurrency import EPOCH_ANSWERS, QUEUE_S, QUEUE_SHARE, LearnedLimit

WORK_S = 0.5


class Told:
    """A limit that is told of answers as a service with so many workers would give them."""

    def __init__(self, most: int, workers: float) -> None:
        self.limit = LearnedLimit(most)
        self.workers = workers
        self.now = 0.0
        self.seen: list[int] = []
        self.limit.accepted(0.0, WORK_S)  # the first one found no queue

    def answers(self, count: int, at_once: Callable[[int], int] = lambda limit: limit) -> None:
        """So many answers, with as many at once as the limit (or the callable) says."""
        for _ in range(count):
            busy = at_once(self.limit.limit)
            per_s = min(busy, self.workers) / WORK_S
            self.now += 1 / per_s
            self.limit.accepted(self.now, busy / per_s)
            self.seen.append(self.limit.limit)


@pytest.mark.parametrize("most", [1, 2, 8])
def test_it_begins_with_the_most(most):
    """No ramp; and a short run never leaves it."""
    told = Told(most, workers=1)
    told.answers(EPOCH_ANSWERS)
    assert set(told.seen) == {most}


@pytest.mark.parametrize(("most", "workers"), [(8, 2), (32, 8), (64, 3), (32, 31)])
def test_it_comes_down_to_what_the_service_has_workers_for(most, workers):
    """As many as there are workers, and a queue too short to be worth a trial; never fewer."""
    told = Told(most, workers)
    told.answers(12_000)
    usual = max(set(told.seen[-2_000:]), key=told.seen[-2_000:].count)
    assert workers <= usual <= QUEUE_SHARE * workers + 1


@pytest.mark.parametrize("most", [1, 2, 8, 32])
def test_a_service_without_a_queue_keeps_the_most(most):
    """Nothing is tried where nothing waits."""
    told = Told(most, workers=1_000)
    told.answers(3_000)
    assert set(told.seen) == {most}


def test_a_short_queue_is_left_alone():
    """Waits of a quarter of a second, as on loopback, are worth no trial."""
    limit = LearnedLimit(8)
    limit.accepted(0.0, 0.001)
    for n in range(5_000):
        limit.accepted(n * QUEUE_S / 8, QUEUE_S)
        assert limit.limit == 8


def test_a_service_that_gets_slower_is_given_the_most_again():
    """Throughput fell though nothing was changed: what was learned no longer holds."""
    told = Told(32, workers=8)
    told.answers(8_000)
    assert told.limit.limit < 20
    told.workers = 4
    told.answers(600)
    assert max(told.seen[-600:]) == 32


def test_idle_writers_prove_nothing():
    """A slow source: few at once and quick answers say nothing about the service."""
    told = Told(32, workers=8)
    told.answers(5_000, at_once=lambda _: 3)
    assert set(told.seen) == {32}


def test_what_is_disturbed_does_not_count():
    """An epoch with a pause in it is void."""
    told = Told(32, workers=8)
    for _ in range(300):
        told.answers(EPOCH_ANSWERS)
        told.limit.disturbed()
    assert set(told.seen) == {32}


@pytest.mark.parametrize("workers", [3, 24])
def test_it_follows_a_service_that_changes(workers):
    """Fewer workers or more: found again."""
    told = Told(32, workers=8)
    told.answers(8_000)
    told.workers = workers
    told.answers(30_000)
    usual = max(set(told.seen[-3_000:]), key=told.seen[-3_000:].count)
    assert workers <= usual <= QUEUE_SHARE * workers + 1
