"""What must be true after the kills: each way of being wrong is seen, and named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.killing.case import WAYS, Case, Row, judged

IDS, NONE = (Case(WAYS[way], records=9, batch=2) for way in ("ids", "none"))


def report_of(folder: Path, case: Case, **records: int) -> dict[str, Any]:
    """The report of a load that went well, but for the changes."""
    lines = [{"file": "/x/a.csv", "record": 2}, {"file": "/x/b.csv", "record": 2}]
    (folder / "r").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    usual = {"read": 11, "accepted": 9, "rejected": 2, "skipped": 0, "ambiguous": 0, "unsent": 0}
    return {
        "state": "done",
        "error": None,
        "records": usual | records,
        "rejects": {"file": str(folder / "r")},
        "ambiguous": [],
    }


def named(first: int, last: int) -> dict[str, Any]:
    """An ambiguous batch of the second file."""
    return {"spans": [{"file": "/x/b.csv", "first": first, "last": last, "count": 1}]}


def test_a_load_that_went_well(tmp_path: Path) -> None:
    """Nothing to say."""
    for case in (IDS, NONE):
        found = judged(case, Counter(case.rows()), report_of(tmp_path, case), 0)
        assert found.violations == ()
        assert (found.missing, found.doubled, found.differing, found.named) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({(3, 3.5, "text 3"): 0}, "1 records missing: 3"),
        ({(3, 3.5, "text 3"): 2}, "1 records doubled: 3"),
        ({(3, 3.5, "text 3"): 0, (3, 3.5, "text 4"): 1}, "1 records other than in the files"),
        ({(99, 1.0, "foreign"): 1}, "1 records other than in the files"),
    ],
)
def test_rows_that_are_wrong(tmp_path: Path, rows: dict[Row, int], words: str) -> None:
    """Missing, doubled, changed, foreign."""
    there = Counter(IDS.rows())
    there.update({row: times - there[row] for row, times in rows.items()})
    found = judged(IDS, +there, report_of(tmp_path, IDS), 0)
    assert words in " ".join(found.violations)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"read": 12}, "the sum is off"),
        ({"unsent": 1, "accepted": 8}, "1 unsent, not 0"),
        ({"rejected": 1, "accepted": 10}, "1 rejected, not 2"),
    ],
)
def test_accounts_that_are_wrong(tmp_path: Path, changes: dict[str, int], words: str) -> None:
    """The sum, and each figure that is known beforehand."""
    found = judged(IDS, Counter(IDS.rows()), report_of(tmp_path, IDS, **changes), 0)
    assert words in " ".join(found.violations)


def test_rejects_that_are_wrong_and_a_run_that_failed(tmp_path: Path) -> None:
    """A line twice; a state that is not done."""
    report = report_of(tmp_path, IDS)
    with (tmp_path / "r").open("ab") as file:
        file.write(orjson.dumps({"file": "/x/b.csv", "record": 2}) + b"\n")
    found = judged(IDS, Counter(IDS.rows()), {**report, "state": "failed"}, 0)
    assert "the rejects are" in " ".join(found.violations)
    assert "it ended as failed" in " ".join(found.violations)


def test_a_way_that_settles_names_nothing(tmp_path: Path) -> None:
    """It promised to find out."""
    report = {**report_of(tmp_path, IDS), "ambiguous": [named(1, 1)]}
    assert judged(IDS, Counter(IDS.rows()), report, 5).violations == (
        "1 batches named as ambiguous",
    )


@pytest.mark.parametrize(
    ("first", "in_doubt", "violations"),
    [
        (1, 1, []),
        (1, 0, ["1 batches named, but only 0 were in doubt"]),
        (3, 1, ["1 records doubled and not named: 4"]),
    ],
)
def test_without_a_way_what_is_doubled_is_named(
    tmp_path: Path, first: int, in_doubt: int, violations: list[str]
) -> None:
    """And no more is named than was in doubt."""
    rows = Counter(NONE.rows())
    rows[4, 4.5, "text 4"] += 1  # the first record of the second file
    report = {**report_of(tmp_path, NONE), "ambiguous": [named(first, 3)]}
    assert list(judged(NONE, rows, report, in_doubt).violations) == violations


@pytest.mark.parametrize("records", [2, 3, 7, 20])
def test_places_are_where_the_records_stand(tmp_path: Path, records: int) -> None:
    """By the files themselves; a bad record stands among them."""
    case = Case(WAYS["none"], records)
    case.write_files(tmp_path)
    for name in ("a.csv", "b.csv"):
        for number, line in enumerate((tmp_path / name).read_text().splitlines()[1:], 1):
            n = line.partition(",")[0]
            assert n == "bad" or case.place(int(n)) == (name, number)
