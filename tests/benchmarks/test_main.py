"""`python -m benchmarks`, small: the options, and the whole walk once."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks.__main__ import EVERYTHING, PROGRAMS, Program, main, parse
from benchmarks.contenders import CONTENDERS
from benchmarks.peers import missing
from benchmarks.plot import Bar, Chart


def test_quick_means_less_of_everything() -> None:
    """What is said wins over `--quick`, and that over the defaults."""
    full, quick = parse([]), parse(["--quick", "--runs", "7"])
    assert (full.what, full.rows, full.runs, full.scale) == (EVERYTHING, None, 5, 1.0)
    assert (quick.rows, quick.runs, quick.scale) == (None, 7, 0.02)
    assert all(one.quick_rows <= one.rows / 10 for one in PROGRAMS.values())


@pytest.mark.parametrize("option", ["--rows", "--runs", "--scale"])
def test_nothing_can_not_be_measured(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Zero is refused in words."""
    with pytest.raises(SystemExit):
        parse([option, "0"])
    assert "must be more than 0" in capsys.readouterr().err


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its function can be loaded, and the help names it."""
    assert callable(PROGRAMS[name].load())
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert f"  {name} " in capsys.readouterr().out


def test_everything_leaves_out_what_is_not_for_the_readme(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the table's order; figures by name in the JSON, pictures only where they are kept."""
    asked: list[tuple[int, bool]] = []

    def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
        asked.append((options.rows, folder.is_dir()))
        return {"figure": options.rows, "chart": Chart("t", [Bar("a", 1, 1, 1, "")])}

    monkeypatch.setattr(Program, "load", lambda _: run)
    monkeypatch.setattr(
        program,
        "PROGRAMS",
        {"a": Program("", "x", 5), "b": Program("", "y", 7), "c": Program("", "z", 9, 9, False)},
    )
    monkeypatch.setattr(program, "HERE", tmp_path)
    (tmp_path / "pictures").mkdir()
    main(["--json", str(tmp_path / "all.json"), "--keep"])
    assert asked == [(5, True), (7, True)]
    written = json.loads((tmp_path / "all.json").read_text())
    assert (written["a"], written["b"]) == ({"figure": 5}, {"figure": 7})
    kept = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*"))
    names = ("pictures/{}.svg", "results/{}.json", "results/{}.md")
    assert kept == sorted(name.format(one) for one in "ab" for name in names)
    assert "a: x" in capsys.readouterr().out


def test_the_side_by_side_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every contender that is installed has its line, every run is in the JSON."""
    results = tmp_path / "results.json"
    main(["end-to-end", "--rows", "1500", "--runs", "1", "--markdown", "--json", str(results)])
    installed = [one.name for one in CONTENDERS if not missing(one.name)]
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + len(installed)
    written = json.loads(results.read_text())
    assert [run["contender"] for run in written["runs"]] == installed
    hashes = written["rows_hash"]
    assert hashes["ingest"] == hashes["published"] == hashes["duckdb"] != hashes["as-published"]
    assert written["runs"][0]["requests"] == 1
    assert written["machine"]["cores"] >= 1


def test_shaping_needs_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is compared writes the rows that we seal; nothing is sent."""
    results = tmp_path / "results.json"
    main(["shaping", "--rows", "800", "--runs", "1", "--only", "polars", "--json", str(results)])
    assert len(capsys.readouterr().out.splitlines()) == 4
    written = json.loads(results.read_text())
    assert [run["sent_bytes"] for run in written["runs"]] == [0, 0]
    assert len(set(written["rows_hash"].values())) == 1


def test_whole_floats_prints_its_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    """Two spellings, two lines."""
    main(["whole-floats", "--rows", "2000", "--runs", "1"])
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 4
    assert "at most 1.3" in table[3]


def test_the_program_is_compiled_before_it_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the environment says of bytecode; and for the processes that are started then."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "one.py").write_text("ONE = 1\n")
    program.compile_all()
    assert list((tmp_path / "ingest" / "__pycache__").glob("one.*.pyc"))
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
