"""The services with limits: what they take, and what of it is told."""

from __future__ import annotations

import pytest

from benchmarks.governor_server import Bucket, Workers
from benchmarks.governor_services import ask, own_service, shares

TABLE = "/api/v1/tables/t/batch-insert"


@pytest.mark.parametrize("per_s", [1, 2, 20])
def test_a_bucket_holds_one_second_of_its_rate(per_s: int) -> None:
    """Full at first; then a token for each step of the rate, and never more than a second's."""
    bucket = Bucket(per_s)
    assert [bucket.take(0.0) for _ in range(per_s + 1)] == [True] * per_s + [False]
    assert [bucket.take(1.5 / per_s), bucket.take(1.5 / per_s)] == [True, False]
    assert sum(bucket.take(100.0) for _ in range(3 * per_s)) == per_s


def test_a_slow_bucket_holds_a_token() -> None:
    """Half a request a second is one in two seconds."""
    bucket = Bucket(0.5)
    assert [bucket.take(now) for now in (0.0, 1.0, 2.1)] == [True, False, True]


@pytest.mark.parametrize(("present", "factor"), [(0, 1), (1, 1), (4, 1), (5, 1.1), (14, 2)])
def test_a_crowd_makes_work_longer(present: int, factor: float) -> None:
    """By a tenth for each that is there beyond the workers."""
    assert Workers(4, 0.2, 0.1).service_s(present) == pytest.approx(0.2 * factor)


@pytest.mark.parametrize(
    ("since_s", "until_s", "expected"),
    [(0, 10, (0.2, 0.5)), (0, 5, (0.2, 0.5)), (5, 10, (0.2, 0.5)), (20, 30, (0.0, 0.0))],
)
def test_shares_are_of_what_was_answered_then(
    since_s: float, until_s: float, expected: tuple[float, float]
) -> None:
    """Accepted a second, and 429 of all; an error of another kind is neither."""
    answers = [(1.0, 200), (2.0, 429), (3.0, 500), (6.0, 200), (7.0, 429)]
    assert shares(answers, since_s, until_s) == pytest.approx(expected)


def test_a_limit_is_set_while_it_runs() -> None:
    """One token in a hundred seconds, then one a microsecond; a request to a table is counted."""
    with own_service("bucket", "--per-s", "0.01") as service:
        for limit in (None, None, 10**6):
            if limit is not None:
                service.set_limit(limit)
            ask(service.url, "POST", TABLE)
        ask(service.url, "GET", "/api/v1/tables")
        service.keep_answers()
    assert [status for _, status in service.answers()] == [200, 429, 200]
