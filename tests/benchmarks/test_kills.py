"""The kill loop finds what it is for: a small one runs, and each violation is seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.__main__ import main
from benchmarks.killing.seed import Kill, Load, SeedError
from benchmarks.kills import Killed, parse, row_of, shortcomings

SMALL = ["--seeds", "1", "--records", "600", "--batch", "20", "--late", "0.2", "--kills", "1"]


def test_a_small_loop_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers, two ways: a line for each, the figures in the JSON, exit code 0."""
    results = tmp_path / "results.json"
    ways = ["--way", "ids", "--way", "none", "--jobs", "2", "--json", str(results)]
    with pytest.raises(SystemExit) as ended:
        main(["kills", *SMALL, *ways, "--first-seed", "7"])
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert [line.split()[:2] for line in told.out.splitlines()[2:]] == [["ids", "1"], ["none", "1"]]
    assert "2 of 2: " in told.err
    found = json.loads(results.read_text())
    assert sorted((one["way"], one["seed"]) for one in found) == [("ids", 7), ("none", 7)]
    assert all(one["violations"] == [] and len(one["kills"]) == 1 for one in found)


def test_a_violation_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named with its seed; what it left is kept."""

    def hangs(self: Load, *_: object) -> None:
        raise SeedError("it hangs: last words")

    monkeypatch.setattr(Load, "killed_until_done", hangs)
    kept = tmp_path / "kept"
    assert kills.main([*SMALL, "--way", "stamp", "--jobs", "1", "--keep", str(kept)]) == 1
    assert "VIOLATION stamp seed 0: it hangs: last words" in capsys.readouterr().out
    assert (kept / "stamp_0" / "job.toml").exists()


def killed(kills: int = 1, opened: int = 1, **changes: object) -> Killed:
    """A load with so many kills, so many of them with open bodies."""
    found = tuple(Kill(n > 0, False, int(n < opened)) for n in range(kills))
    return Killed("ids", 3, 1.0, found, **changes)  # type: ignore[arg-type]  # by keyword


def test_kills_that_hit_nothing_prove_nothing() -> None:
    """Judged from a score of kills on."""
    assert shortcomings([killed(20, 12)]) == []
    assert shortcomings([killed(19, 0)]) == []
    (said,) = shortcomings([killed(20, 11)])
    assert "only 55% of the kills" in said


def test_the_table() -> None:
    """Sums over a way's loads."""
    loads = [killed(3, 2, named=2, in_doubt=4), killed(1, 1, missing=1, violations=("a", "b"))]
    assert row_of("ids", loads) == (
        "ids", "2", "4", "75%", "2", "0", "1", "0", "0", "2", "4", "1",
    )  # fmt: skip
    assert row_of("none", []) == ("none", "0", "0", "0%", *["0"] * 8)


def test_every_way_unless_some_are_named() -> None:
    """And the sizes that the issue asks for."""
    options = parse([])
    assert options.way == ["ids", "stamp", "evidence", "none"]
    assert (options.records, options.batch, options.late) == (20_000, 500, 5.0)
    assert parse(["--way", "none"]).way == ["none"]


@pytest.mark.parametrize("option", ["--seeds", "--records", "--batch", "--jobs", "--late"])
def test_nothing_can_not_be_killed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Zero is refused in words."""
    with pytest.raises(SystemExit):
        parse([option, "0"])
    assert "must be more than 0" in capsys.readouterr().err
