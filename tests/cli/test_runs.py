"""`ingest runs`: what there was, the latest first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from ingest.cli.app import app
from ingest.state import StateDir
from tests.cli.test_process import environment
from tests.housekeeping.made import done, made

STATE = StateDir(Path(".ingest"))


def ids(output: str) -> list[str]:
    """The runs that a table lists."""
    return [line.split()[0] for line in output.splitlines()[2:]]


def test_the_latest_first(runner):
    """A table on standard output, exit 0 whatever the runs' own codes were."""
    runs = [done(STATE, "b", 0), done(STATE, "a", 1, stopped=True), made(STATE, "c", 2)]
    result = runner.invoke(app, ["runs"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert ids(result.stdout) == [run.id for run in reversed(runs)]
    assert "failed" in result.stdout
    assert "unfinished" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--job", "b"]])
def test_nothing_there(runner, tmp_path, arguments):
    """A friendly line, exit 0, and nothing is created."""
    result = runner.invoke(app, ["runs", *arguments])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(".ingest: no runs")
    assert list(tmp_path.iterdir()) == []


def test_one_job(runner):
    """By its whole name."""
    run = done(STATE, "stocks")
    done(STATE, "stocks-2", 1)
    result = runner.invoke(app, ["runs", "--job", "stocks"])
    assert ids(result.stdout) == [run.id]
    assert "no runs of stock here" in runner.invoke(app, ["runs", "--job", "stock"]).stderr


def test_prefixes(runner):
    """As `show` takes them; here several may begin so."""
    runs = [done(STATE, day=day) for day in (0, 1, 31)]
    assert len(ids(runner.invoke(app, ["runs", "202103"]).stdout)) == 2
    assert ids(runner.invoke(app, ["runs", runs[2].id[:8]]).stdout) == [runs[2].id]
    result = runner.invoke(app, ["runs", "1999"])
    assert result.exit_code == 2
    assert "1999: no run begins so" in result.stderr
    assert runs[0].id in result.stderr


@pytest.mark.parametrize(("limit", "listed", "more"), [(1, 1, 2), (2, 2, 1), (3, 3, 0), (9, 3, 0)])
def test_the_limit(runner, limit, listed, more):
    """And how many there are beyond it."""
    for day in range(3):
        done(STATE, day=day)
    result = runner.invoke(app, ["runs", "--limit", str(limit)])
    assert len(ids(result.stdout)) == listed
    assert result.stderr == (f"and {more} more: --limit 3 shows all\n" if more else "")


def test_twenty_by_default(runner):
    """A screenful."""
    for day in range(21):
        done(STATE, day=day)
    result = runner.invoke(app, ["runs"])
    assert len(ids(result.stdout)) == 20
    assert result.stderr == "and 1 more: --limit 21 shows all\n"


def test_json(runner):
    """One object a line and nothing else; what is not known is null."""
    done(STATE, rejected=2)
    made(STATE, "killed", 1)
    result = runner.invoke(app, ["runs", "--json"])
    killed, loaded = map(orjson.loads, result.stdout.splitlines())
    assert killed == {
        "run": "20210302-221500-killed-4f2a", "job": "killed", "state": "unfinished",
        "exit_code": None, "started_at": "2021-03-02T22:15:00+00:00", "seconds": None,
        "records": None, "target": None,
    }  # fmt: skip
    assert (loaded["exit_code"], loaded["records"]["rejected"]) == (3, 2)
    assert result.stderr == ""


def test_a_hostile_report_among_others(runner):
    """The listing goes on, and paints nothing."""
    good, bad = done(STATE, day=0), done(STATE, day=1)
    text = good.report_path.read_text().replace("aito h: t", "\\u001b[31m[red]x[/red]\\u202e")
    good.report_path.write_text(text)
    bad.report_path.write_bytes(b'{"state": "done", "records": {"accepted": "\x1b[2J"}}')
    result = runner.invoke(app, ["runs"])
    assert ids(result.stdout) == [bad.id, good.id]
    assert "unreadable" in result.stdout
    assert "[red]x[/red]" in result.stdout
    assert "\x1b" not in result.stdout
    assert len(runner.invoke(app, ["runs", "--json"]).stdout.splitlines()) == 2


def test_it_can_not_be_read(runner, tmp_path):
    """Exit 2 with the option."""
    (tmp_path / "file").touch()
    result = runner.invoke(app, ["runs", "--state-dir", "file"])
    assert result.exit_code == 2
    assert "--state-dir" in result.stderr


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "-1"], ["a", "b"]])
def test_usage_errors(runner, arguments):
    """Exit 2."""
    assert runner.invoke(app, ["runs", *arguments]).exit_code == 2


@pytest.mark.parametrize(
    "changes",
    [{"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
     {"PYTHONIOENCODING": "ascii"}, {"COLUMNS": "20"}, {"COLUMNS": "1"}, {"FORCE_COLOR": "1"}],
)  # fmt: skip
def test_in_a_process(tmp_path, changes):
    """Odd terminals: exit 0 and the id whole, folded where it must be."""
    run = done(StateDir(tmp_path / "zustände"))
    text = run.report_path.read_text().replace("aito h: t", "größe →")
    run.report_path.write_text(text, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "runs", "--state-dir", "zustände"], cwd=tmp_path,
        env=environment(**changes), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, b"")
    assert run.id.encode() in b"".join(found.stdout.split())
