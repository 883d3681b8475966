"""What of a replay is booked: pure parts, and a rejects file that was mended meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.build import replay_books
from ingest.build.replay_books import Ended, code_of, entry, rewrite, worded
from ingest.build.replay_dir import Outcome, ReplayDir
from ingest.journal import IntervalSet, Tally
from ingest.sources.reject_lines import Mended, read_mended
from ingest.state import RunDir


def line(record: int, raw: str, **more: Any) -> Mended:
    """A line of the rejects."""
    found = {
        "file": "a.csv", "line": record + 1, "byte": 0, "record": record, "column": "n",
        "field": "n", "stage": "coerce", "reason": "odd", "message": "it is", "raw": raw, **more,
    }  # fmt: skip
    return Mended(
        orjson.dumps(found), "a.csv", record + 1, 0, record, found["reason"],
        raw.encode(), bool(found.get("raw_truncated")),
    )  # fmt: skip


def outcome(landed: list[int], *again: Mended, **tally: int) -> Outcome:
    """What came of a replay."""
    found = IntervalSet((n, n) for n in landed)
    return Outcome(0.0, {"a.csv": found}, {one.key: one for one in again}, Tally(**tally))


def home_of(folder: Path, *now: Mended) -> ReplayDir:
    """A run with these rejects."""
    run = RunDir(folder / "20261121-221500-job-4f2a")
    run.path.mkdir()
    run.rejects_path.write_bytes(b"".join(one.text + b"\n" for one in now))
    return ReplayDir(run)


def test_what_is_left_of_the_rejects(tmp_path):
    """Landed lines go; those rejected again get the new words; what was mended since is as it is,
    unless it landed; lines that were not replayed are as they were. Twice is as once."""
    given = [line(n, f"{n},x") for n in (1, 2, 3, 4)]
    later = [line(1, "1,mended"), line(2, "2,x"), line(3, "3,mended"), line(4, "4,x"), line(5, "y")]
    home = home_of(tmp_path, *later)
    came = outcome([1, 4], line(2, "2,x", reason="new"), line(3, "3,x", reason="new"))
    for _ in range(2):
        left = rewrite(home, given, came)
        assert [(one.record, one.raw, one.reason) for one in left] == [
            (2, b"2,x", "new"), (3, b"3,mended", "odd"), (5, b"y", "odd"),
        ]  # fmt: skip
        assert read_mended(home.run.rejects_path) == left


def test_without_any_the_file_goes(tmp_path):
    """A run without rejects has none; done twice, there is still none."""
    home = home_of(tmp_path, line(1, "x"))
    for _ in range(2):
        assert rewrite(home, [line(1, "x")], outcome([1])) == []
        assert not home.run.rejects_path.exists()


def test_a_new_line_that_has_only_the_head(tmp_path):
    """The bytes that somebody gave stay whole; the words are the new ones."""
    mended = line(1, "0" * 100_000, mine="kept")
    again = line(1, "0" * 65_536, raw_truncated=True, reason="new", message="no", column=None)
    found = worded(mended, again)
    text = orjson.loads(found.text)
    assert (text["raw"], text["reason"], text["message"]) == ("0" * 100_000, "new", "no")
    assert (text["column"], text["mine"], found.reason) == (None, "kept", "new")
    assert (found.raw, found.truncated, "raw_truncated" in text) == (mended.raw, False, False)


@pytest.mark.parametrize(
    ("rejected", "ambiguous", "before", "code"),
    [(0, 0, 3, 0), (1, 0, 3, 3), (0, 1, 3, 6), (1, 1, 3, 6), (0, 0, 6, 6), (1, 0, 0, 3)],
)
def test_the_runs_exit_code(rejected, ambiguous, before, code):
    """By its accounts; what was not verified before is not verified now."""
    records = {"rejected": rejected, "ambiguous": ambiguous}
    assert code_of({"records": records, "exit_code": before}) == code


@pytest.mark.parametrize("given", [3, 4, 10])
def test_an_entry_adds_up(given):
    """Every line that was replayed has one end."""
    came = outcome([1], line(2, "x"), accepted=1, ambiguous=1, requests=5)
    found = entry(came, given, Ended(7, 1.5, {"kind": "quota"}))
    ends = [found[name] for name in ("accepted", "rejected", "ambiguous", "left")]
    assert (sum(ends), found["left"]) == (given, given - 3)
    assert (found["exit_code"], found["seconds"], found["requests"]) == (7, 1.5, 5)
    assert found["started_at"] == "1970-01-01T00:00:00+00:00"


def test_figures_are_added_to_the_runs():
    """A replay reads nothing that was not read."""
    report = {
        "records": {"read": 10, "accepted": 6, "rejected": 4, "ambiguous": 0},
        "requests": {"sent": 1, "retried": 0, "failed": 0},
        "bytes": {"read": 99, "sent": 50},
        "ambiguous": [],
    }
    came = outcome([1, 2], accepted=2, ambiguous=1, requests=3, retried=2, failed=1, bytes_sent=7)
    replay_books.add_to(report, came)
    assert report["records"] == {
        "read": 10, "accepted": 8, "rejected": 1, "ambiguous": 1, "superseded": 0,
    }  # fmt: skip
    assert report["requests"] == {"sent": 4, "retried": 2, "failed": 1, "isolated": 0}
    assert report["bytes"] == {"read": 99, "sent": 57}
