"""The governor against servers that exist only as arithmetic: what it promises, measured.

Each limit is unknown at first, then halved, then doubled, for 90 seconds each; the last 60 of each
count. One run is one draw: of three seeds the mean must be 90 % of the limit, and none below 85 %.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from ingest.governor import Governor
from tests.governor.servers import (
    Boundless,
    Bucket,
    Flaky,
    Phases,
    Refusing,
    Server,
    Window,
    Workers,
)
from tests.governor.simulate import Counts, Run, Wire

PHASE_S = 90
SEEDS = (1, 2, 3)
ASKING = Refusing(retry_after_s=1.0)
SILENT = Refusing(retry_after_s=None)
SLOW = Refusing(after_s=2.0, retry_after_s=None)
QUICK = Wire((0.0, 0.0002), (0.0, 0.0002))

SERVERS: dict[str, Callable[[Phases, float], Server]] = {
    "window, Retry-After 1": lambda limit, offset_s: Window(limit, ASKING, offset_s=offset_s),
    "window, silent": lambda limit, offset_s: Window(limit, SILENT, offset_s=offset_s),
    "window, slow 429": lambda limit, offset_s: Window(limit, SLOW, offset_s=offset_s),
    "bucket, Retry-After 1": lambda limit, _: Bucket(limit, ASKING),
    "small bucket, Retry-After 1": lambda limit, _: Bucket(limit, ASKING, burst_s=0.2),
    "bucket, slow 429": lambda limit, _: Bucket(limit, SLOW),
}


def governor(writers: int, seed: int = 1, *, wakes: bool = True, learns: bool = True) -> Governor:
    """One whose callers are woken, with a seeded draw."""
    return Governor(writers, None, 1e9, Random(seed).random, wakes=wakes, learns=learns)


def run(
    server: Server, writers: int, seconds: float, seed: int = 1, *, learns: bool = True
) -> Counts:
    """A run of so many seconds against this server."""
    subject = governor(writers, seed, learns=learns)
    return Run(subject, server, writers=writers, seed=seed).until(seconds)


def phases(name: str, limit: float, writers: int, seed: int) -> list[tuple[float, float]]:
    """Of each phase: the share of the limit that was reached, and that of refused answers."""
    limits = (limit, limit / 2, limit)
    server = SERVERS[name](Phases(limits, PHASE_S), Random(seed).random())
    counts = run(server, writers, PHASE_S * len(limits), seed)
    starts = [n * PHASE_S + 30 for n in range(len(limits))]
    return [
        (counts.per_s(start, start + 60) / per_s, counts.refused_share(start, start + 60))
        for start, per_s in zip(starts, limits, strict=True)
    ]


@pytest.mark.parametrize("limit", [20, 100])
@pytest.mark.parametrize("name", SERVERS)
def test_an_unknown_limit_is_found_and_followed(name, limit):
    """90 % of it reached, fewer than 5 % of answers refused: at first, halved, and doubled."""
    runs = [phases(name, limit, 32, seed) for seed in SEEDS]
    for phase in zip(*runs, strict=True):
        reached = [share for share, _ in phase]
        assert sum(reached) / len(reached) >= 0.9, phase
        assert min(reached) >= 0.85, phase
        assert max(refused for _, refused in phase) < 0.05, phase


@pytest.mark.parametrize("writers", [8, 64])
@pytest.mark.parametrize("name", ["window, Retry-After 1", "bucket, slow 429"])
def test_it_is_found_with_few_writers_and_with_many(name, writers):
    """Eight are just enough for 20 a second; of 64 most have to wait."""
    for reached, refused in phases(name, 20, writers, seed=1):
        assert reached >= 0.85
        assert refused < 0.05


def test_a_limit_given_is_kept_below_one_that_is_met():
    """20 a second allowed by the job, 100 by the service: 20, and no refusal."""
    given = Governor(32, 20, 1e9, Random(1).random, wakes=True)
    counts = Run(given, Window(Phases((100,)), ASKING), writers=32, seed=1).until(30)
    assert counts.per_s(1, 30) == pytest.approx(20, rel=0.03)
    assert sum(counts.refused) == 0
    assert given.rate_per_s is None


@pytest.mark.parametrize(("writers", "thrash"), [(32, 0.0), (32, 0.02), (64, 0.0), (64, 0.02)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_service_with_a_queue_is_not_given_one(writers, thrash, seed):
    """Eight workers: nearly as fast as the best fixed number, and far quicker than the most."""

    def server() -> Workers:
        return Workers(Random(seed), workers=8, work_s=0.2, thrash=thrash)

    def fixed(count: int) -> Counts:
        return Run(governor(count, wakes=False), server(), writers=count, seed=seed).until(40)

    best = max(fixed(count).per_s(20, 40) for count in (8, 10, 12, 16))
    counts = run(server(), writers, 120, seed)
    assert counts.per_s(60, 120) >= (0.85 if thrash else 0.97) * best
    assert counts.latency_s(60, 120) < 0.7 * fixed(writers).latency_s(20, 40)


@pytest.mark.parametrize("batches", [1, 3, 24, 100, 5_000])
def test_a_quick_server_is_not_slowed_down(batches):
    """Answers within a millisecond: as fast as eight writers can be, from the first batch on."""
    server = Boundless(Random(1))
    counts = Run(governor(8), server, writers=8, seed=1, wire=QUICK).until(batches=batches)
    rounds = -(-batches // 8)
    assert sum(counts.accepted) == batches
    assert counts.ended <= 0.0015 * rounds + 0.001


def test_three_batches_are_only_paused():
    """One refusal in a short run: the pause, the backoff, and no limit learned."""
    subject = governor(8)
    server = Window(Phases((2,)), ASKING)
    counts = Run(subject, server, writers=8, seed=1).until(batches=3)
    assert (sum(counts.accepted), sum(counts.refused)) == (3, 1)
    assert counts.ended < 3
    assert subject.findings.rate_per_s is None
    assert subject.findings.pauses == 1


@pytest.mark.parametrize("retry_after_s", [None, 1.0])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_refusals_by_chance_do_not_bring_a_run_to_a_crawl(share, retry_after_s):
    """Whatever the rate, this share is refused, and a lower rate helps nobody. In two minutes at
    least 70 % of what comes of pauses alone, the time that it takes to find that out included;
    where no pauses are asked for, more than that."""
    refusing = Refusing(retry_after_s=retry_after_s)

    def accepted(seed: int, *, learns: bool) -> int:
        server = Boundless(Random(seed), work_s=0.05, share=share, refusing=refusing)
        return sum(run(server, 8, 120, seed, learns=learns).accepted)

    learning, pausing = (
        sum(accepted(seed, learns=learns) for seed in SEEDS) for learns in (True, False)
    )
    assert learning >= (1.0 if retry_after_s is None else 0.7) * pausing


@pytest.mark.parametrize("limit", [20, 100])
@pytest.mark.parametrize("name", ["window, silent", "bucket, slow 429"])
def test_a_limit_with_a_flaky_node_beside_it_is_found(name, limit):
    """Five of a hundred are refused anyway, and more beyond the limit: of the limit 70 % are
    reached at least, and in the mean no more than 15 of a hundred are refused."""
    refusing = SLOW if "slow" in name else SILENT
    reached, refused = [], []
    for seed in SEEDS:
        behind = SERVERS[name](Phases((limit,)), Random(seed).random())
        counts = run(Flaky(Random(seed), 0.05, refusing, behind), 32, 150, seed)
        reached.append(counts.per_s(30, 150) / limit)
        refused.append(counts.refused_share(30, 150))
    assert min(reached) >= 0.7
    assert sum(refused) / len(refused) <= 0.15


def test_a_limit_that_comes_to_a_flaky_service_is_found():
    """By chance alone for a minute, as quick as it can; then 20 a second, besides. The pressure of
    the limit is no more chance, though in the trial of it a refusal by chance may come."""
    reached, refused = [], []
    for seed in SEEDS:
        behind = Bucket(Phases((1e9, 20), 60), SILENT)
        counts = run(Flaky(Random(seed), 0.1, SILENT, behind), 32, 180, seed)
        assert counts.per_s(30, 60) > 100
        reached.append(counts.per_s(90, 180) / 20)
        refused.append(counts.refused_share(90, 180))
    assert min(reached) >= 0.7
    assert sum(refused) / len(refused) < 0.2
