"""Rejects counted by reason, the first kept, and the judge that stops nothing."""

from __future__ import annotations

import anyio
import pytest

from ingest.model import Reject
from ingest.operations.plan_rejects import EXAMPLES, REASONS, LimitWatch, RejectTally
from ingest.rejects import RejectLimit


def reject(record: int, reason: str = "bad", column: str | None = "a") -> Reject:
    """One of them."""
    return Reject("f.csv", record + 1, 0, record, "coerce", reason, f"no. {record}", b"", column)


@pytest.mark.parametrize("number", [0, 1, 2, EXAMPLES, EXAMPLES + 1, 50])
def test_examples(number: int) -> None:
    """All are counted, the first few are shown."""
    tally = RejectTally()
    anyio.run(tally.write, [reject(at) for at in range(number)])
    assert tally.by_reason.total() == number
    assert [one["record"] for one in tally.examples] == list(range(min(number, EXAMPLES)))


def test_reasons_are_bounded() -> None:
    """However many reasons there are."""
    tally = RejectTally()
    anyio.run(tally.write, [reject(at, f"reason {at}") for at in range(REASONS + 5)])
    assert (len(tally.examples), len(tally.by_reason)) == (REASONS, REASONS + 5)


def test_ambiguous() -> None:
    """Dates of two readings by their column, the most frequent first."""
    tally = RejectTally()
    found = [reject(1, "ambiguous_date", "b"), *(reject(n, "ambiguous_time") for n in (2, 3))]
    anyio.run(tally.write, [*found, reject(4)])
    assert [(one["column"], one["records"]) for one in tally.ambiguous] == [("a", 2), ("b", 1)]
    assert tally.ambiguous[0]["example"] == "no. 2"


def test_the_first_word_stays() -> None:
    """A run would have ended there: a ratio that mends itself later does not take it back."""
    watch = LimitWatch(RejectLimit(10, 0.5, ratio_from=4))
    watch.check(3, 4)
    said = watch.passed
    watch.check(3, 100, final=True)
    assert said is not None
    assert watch.passed == said
    quiet = LimitWatch(RejectLimit(10, 0.5))
    quiet.check(10, 100, final=True)
    assert quiet.passed is None
