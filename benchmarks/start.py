"""What a start costs: `--help`, and a whole process that loads ten records to a running server.

Wall time of the whole process, start and end of the interpreter included, beside `python -c pass`
and the peers with the same ten records. Rounds alternate.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.console import say, show
from benchmarks.contenders import ingest_command, peer_command
from benchmarks.data import write_stocks
from benchmarks.handle import DiscardingServer
from benchmarks.measure import Command, run_measured
from benchmarks.peers import missing
from benchmarks.table import Row, spread
from benchmarks.tables import STOCK

RECORDS = 10
PYTHON = "python -c pass"
HELP = "ingest --help"
LOAD = f"ingest, {RECORDS} records"
PEERS = {
    "published": f"the published loader's way, {RECORDS} records",
    "mq-bridge": f"mq-bridge, {RECORDS} records",
    "chdb-url": f"chDB, {RECORDS} records",
    "dlt": f"dlt, {RECORDS} records",
}
PROMISES_S = {HELP: 0.3, LOAD: 0.6}
HEADER = ("whole process", "seconds", "times python -c pass", "promised")


@dataclass(frozen=True, slots=True)
class Start:
    """One run of one of them."""

    round: int
    label: str
    wall_s: float
    cpu_s: float


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All of them, in turn; prints a line each."""
    starts = []
    with DiscardingServer() as server:
        commands = _commands(folder, server.url)
        for number in range(options.runs + 1):
            for label, command in commands.items():
                shutil.rmtree(folder / "state", ignore_errors=True)
                server.reset()
                measured = run_measured(command())
                _check(label, server.received().records)
                if number:  # the first round only warms the disk's cache
                    starts.append(Start(number, label, measured.wall_s, measured.cpu_s))
    show(options, HEADER, [row_of(label, starts) for label in commands])
    return {"runs": [asdict(start) for start in starts]}


def row_of(label: str, starts: list[Start]) -> Row:
    """A line of the table."""
    bare = {start.round: start.wall_s for start in starts if start.label == PYTHON}
    ours = [start for start in starts if start.label == label]
    seconds = median(start.wall_s for start in ours)
    times = spread([start.wall_s / bare[start.round] for start in ours]).shown
    promise = PROMISES_S.get(label)
    return label, f"{seconds:.2f}", times, f"under {promise} s" if promise else ""


def _commands(folder: Path, url: str) -> dict[str, Callable[[], Command]]:
    made = write_stocks(folder / "ten.csv", RECORDS)
    job = folder / "ten.toml"
    job.write_text(STOCK.job(str(made.path)))
    found = {
        PYTHON: lambda: Command([sys.executable, "-c", "pass"]),
        HELP: lambda: Command([sys.executable, "-m", "ingest.cli", "--help"]),
        LOAD: lambda: ingest_command(job, url, folder / "state", folder / "report.json"),
    }
    for name, label in PEERS.items():
        if note := missing(name):
            say(note)
        else:
            found[label] = _peer(name, made.path, url)
    return found


def _peer(name: str, path: Path, url: str) -> Callable[[], Command]:
    return lambda: peer_command(name, path, url)


def _check(label: str, records: int) -> None:
    wanted = 0 if label in (PYTHON, HELP) else RECORDS
    if records != wanted:
        raise RuntimeError(f"{label}: {records} records arrived, not {wanted}")
