"""Who runs: for each contender the command, what it must deliver, and its own word for its time.

`seconds` of a contender is what it says itself about the work alone, without the start of an
interpreter and its imports of what it does not need: for this program the report's, for the peers
what `peers` prints. The wall time of the whole process is measured from outside.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.data import Made
from benchmarks.measure import Command, Measured, run_measured
from benchmarks.table import BARE
from benchmarks.tables import TABLES, Table

OURS = "ingest"
SHAPING = "ingest-shaping"

Delivery = Literal["same rows", "other rows", "none"]


@dataclass(frozen=True, slots=True)
class Contender:
    """`delivers` to the server the same rows as we do, other ones, or none at all.

    `share` of the rows is what it is given, since the slowest would take hours. Not `steady`: how
    many requests it makes, and so its bytes, differs from run to run. `sends_nulls`: a null of the
    file arrives as one.
    """

    name: str
    label: str
    delivers: Delivery = "same rows"
    share: float = 1.0
    steady: bool = True
    sends_nulls: bool = True


CONTENDERS = (
    Contender(OURS, "ingest"),
    Contender("published", "the published loader's way"),
    Contender("as-published", "the same, decimals sent as text", "other rows"),
    Contender("aitoai-batch", "aitoai upload_entries, all text", "other rows"),
    Contender("dlt", "dlt, a custom destination", share=0.1, steady=False, sends_nulls=False),
    Contender("mq-bridge", "mq-bridge, typed", steady=False, sends_nulls=False),
    Contender("mq-bridge-text", "mq-bridge, all text", "other rows", steady=False),
    Contender("chdb-url", "chDB, INSERT INTO url(...)"),
    Contender("duckdb", "DuckDB COPY to JSON on disk", "none"),
    Contender(BARE, "bare socket, ready-made bodies", "other rows"),
)
SHAPERS = (
    Contender(SHAPING, "ingest, bodies thrown away"),
    Contender("duckdb", "DuckDB COPY to JSON on disk", "none"),
    Contender("chdb", "chDB to JSON on disk", "none"),
    Contender("polars", "Polars sink_ndjson", "none"),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: as measured from outside, its own seconds, the records it says it took.

    `sealed` is what a run of ours that throws its bodies away says of them.
    """

    measured: Measured
    work_s: float
    records: int
    sealed: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be loaded: the file, its table (a name of `tables`), the job; `rejected` records
    of it are bad."""

    made: Made
    table: str = "stock"
    job: str = ""
    rejected: int = 0

    @property
    def job_text(self) -> str:
        """The job file's content."""
        return self.job or TABLES[self.table].job(str(self.made.path))

    @property
    def accepted(self) -> int:
        """The records that must land."""
        return self.made.records - self.rejected


class Stage:
    """Runs contenders on one input, in a folder for what they write."""

    def __init__(self, task: Task, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.task = task
        self._folder = folder
        self._job = folder / "stock.toml"
        self._job.write_text(task.job_text)
        self.output = folder / "out.json"

    @property
    def table(self) -> Table:
        """The input's columns."""
        return TABLES[self.task.table]

    def run(self, contender: Contender, url: str, *, verify: bool = False) -> Ran:
        """One run against the server at `url`; RuntimeError if it did not do all the work."""
        if contender.name in (OURS, SHAPING):
            ran = self._ours(contender, url, verify=verify)
        else:
            ran = self._peer(contender, url)
        if ran.records != self.task.accepted:
            raise RuntimeError(
                f"{contender.name} took {ran.records} of {self.task.accepted} records"
            )
        return ran

    def hash_of_output(self) -> str:
        """The hash of the rows that were written to disk."""
        command = peer_command("hash", self.output, "", self.task.table)
        return str(json.loads(run_measured(command).stdout)["rows_hash"])

    def _ours(self, contender: Contender, url: str, *, verify: bool) -> Ran:
        state, report_path = self._folder / "state", self._folder / "report.json"
        shutil.rmtree(state, ignore_errors=True)
        rejecting = 3 if self.task.rejected else 0
        if contender.name == OURS:
            command = ingest_command(self._job, url, state, report_path, rejecting)
            measured, sealed = run_measured(command), {}
        else:
            path = self._folder / "sealed.json"
            command = shaping_command(self._job, state, report_path, path, rejecting)
            if verify:
                command = command.with_env(INGEST_BENCHMARK_VERIFY="1")
            measured = run_measured(command)
            sealed = json.loads(path.read_bytes())
        report = json.loads(report_path.read_bytes())
        return Ran(measured, report["seconds"], report["records"]["accepted"], sealed)

    def _peer(self, contender: Contender, url: str) -> Ran:
        sends = contender.delivers != "none"
        self.output.unlink(missing_ok=True)
        target = url if sends else str(self.output)
        path = self.task.made.path
        measured = run_measured(peer_command(contender.name, path, target, self.task.table))
        said = json.loads(measured.stdout.splitlines()[-1])
        return Ran(measured, said["seconds"], said.get("records", self.task.made.records))


def ingest_command(job: Path, url: str, state: Path, report: Path, exit_code: int = 0) -> Command:
    """The real command line, with its progress bar on a terminal."""
    arguments = [sys.executable, "-m", "ingest.cli", "run", str(job), "--base-url", url]
    arguments += ["--state-dir", str(state), "--report", str(report), "--progress", "bar"]
    env = {"AIO_TOKEN": "benchmark", "AIO_BASE_URL": url, "TERM": "xterm-256color"}
    return Command(arguments, env, terminal=True, exit_code=exit_code)


def shaping_command(
    job: Path, state: Path, report: Path, sealed: Path, exit_code: int = 0
) -> Command:
    """The same with bodies thrown away; what was sealed is written to `sealed`."""
    arguments = [sys.executable, "-m", "benchmarks.discarding", "run", str(job)]
    arguments += ["--state-dir", str(state), "--report", str(report), "--progress", "bar"]
    env = {"INGEST_BENCHMARK_SEALED": str(sealed), "TERM": "xterm-256color"}
    return Command(arguments, env, terminal=True, exit_code=exit_code)


def peer_command(name: str, source: Path, target: str, table: str = "stock") -> Command:
    """A peer's command line."""
    return Command([sys.executable, "-m", "benchmarks.peers", name, str(source), target, table])
