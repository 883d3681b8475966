"""A run's replays in sentences."""

from __future__ import annotations

import pytest

from ingest.housekeeping.replays import UNBOOKED, replays_of

ENTRY = {
    "started_at": "2026-11-21T22:15:00+00:00", "replayed": 1200, "accepted": 1100, "rejected": 60,
    "ambiguous": 30, "left": 10, "exit_code": 6,
}  # fmt: skip


def test_each_is_a_sentence():
    """What became of its records, and how it ended."""
    nothing = {"started_at": "t", "replayed": 0, "exit_code": None}
    assert list(replays_of({"replays": [ENTRY, nothing]}, unbooked=True)) == [
        (
            "replayed 2026-11-21T22:15:00+00:00: 1,200 records: 1,100 accepted, 60 rejected"
            " again, 30 ambiguous, 10 as before (exit code 6)"
        ),
        "replayed t: 0 records: none (ended before its time)",
        UNBOOKED,
    ]


@pytest.mark.parametrize("replays", [None, [], {}, "x", [1], [[]]])
def test_anything_may_stand_there(replays):
    """A report is a file: nothing is said, and nothing raises."""
    assert list(replays_of({"replays": replays})) == []
    assert list(replays_of({})) == []


def test_figures_that_are_none():
    """They count nothing."""
    (said,) = replays_of({"replays": [{"accepted": "x", "left": None}]})
    assert said == "replayed : 0 records: none (ended before its time)"
