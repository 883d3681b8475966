"""Against aito's own client, by batches and by way of a file, at one server that throws all away.

The client (PyPI `aitoai`) is used as its page does: `upload_entries` with the rows of a
`csv.DictReader` in batches of 10,000, which sends every value as a text; and for files its own
`DataFrameHandler`, from CSV to gzip, then `upload_file` with `polling_time=0.05`. The server
processes a file at once. Ours types every value. Rounds alternate; a ratio is taken within one.

Nothing is hashed here: the rows of the two differ, since the client leaves texts or lets pandas
guess. Records that arrived are counted, and must be all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.console import say, show
from benchmarks.data import Made, write_stocks
from benchmarks.handle import DiscardingServer, Received
from benchmarks.measure import Command, Measured, run_measured
from benchmarks.peers import missing
from benchmarks.table import HEADER, Sample, rows_of, summarise
from benchmarks.tables import STOCK

PAIRS = (("ingest-batch", "aitoai-batch"), ("ingest-file", "aitoai-file"))
LABELS = {
    "ingest-batch": "ingest, batches",
    "aitoai-batch": "aitoai upload_entries, batches of 10,000",
    "ingest-file": "ingest, file",
    "aitoai-file": "aitoai, CSV to gzip to upload_file",
}
PROMISES = {"aitoai-batch": 8.0, "aitoai-file": 5.0}
API_KEY = "benchmark-key"


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs either side on one input, in a folder for what they write."""

    made: Made
    folder: Path

    def run(self, name: str, url: str) -> tuple[Measured, float]:
        """One run: as measured from outside, and its own word for the work alone."""
        if name.startswith("ingest-"):
            return self._ours(name.partition("-")[2], url)
        arguments = [sys.executable, "-m", "benchmarks.peers", name, str(self.made.path), url]
        measured = run_measured(Command(arguments))
        return measured, json.loads(measured.stdout)["seconds"]

    def _ours(self, via: str, url: str) -> tuple[Measured, float]:
        state, report = self.folder / "state", self.folder / "report.json"
        shutil.rmtree(state, ignore_errors=True)
        job = self.folder / f"aito-{via}.toml"
        target = f'system = "aito"\nvia = "{via}"\napi = "v2"'
        text = STOCK.job(str(self.made.path))
        job.write_text(text.replace('system = "avalanchio"', target))
        line = [sys.executable, "-m", "ingest.cli", "run", str(job), "--state-dir", str(state)]
        line += ["--report", str(report), "--progress", "bar"]
        env = {"AITO_URL": url, "AITO_API_KEY": API_KEY, "TERM": "xterm-256color"}
        measured = run_measured(Command(line, env, terminal=True))
        return measured, json.loads(report.read_bytes())["seconds"]


def race(runner: Runner, rounds: int, say: Callable[[str], None]) -> list[Sample]:
    """All rounds. Raises RuntimeError where a run delivered less or more than the input."""
    samples = []
    with DiscardingServer() as server:
        for number in range(1, rounds + 1):
            for name in (name for pair in PAIRS for name in pair):
                server.reset()
                measured, work_s = runner.run(name, server.url)
                sample = _sample(number, name, (measured, work_s), server.received())
                if sample.records != runner.made.records:
                    raise RuntimeError(f"{name} delivered {sample.records} records")
                samples.append(sample)
                say(f"round {number}: {sample.label}: {sample.wall_s:.2f} s")
    return samples


def _sample(number: int, name: str, ran: tuple[Measured, float], received: Received) -> Sample:
    measured, work_s = ran
    return Sample(
        round=number,
        contender=name,
        label=LABELS[name],
        records=received.records,
        wall_s=measured.wall_s,
        work_s=work_s,
        cpu_s=measured.cpu_s,
        server_cpu_s=received.cpu_s,
        peak_rss_bytes=measured.peak_rss_bytes,
        sent_bytes=received.size_bytes,
        requests=received.requests,
    )


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """By batches and by files; prints the table."""
    if note := missing(PAIRS[0][1]):
        say(note)
        return {}
    say(f"making {options.rows:,} records")
    made = write_stocks(folder / "stock.csv", options.rows, options.seed)
    samples = race(Runner(made, folder), options.runs, say)
    summaries, rows = [], []
    for pair in PAIRS:
        found = summarise([s for s in samples if s.contender in pair], pair[0])
        summaries += found
        rows += rows_of(found, pair[0])
    show(options, HEADER, rows)
    return {
        "input": {"records": made.records, "bytes": made.size_bytes, "seed": options.seed},
        "runs": [asdict(sample) for sample in samples],
        "summary": [asdict(summary) for summary in summaries],
    }
