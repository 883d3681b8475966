"""Stands in for `ingest.build`: tells the watcher a little load and ends as `plan` says.

Run as a program it is the whole `ingest` command with this fake behind it, for tests in real
processes: FAKE_PLAN holds the plan as JSON.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

import ingest
from ingest.errors import IngestError, StoppedByService
from ingest.events import Started, Watcher
from ingest.job import Job
from ingest.model import Accounts
from ingest.report import RunFacts, build_report, write_report
from ingest.state import StateDir
from tests.progress.helpers import snapshot

# What the command takes from the package's other modules is the real thing.
__path__ = [str(Path(ingest.__file__).with_name("build"))]
calls: list[tuple[Job, RunOptions]] = []
plan: dict[str, Any] = {}


class RunOptions(Struct, frozen=True, eq=False):
    """The lead's, to the letter; where the job came from is compared by those who ask for it."""

    state_dir: Path
    report: Path | None = None
    limit: int | None = None
    max_duration_s: float | None = None
    grace_s: float = 25.0
    profile: str | None = None
    base_url: str | None = None
    ask: str | None = None
    restart: bool = False
    fresh: bool = False
    job_file: Path | None = None
    sets: tuple[str, ...] = ()
    if_running: Literal["fail", "wait"] = "fail"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """By everything but where the job came from."""
        compared = (name for name in self.__struct_fields__ if name not in ("job_file", "sets"))
        return isinstance(other, RunOptions) and all(
            getattr(self, name) == getattr(other, name) for name in compared
        )


class RunResult(Struct, frozen=True):
    """The lead's, to the letter."""

    report: dict[str, Any]
    exit_code: int
    rows: list[dict[str, Any]] | None


async def execute(job: Job, options: RunOptions, watcher: Watcher) -> RunResult:
    """A load of ten records. `plan[job.name]` (or `plan["*"]`): rejected, stopped, raises, rows."""
    calls.append((job, options))
    wish = plan.get(job.name, plan.get("*", {}))
    if raised := wish.get("raises"):
        raise raised if isinstance(raised, BaseException) else IngestError(*raised)
    run = StateDir(options.state_dir).new_run(job.name, datetime.now(UTC), secrets.token_hex)
    watcher.note("delimiter ;")
    watcher.started(Started(run.id, job.name, "fake h: t", 1, 1_000_000))
    watcher.note("odd \x1b[31m[bold]thing[/bold]", level="warning")
    for second in range(1, 8):
        watcher.tick(snapshot(elapsed_s=float(second), source_bytes=second * 100_000))
    rejected, unsent = wish.get("rejected", 0), 5 if wish.get("stopped") else 0
    accounts = Accounts(read=10, accepted=10 - rejected - unsent, rejected=rejected, unsent=unsent)
    errors = [StoppedByService("quota\nused up", "wait")] if unsent else []
    report = build_report(
        RunFacts(
            run.id, job.name, "fake h: t", job.digest(), accounts, 2.0, errors=errors,
            rejects_file=str(run.rejects_path) if rejected else None,
            rejects_by_reason={"odd_value": rejected} if rejected else {},
        )
    )  # fmt: skip
    write_report(run.report_path, report)
    if options.report:
        write_report(options.report, report)
    watcher.finished(report)
    return RunResult(report, report["exit_code"], wish.get("rows"))


if __name__ == "__main__":
    fake = sys.modules["__main__"]
    sys.modules["ingest.build"] = fake
    plan.update(json.loads(os.environ.get("FAKE_PLAN", "{}")))

    from ingest.cli import main

    main()
