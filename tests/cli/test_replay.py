"""`ingest replay`: what the command line says reaches the replay, and its end reaches people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.build import RunOptions, RunResult, replaying
from ingest.build.origin import remember
from ingest.build.replaying import Asked
from ingest.cli.app import app
from ingest.errors import StoppedByService
from ingest.events import Watcher
from ingest.job import read_job
from ingest.model import Accounts
from ingest.report import RunFacts, build_report
from ingest.state import RunDir, StateDir

JOB = '[source]\npaths = ["a.csv"]\n[target]\nsystem = "aito"\ntable = "t"\n'
ENTRY = {
    "started_at": "2026-11-21T22:15:00+00:00", "replayed": 3, "accepted": 2, "rejected": 1,
    "ambiguous": 0, "left": 0, "exit_code": 3,
}  # fmt: skip


class Fake:
    """Stands in for `replaying.replay`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Asked, RunOptions]] = []
        self.answer: RunResult | Exception | None = None

    async def __call__(
        self, asked: Asked, options: RunOptions, watcher: Watcher
    ) -> RunResult | None:
        self.calls.append((asked, options))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            watcher.note("nothing to replay")
        else:
            watcher.finished(self.answer.report)
        return self.answer


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A replay that ends as it is told."""
    made = Fake()
    monkeypatch.setattr(replaying, "replay", made)
    return made


def finished(minute: int = 1, base_url: str | None = None) -> RunDir:
    """A run of a job file, in the default state directory."""
    Path("stocks.toml").write_text(JOB)
    run = StateDir(Path(".ingest")).new_run(
        "stocks", datetime(2026, 11, 21, 22, minute, tzinfo=UTC), lambda _: "4f2a"
    )
    job = read_job(Path("stocks.toml"))
    options = RunOptions(Path(".ingest"), base_url=base_url, job_file=Path("stocks.toml"))
    remember(run, job, options, ())
    return run


def ended(run: RunDir, code: int = 3) -> RunResult:
    """What a replay gives back."""
    accounts = Accounts(read=10, accepted=9, rejected=1)
    report: dict[str, Any] = build_report(RunFacts(run.id, "stocks", "h: t", "", accounts, 1.0))
    return RunResult({**report, "replays": [ENTRY]}, code)


def test_every_option_arrives(runner, fake, tmp_path):
    """The run by its prefix, the job as it is today, and what is said of the replay."""
    run, _ = finished(1), finished(2)
    fake.answer = ended(run, 143)
    Path("mine.toml").write_text(f'name = "stocks"\n{JOB}')
    arguments = [
        "replay", "20261121-2201", "--job", "mine.toml", "--rejects", "m.ndjson", "--set",
        "limits.in_flight=3", "--report", "r.json", "--max-duration", "2h", "--grace", "1m",
        "--profile", "p", "--base-url", "http://h", "--restart", "--progress", "none",
    ]  # fmt: skip
    result = runner.invoke(app, arguments)
    assert result.exit_code == 143, result.stderr
    ((asked, options),) = fake.calls
    assert (asked.run.id, asked.rejects) == (run.id, Path("m.ndjson"))
    assert asked.recalled.job.limits.in_flight == 3
    assert options == RunOptions(
        Path(".ingest"), Path("r.json"), max_duration_s=7200.0, grace_s=60.0, profile="p",
        base_url="http://h", restart=True,
    )  # fmt: skip


def test_the_latest_by_default_and_the_end_for_people(runner, fake):
    """The run's summary, and a sentence about the replay; nothing on standard output."""
    finished(1)
    latest = finished(2)
    fake.answer = ended(latest)
    result = runner.invoke(app, ["replay"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert fake.calls[0][0].run.id == latest.id
    assert fake.calls[0][1] == RunOptions(Path(".ingest"))
    assert "1 record rejected" in result.stderr
    assert "3 records: 2 accepted, 1 rejected again (exit code 3)" in result.stderr


def test_a_rehearsal_is_replayed_where_it_was(runner, fake):
    """In the sandbox, unless something else is said."""
    fake.answer = ended(finished(base_url="sandbox"))
    runner.invoke(app, ["replay"])
    runner.invoke(app, ["replay", "--base-url", "http://h"])
    assert [options.base_url for _, options in fake.calls] == ["sandbox", "http://h"]


def test_nothing_to_replay(runner, fake):
    """Exit 0, and said."""
    finished()
    result = runner.invoke(app, ["replay"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to replay" in result.stderr


def test_for_programs(runner, fake):
    """JSON lines only; an error is one, too."""
    fake.answer = ended(finished())
    result = runner.invoke(app, ["replay", "--log-format", "json"])
    events = [orjson.loads(line) for line in result.stderr.splitlines()]
    assert events[-1]["event"] == "finished"
    fake.answer = StoppedByService("no more today")
    result = runner.invoke(app, ["replay", "--log-format", "json"])
    assert (result.exit_code, orjson.loads(result.stderr)["kind"]) == (7, "stopped_by_service")


@pytest.mark.parametrize("option", ["--limit", "--ask", "--fresh"])
def test_options_that_a_replay_has_not(runner, fake, option):
    """A usage error."""
    finished()
    assert runner.invoke(app, ["replay", option, "1"]).exit_code == 2
    assert not fake.calls


def test_a_job_file_that_is_gone(runner, fake):
    """Exit 2 with the option; nothing is replayed."""
    finished()
    Path("stocks.toml").unlink()
    result = runner.invoke(app, ["replay"])
    assert (result.exit_code, fake.calls) == (2, [])
    assert "the run's job file is gone" in result.stderr
    assert "--job FILE" in result.stderr


def test_a_report_that_could_not_be_written(runner, fake):
    """Said before anything is replayed."""
    finished()
    result = runner.invoke(app, ["replay", "--report", "no/such/r.json"])
    assert (result.exit_code, fake.calls) == (2, [])
