"""Runs as they are left behind: what the tests of listing and removal are made of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingest.errors import StoppedByService
from ingest.model import Accounts
from ingest.report import RunFacts, build_report, write_report
from ingest.state import RunDir, StateDir

START = datetime(2021, 3, 1, 22, 15, tzinfo=UTC)
DAY_S = 86400
_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def made(state: StateDir, job: str = "stocks", day: int = 0, *, tail: str = "4f2a") -> RunDir:
    """A run that began `day` days after START and left nothing yet."""
    return aged(state.new_run(job, START + timedelta(days=day), lambda _: tail), day)


def done(
    state: StateDir, job: str = "stocks", day: int = 0, *, rejected: int = 0, stopped: bool = False
) -> RunDir:
    """A run that ended the moment it began, with its report and its rejects."""
    run = made(state, job, day)
    accounts = Accounts(read=5, accepted=5 - rejected, rejected=rejected)
    errors = [StoppedByService("quota", "wait")] if stopped else []
    facts = RunFacts(run.id, job, "aito h: t", "", accounts, 1.5, errors=errors)
    write_report(run.report_path, build_report(facts))
    run.rejects_path.write_bytes(b"{}\n" * rejected)
    return aged(run, day)


def aged(run: RunDir, day: int) -> RunDir:
    """The run, with nothing in its directory changed since that day."""
    then = (START + timedelta(days=day)).timestamp()
    for path in (*run.path.rglob("*"), run.path):
        os.utime(path, (then, then), follow_symlinks=False)
    return run


@contextmanager
def locked(state: StateDir, job: str) -> Iterator[int]:
    """Another process holds the job's lock meanwhile; its id."""
    path: Path = state.lock_path(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == b"held\n"
            yield process.pid
        finally:
            process.stdin.close()
