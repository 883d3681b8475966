"""What a run's report and journal claim of each record."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ingest.journal import IntervalSet, WrittenRejects
from ingest.operations.verify_claims import FileClaim, claims_of, is_whole


def report(**records: int) -> dict[str, Any]:
    """One of a run over three files, of which the last was skipped."""
    return {
        "state": "done",
        "records": {"unsent": 0, **records},
        "files": [
            {"path": "a", "sha256": "x", "records": 10},
            {"path": "b", "sha256": "y", "records": 0},
            {"path": "c", "sha256": None, "records": 5},
        ],
        "ambiguous": [{"spans": [{"file": "a", "first": 4, "last": 5}]}],
    }


REJECTS = WrittenRejects({"a": IntervalSet([(2, 2)])}, Counter(bad=1))


def test_of_a_whole_run():
    """Rejected, ambiguous and skipped ones are not expected."""
    assert is_whole(report())
    found = claims_of(report(skipped=5), REJECTS)
    assert found.keys() == {"a"}
    claim = found["a"]
    assert claim.expected == 7
    assert [claim.status(n) for n in (0, 1, 2, 4, 6, 10, 11)] == [
        "none", "expected", "rejected", "open", "expected", "expected", "none",
    ]  # fmt: skip


def test_a_file_without_a_hash_is_not_skipped_in_a_run_that_skipped_nothing():
    """It was not read to its end."""
    assert claims_of(report(skipped=0), REJECTS).keys() == {"a", "c"}


def test_of_a_run_that_did_not_come_to_its_end():
    """Only what is settled, less what was perhaps sent."""
    assert not is_whole(report(unsent=3))
    assert not is_whole({**report(), "state": "failed"})
    settled = {"a": IntervalSet([(1, 7)])}
    claim = claims_of(report(), REJECTS, settled, {"a": IntervalSet([(7, 9)])})["a"]
    assert claim.expected == len([1, 3, 6])
    assert [claim.status(n) for n in (6, 7, 9, 10)] == ["expected", "open", "open", "none"]
    assert claims_of(report(), REJECTS, {})["a"].expected == 0


def test_limits():
    """0, 1 and 2 records."""
    assert [FileClaim("a", n).expected for n in (0, 1, 2)] == [0, 1, 2]
