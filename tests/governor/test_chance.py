"""What is a known share of refusals, and what is more than that."""

from __future__ import annotations

from random import Random

import pytest

from ingest.governor.chance import GONE, GONE_S, LEAST_SHARE, MOST_SHARE, Chance

PER_S = 50


def told(chance: Chance, share: float, attempts: int, seed: int = 1, start: float = 0.0) -> int:
    """So many attempts, of which this share is refused by chance; how many refusals to heed."""
    random, heeded = Random(seed), 0
    for n in range(attempts):
        now = start + n / PER_S
        if random.random() < share:
            heeded += chance.refused(now)
        else:
            chance.accepted(now)
    return heeded


def known(share: float) -> Chance:
    """One that has learned this share."""
    chance = Chance()
    chance.learned(share)
    return chance


def test_without_a_known_share_every_refusal_counts():
    """Nothing is chance until that is proven."""
    assert told(Chance(), 0.2, 500) == pytest.approx(100, rel=0.3)
    assert Chance().share == 0


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2, 0.5])
def test_the_known_share_is_no_news(share):
    """Four thousand attempts of it, and of half of it: hardly one refusal is heeded."""
    heeded = sum(
        told(known(share), share / part, 1_000, seed) for part in (1, 2) for seed in (1, 2)
    )
    assert heeded <= 5


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_much_more_than_that_is_news(share):
    """Half of a hundred refused."""
    assert told(known(share), max(0.5, 3 * share), 100) > 10


@pytest.mark.parametrize(("share", "refusals"), [(0.01, 5), (0.05, 5), (0.2, 5), (0.5, 11)])
def test_a_row_of_refusals_is_news(share, refusals):
    """So many without an acceptance between, and not one fewer."""
    chance = known(share)
    heeded = [chance.refused(1.0) for _ in range(refusals + 5)]
    assert heeded == [False] * (refusals - 1) + [True] * 6


def test_the_news_is_over_once_the_share_is_the_usual_again():
    """A pressure that has passed leaves nothing behind."""
    chance = known(0.1)
    assert told(chance, 1.0, 20) > 0
    told(chance, 0.0, 40, start=1)
    assert told(chance, 0.1, 500, start=2) == 0


def test_what_was_too_much_can_be_forgotten():
    """At another pace it takes a row of refusals again until they are news."""
    chance = known(0.05)
    row = [chance.refused(1.0) for _ in range(8)]
    chance.forget_excess()
    assert [chance.refused(2.0) for _ in range(8)] == row
    assert (row[0], row[-1]) == (False, True)


def test_a_share_that_is_not_seen_again_is_halved_and_forgotten():
    """Six times as many attempts as a refusal takes, and none: again and again."""
    chance = known(0.2)
    shares: list[float] = []
    for n in range(3_000):
        chance.accepted(10 + n / PER_S)
        if not shares or chance.share != shares[-1]:
            shares.append(chance.share)
    assert shares == pytest.approx([0.2, 0.1, 0.05, 0.025, 0.0125, 0.0])


def test_a_quick_service_is_given_time():
    """Thirty attempts within a millisecond are no proof that the trouble is over."""
    chance = known(0.2)
    chance.refused(1.0)
    for _ in range(int(3 * GONE / 0.2)):
        chance.accepted(1.0 + GONE_S / 2)
    assert chance.share == 0.2


@pytest.mark.parametrize(("found", "kept"), [(0, LEAST_SHARE), (0.3, 0.3), (1, MOST_SHARE)])
def test_no_share_is_nothing_or_all(found, kept):
    """Both would make the logarithms infinite, and every refusal chance."""
    assert known(found).share == kept
