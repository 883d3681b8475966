"""Who runs: for each contender the command, what it must deliver, and its own word for its time.

`seconds` of a contender is what it says itself about the work alone, without the start of an
interpreter and its imports of what it does not need: for this program the report's, for the peers
what `peers` prints. The wall time of the whole process is measured from outside, and it is the
one that counts.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.data import Made
from benchmarks.measure import Command, Measured, run_measured

OURS = "ingest"
TABLE = "stock"

JOB = """\
[source]
paths = [{path}]

[fields]
date = {{ from = "Date", type = "date" }}
open = {{ from = "Open", type = "decimal" }}
high = {{ from = "High", type = "decimal" }}
low = {{ from = "Low", type = "decimal" }}
close = {{ from = "Close", type = "decimal" }}
adj_close = {{ from = "Adj Close", type = "decimal" }}
volume = {{ from = "Volume", type = "integer" }}
name = {{ type = "string" }}
city = {{ type = "string" }}
code = {{ type = "string" }}
flag = {{ type = "string" }}

[target]
system = "avalanchio"
table = "stock"
create = true
"""

Delivery = Literal["same rows", "other rows", "none"]


@dataclass(frozen=True, slots=True)
class Contender:
    """`delivers` to the server the same rows as we do, other ones, or none at all."""

    name: str
    label: str
    delivers: Delivery = "same rows"


CONTENDERS = (
    Contender(OURS, "ingest"),
    Contender("published", "the published loader's way"),
    Contender("as-published", "the same, prices sent as text", "other rows"),
    Contender("duckdb", "DuckDB COPY to JSON on disk", "none"),
)
CEILING = Contender("ceiling", "bare socket, ready-made bodies", "other rows")


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: as measured from outside, its own seconds, the records it says it took."""

    measured: Measured
    work_s: float
    records: int


class Stage:
    """Runs contenders on one input, in a folder for what they write."""

    def __init__(self, made: Made, folder: Path) -> None:
        self._made = made
        self._folder = folder
        self._job = folder / "stock.toml"
        self._job.write_text(JOB.format(path=json.dumps(str(made.path))))
        self.output = folder / "out.json"

    def run(self, contender: Contender, url: str) -> Ran:
        """One run against the server at `url`; RuntimeError if it did not do all the work."""
        run = self._ours if contender.name == OURS else self._peer
        ran = run(contender, url)
        if ran.records != self._made.records:
            raise RuntimeError(
                f"{contender.name} took {ran.records} of {self._made.records} records"
            )
        return ran

    def hash_of_output(self) -> str:
        """The hash of the rows that were written to disk."""
        command = peer_command("hash", self.output, "")
        return str(json.loads(run_measured(command).stdout)["rows_hash"])

    def _ours(self, _: Contender, url: str) -> Ran:
        state, report_path = self._folder / "state", self._folder / "report.json"
        shutil.rmtree(state, ignore_errors=True)
        measured = run_measured(ingest_command(self._job, url, state, report_path))
        report = json.loads(report_path.read_bytes())
        return Ran(measured, report["seconds"], report["records"]["accepted"])

    def _peer(self, contender: Contender, url: str) -> Ran:
        sends = contender.delivers != "none"
        self.output.unlink(missing_ok=True)
        target = url if sends else str(self.output)
        measured = run_measured(peer_command(contender.name, self._made.path, target))
        said = json.loads(measured.stdout)
        return Ran(measured, said["seconds"], said.get("records", self._made.records))


def ingest_command(job: Path, url: str, state: Path, report: Path) -> Command:
    """The real command line, with its progress bar on a terminal."""
    arguments = [sys.executable, "-m", "ingest.cli", "run", str(job), "--base-url", url]
    arguments += ["--state-dir", str(state), "--report", str(report), "--progress", "bar"]
    env = {"AIO_TOKEN": "benchmark", "AIO_BASE_URL": url, "TERM": "xterm-256color"}
    return Command(arguments, env, terminal=True)


def peer_command(name: str, source: Path, target: str) -> Command:
    """A peer's command line."""
    return Command([sys.executable, "-m", "benchmarks.peers", name, str(source), target])
