"""Jobs in, exit code out: runs each job, shows what it does and says how it ended.

Imported by a command when it runs, never for `--help`: from here on everything heavy is needed.
"""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import anyio

from ingest.build import RunOptions, RunResult, execute
from ingest.cli.options import Wishes
from ingest.cli.output import say, show, show_rows
from ingest.errors import SettingsError
from ingest.job import Job
from ingest.progress import make_watcher
from ingest.state import RunDir, StateDir
from ingest.summary import STYLES, Summary, verdict


def run_jobs(jobs: Sequence[Job], wishes: Wishes) -> int:
    """Run the jobs in order, up to the first whose exit code is not 0; the last exit code."""
    _check(jobs, wishes)
    code = 0
    for job in jobs:
        code = run_job(job, wishes)
        if code:
            break
    return code


def run_job(job: Job, wishes: Wishes) -> int:
    """Run one job and show its end; its exit code."""
    gc.freeze()  # what was imported stays, and is not looked through again and again
    gc.enable()
    with make_watcher(
        wishes.progress, wishes.log_format, quiet=wishes.quiet, stream=sys.stderr
    ) as watcher:
        result: RunResult = anyio.run(
            functools.partial(execute, job, _options(wishes), watcher),
            backend="asyncio",
            backend_options={"use_uvloop": find_spec("uvloop") is not None},
        )
    _show_end(result, wishes)
    if result.rows is not None:
        show_rows(result.rows)
    return result.exit_code


def _check(jobs: Sequence[Job], wishes: Wishes) -> None:
    """What can be known to fail at the end is said at the start."""
    if wishes.report is None:
        return
    if len(jobs) > 1:
        raise SettingsError(
            f"--report holds one report, and {len(jobs)} jobs are given",
            "the reports are kept in the state directory too: see `ingest show RUN --json`",
        )
    parent = wishes.report.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise SettingsError(f"--report {wishes.report}: {parent} is no directory to write in")


def _options(wishes: Wishes) -> RunOptions:
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
    )


def _show_end(result: RunResult, wishes: Wishes) -> None:
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
