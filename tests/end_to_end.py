"""Whole runs for tests: by `execute` in this process, and by the real command in one of its own.

Both end in the contract's report, which `sums_up` holds to its own arithmetic. The sandboxes are
real ones (`tests.sandbox.conftest.running`). A process is only ever waited for with a deadline.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import orjson

from ingest.build import RunOptions, RunResult, execute
from ingest.events import Level, Snapshot, Started
from ingest.job import Job, make_job
from tests.sandbox.conftest import Running

ROOT = Path(__file__).resolve().parents[1]
DEADLINE_S = 30.0
ENDS = ("accepted", "rejected", "skipped", "ambiguous", "unsent")
_tables = itertools.count(1)


class Listener:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.heard: list[str] = []

    def started(self, started: Started) -> None:
        self.heard.append("started")

    def note(self, message: str, *, level: Level = "info") -> None:
        self.notes.append(message)

    def tick(self, snapshot: Snapshot) -> None:
        self.heard.append(snapshot.stage)

    def finished(self, report: Mapping[str, Any]) -> None:
        self.heard.append("finished")


@dataclass(frozen=True, slots=True)
class Run:
    """One run in this process: how it ended, and where its state is."""

    result: RunResult
    state: Path
    listener: Listener

    @property
    def report(self) -> dict[str, Any]:
        """The contract's report."""
        return self.result.report

    @property
    def code(self) -> int:
        """The exit code."""
        return self.result.exit_code

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """The rejects, as they stand in their file."""
        return rejects_of(self.report)


def new_table() -> str:
    """A name that no other test uses."""
    return f"made_{next(_tables)}"


def job_of(folder: Path, table: str, paths: str | list[str], **sections: dict[str, Any]) -> Job:
    """A job that loads these files of `folder`; `sections` are the job file's own tables."""
    target = {"system": "avalanchio", "table": table, "create": True}
    document: dict[str, Any] = {"name": "job", "source": {"paths": paths}, "target": target}
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    return make_job(document, base=folder)


def load(
    server: Running,
    job: Job,
    folder: Path,
    backend: str = "asyncio",
    token: str = "sandbox",
    **options: Any,
) -> Run:
    """Run `job` against `server` in this process. Raises what `execute` raises."""
    listener = Listener()
    wishes = RunOptions(folder / "state", **options)
    with mock.patch.dict(os.environ, credentials(server) | {"AIO_TOKEN": token}):
        result = anyio.run(execute, job, wishes, listener, backend=backend)
    sums_up(result.report)
    assert (listener.heard[0], listener.heard[-2:]) == ("started", ["done", "finished"])
    return Run(result, folder / "state", listener)


def credentials(server: Running) -> dict[str, str]:
    """The environment that a sandbox is reached by."""
    return {"AIO_TOKEN": "sandbox", "AIO_BASE_URL": server.url}


def sums_up(report: Mapping[str, Any]) -> None:
    """The promise: every record that was read has one end; files account for all of them."""
    records = report["records"]
    assert records["read"] == sum(records[end] for end in ENDS), records
    assert records["read"] == sum(file["records"] for file in report["files"])
    assert records["rejected"] == sum(report["rejects"]["by_reason"].values())
    assert records["ambiguous"] == sum(batch["records"] for batch in report["ambiguous"])
    for batch in report["ambiguous"]:
        assert 0 < batch["records"] <= sum(span["count"] for span in batch["spans"])
    requests = report["requests"]
    assert requests["retried"] <= requests["sent"] >= requests["failed"]


def counts(report: Mapping[str, Any]) -> dict[str, int]:
    """The accounts that are not zero."""
    return {name: number for name, number in report["records"].items() if number}


def rejects_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rejects that a report names, as they stand in their file."""
    path = report["rejects"]["file"]
    return [orjson.loads(line) for line in Path(path).read_bytes().splitlines()] if path else []


@dataclass
class Command:
    """The real command as a process, its streams in files so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    folder: Path
    started_s: float = field(default_factory=time.monotonic)

    @property
    def stderr(self) -> str:
        """What it said so far, for people."""
        return (self.folder / "stderr").read_text(errors="replace")

    @property
    def stdout(self) -> bytes:
        """Its results so far."""
        return (self.folder / "stdout").read_bytes()

    @property
    def report(self) -> dict[str, Any]:
        """The report that `--report` wrote."""
        report: dict[str, Any] = orjson.loads((self.folder / "report.json").read_bytes())
        sums_up(report)
        return report

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Look again and again until something is true of it, as long as it lives."""
        until(lambda: true() or self.process.poll() is not None, what)
        assert self.process.returncode is None, f"ended before {what}: {self.stderr}"

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(DEADLINE_S)


@contextmanager
def command(
    folder: Path,
    *arguments: str | Path,
    env: Mapping[str, str],
    prefix: tuple[str, ...] = (),
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[Command]:
    """The command under way; it is gone when the block is left. State and report go to `folder`.

    `env` is all it has besides the paths to its programs.
    """
    line = [*prefix, sys.executable, "-P", "-m", "ingest.cli", *map(str, arguments)]
    if arguments[0] in ("run", "load"):
        line += ["--state-dir", str(folder / "state"), "--report", str(folder / "report.json")]
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            line, cwd=cwd or folder, env={**plain, **env},
            stdin=stdin, stdout=out, stderr=err,
        )  # fmt: skip
    with process:
        try:
            yield Command(process, folder)
        finally:
            process.kill()


def done(folder: Path, *arguments: str | Path, **rest: Any) -> tuple[int, Command]:
    """The command, run to its end; its exit code."""
    with command(folder, *arguments, **rest) as running:
        return running.ended(), running


def until(true: Callable[[], bool], what: str) -> None:
    """Look at another process again and again until something is true of it."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline_s, f"in vain: {what}"
        time.sleep(0.01)


def processes(mark: Path) -> list[str]:
    """The command lines of the processes that name a path; none left over is what tests want."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(mark) in line:
            found.append(line)
    return found
