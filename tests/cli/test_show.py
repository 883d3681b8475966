"""`ingest show`: kept reports, found by prefix."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from ingest.cli.app import app
from ingest.cli.show import complete_run
from ingest.model import Accounts
from ingest.report import RunFacts, build_report, write_report
from ingest.state import StateDir


def kept(job: str, minute: int, rejected: int = 0) -> str:
    """A run with a report in the default state directory; its id."""
    run = StateDir(Path(".ingest")).new_run(
        job, datetime(2026, 11, 21, 22, minute, tzinfo=UTC), lambda _: "4f2a"
    )
    accounts = Accounts(read=5, accepted=5 - rejected, rejected=rejected)
    write_report(run.report_path, build_report(RunFacts(run.id, job, "aito h: t", "", accounts, 1)))
    return run.id


def test_the_latest(runner):
    """Without a run the latest; the table on standard output; its own exit code is 0."""
    kept("a", 1)
    latest = kept("b", 2, rejected=1)
    result = runner.invoke(app, ["show"])
    assert result.exit_code == 0
    assert f"{latest}  done  exit code 3" in result.stdout
    assert "1 record rejected" in result.stdout
    assert result.stderr == ""


def test_replays_of_a_run(runner):
    """Behind the summary, and one that was ended before its time."""
    run = StateDir(Path(".ingest")).find(kept("a", 1, rejected=1))
    report = orjson.loads(run.report_path.read_bytes())
    entry = {"started_at": "\x1b[1mthen", "replayed": 2, "accepted": 2, "exit_code": 0}
    write_report(run.report_path, {**report, "replays": [entry]})
    run.replay_dir.mkdir()
    result = runner.invoke(app, ["show"])
    assert "then: 2 records: 2 accepted (exit code 0)" in result.stdout
    assert "\x1b[1m" not in result.stdout
    assert "a replay of it was ended before its time" in result.stdout


def test_json_is_the_kept_report(runner):
    """Byte by byte."""
    run = kept("a", 1)
    result = runner.invoke(app, ["show", run[:14], "--json"])
    assert result.stdout == Path(f".ingest/runs/{run}/report.json").read_text()
    assert orjson.loads(result.stdout)["run"] == run


@pytest.mark.parametrize(("prefix", "said"), [("2026", "2 runs begin so"), ("x", "no run begins")])
def test_the_candidates_are_named(runner, prefix, said):
    """Exit 2."""
    runs = [kept("a", 1), kept("b", 2)]
    result = runner.invoke(app, ["show", prefix])
    assert result.exit_code == 2
    assert said in result.stderr
    assert all(run in result.stderr for run in runs)


def test_no_runs_at_all(runner, tmp_path):
    """Exit 2, the option is named, and nothing is created."""
    result = runner.invoke(app, ["show", "--state-dir", "nowhere"])
    assert result.exit_code == 2
    assert "error: nowhere: no runs here\nhint: name the state directory" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_report(runner):
    """Killed, or still going."""
    run = kept("a", 1)
    Path(f".ingest/runs/{run}/report.json").unlink()
    result = runner.invoke(app, ["show"])
    assert result.exit_code == 2
    assert "has left no report" in result.stderr


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_a_damaged_report(runner, content):
    """An error that names the file, not a traceback."""
    run = kept("a", 1)
    Path(f".ingest/runs/{run}/report.json").write_text(content)
    result = runner.invoke(app, ["show"])
    assert result.exit_code == 1
    assert f"{run}/report.json: is no report" in result.stderr


def test_completion(runner):
    """Ids that begin so; no directory, no ids, no error."""
    assert complete_run("") == []
    run = kept("a", 1)
    assert complete_run("2026") == [run]
    assert complete_run("1") == []
