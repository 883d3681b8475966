"""Jobs in, exit code out: runs each job, shows what it does and says how it ended.

Imported by a command when it runs, never for `--help`: from here on everything heavy is needed.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ingest.build import RunOptions, RunResult, execute
from ingest.cli.awaiting import awaited
from ingest.cli.options import Wishes
from ingest.cli.output import say, show, show_rows
from ingest.errors import IngestError, JobHeld, SettingsError, only_cause
from ingest.events import Level, Watcher
from ingest.job import Job
from ingest.metrics import MeteredRun, MetricsFile
from ingest.progress import AnyWatcher, make_watcher
from ingest.state import RunDir, StateDir
from ingest.summary import STYLES, Summary, verdict

T = TypeVar("T")
_OUT_OF_TIME = 130


class Asked(Struct, frozen=True):
    """A job, the file it was read from (None: the command line), and what `--set` said."""

    job: Job
    file: Path | None = None
    sets: Sequence[str] = ()


def run_jobs(jobs: Sequence[Asked], wishes: Wishes) -> int:
    """Run the jobs in order, up to the first whose exit code is not 0; the last exit code.

    `--max-duration` is the command's: a later job has what those before it have left. A job that is
    skipped because another run holds it ends the command, too: what comes behind it may need it.
    """
    check_report(wishes, len(jobs))
    metrics = MetricsFile(wishes.metrics) if wishes.metrics else None
    began_s, code = time.monotonic(), 0
    for place, asked in enumerate(jobs):
        left_s = wishes.max_duration
        if place and left_s is not None:
            left_s -= time.monotonic() - began_s
            if left_s <= 0:
                words = f"the time given by --max-duration is over before {asked.job.name} begins"
                _note(words, wishes, level="warning")
                return _OUT_OF_TIME
        try:
            code = run_job(asked, replace(wishes, max_duration=left_s), metrics)
        except JobHeld as held:
            if wishes.if_running != "skip":
                raise
            _note(f"{held.message}: skipped", wishes)
            return 0
        if code:
            break
    return code


def run_job(asked: Asked, wishes: Wishes, metrics: MetricsFile | None = None) -> int:
    """Run one job and show its end; its exit code."""
    options = replace(options_of(wishes), job_file=asked.file, sets=tuple(asked.sets))
    call = functools.partial(execute, asked.job, options)
    result = watched(_metered(call, metrics, asked.job.name) if metrics else call, wishes)
    show_end(result, wishes)
    if result.rows is not None:
        show_rows(result.rows)
    return result.exit_code


def _metered(
    call: Callable[[Watcher], Awaitable[RunResult]], metrics: MetricsFile, job: str
) -> Callable[[Watcher], Awaitable[RunResult]]:
    """The call with its figures kept. Of a run that another one keeps out there are none: the file
    holds the other's."""

    async def metered(watcher: Watcher) -> RunResult:
        run = MeteredRun(metrics, job, watcher)
        try:
            result = await call(run)
        except JobHeld:
            raise
        except Exception as exc:
            cause = only_cause(exc)
            run.ended(cause.exit_code if isinstance(cause, IngestError) else 1)
            raise
        run.ended(result.exit_code)
        return result

    return metered


def watched(call: Callable[[Watcher], Awaitable[T]], wishes: Wishes) -> T:
    """Await `call` with the watcher that is wished for."""
    with _watcher(wishes) as watcher:
        return awaited(call, watcher)


def _watcher(wishes: Wishes) -> AnyWatcher:
    return make_watcher(wishes.progress, wishes.log_format, quiet=wishes.quiet, stream=sys.stderr)


def _note(words: str, wishes: Wishes, level: Level = "info") -> None:
    """Say something where no run does, in the form that is wished for."""
    with _watcher(wishes) as watcher:
        watcher.note(words, level=level)


def check_report(wishes: Wishes, jobs: int = 1) -> None:
    """What can be known to fail at the end is said at the start."""
    if wishes.report is None:
        return
    if jobs > 1:
        raise SettingsError(
            f"--report holds one report, and {jobs} jobs are given",
            "the reports are kept in the state directory too: see `ingest show RUN --json`",
        )
    parent = wishes.report.absolute().parent
    try:
        is_directory = parent.is_dir()
    except OSError:  # below a directory where nobody may look
        is_directory = False
    if not is_directory or not os.access(parent, os.W_OK):
        raise SettingsError(f"--report {wishes.report}: {parent} is no directory to write in")


def options_of(wishes: Wishes) -> RunOptions:
    """What `build` is told of them."""
    return RunOptions(
        state_dir=wishes.state_dir,
        report=wishes.report,
        limit=wishes.limit,
        max_duration_s=wishes.max_duration,
        grace_s=wishes.grace,
        profile=wishes.profile,
        base_url=wishes.base_url,
        ask=wishes.ask,
        restart=wishes.restart,
        fresh=wishes.fresh,
        if_running="wait" if wishes.if_running == "wait" else "fail",
    )


def show_end(result: RunResult, wishes: Wishes) -> None:
    """The summary, or with `--quiet` its warnings only. JSON's `finished` has said it already."""
    if wishes.log_format == "json":
        return
    if wishes.quiet:
        for level, sentence in verdict(result.report):
            if level != "info":
                say(sentence, style=STYLES[level])
        return
    run = RunDir(StateDir(wishes.state_dir).runs_dir / str(result.report.get("run", "")))
    show(Summary(result.report, str(run.report_path)), sys.stderr)
