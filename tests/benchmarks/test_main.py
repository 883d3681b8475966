"""`python -m benchmarks`, small: the options, and the whole walk once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import chosen, main, parse


def test_quick_means_less_of_everything() -> None:
    """What is said wins over `--quick`, and that over the defaults."""
    full, quick = parse([]), parse(["--quick", "--runs", "7"])
    assert (full.what, full.rows, full.runs, full.scale) == ("side-by-side", 1_000_000, 5, 1.0)
    assert (quick.rows, quick.runs, quick.scale) == (250_000, 7, 0.1)


def test_a_few_may_be_named() -> None:
    """This program always runs; the others only if they are named, or if none is."""
    assert [c.name for c in chosen(parse([]))] == ["ingest", "published", "as-published", "duckdb"]
    assert [c.name for c in chosen(parse(["--only", "duckdb"]))] == ["ingest", "duckdb"]


@pytest.mark.parametrize("option", ["--rows", "--runs", "--scale"])
def test_nothing_can_not_be_measured(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Zero is refused in words."""
    with pytest.raises(SystemExit):
        parse([option, "0"])
    assert "must be more than 0" in capsys.readouterr().err


def test_the_side_by_side_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every contender has its line, the checked rows are equal, every run is in the JSON."""
    results = tmp_path / "results.json"
    main(["--rows", "1500", "--runs", "1", "--ceiling", "--markdown", "--json", str(results)])
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + 5
    written = json.loads(results.read_text())
    assert [run["contender"] for run in written["runs"]] == [
        "ingest",
        "published",
        "as-published",
        "duckdb",
        "ceiling",
    ]
    hashes = written["rows_hash"]
    assert hashes["ingest"] == hashes["published"] == hashes["duckdb"] != hashes["as-published"]
    assert written["runs"][0]["requests"] == 1
    assert written["machine"]["cores"] >= 1


def test_whole_floats_prints_its_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    """Two spellings, two lines."""
    main(["whole-floats", "--rows", "2000", "--runs", "1"])
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 4
    assert "at most 1.3" in table[3]
