"""What the journal costs a run: processor seconds and syncs of the disk, for each batch.

Counted, not timed: the thread that records has a processor clock of its own, and nothing else runs
on it, so the figure holds on a busy machine. It has the digests and all of SQLite, the kernel's
part of the syncs included. What it is held against is the processor time of the whole process from
the first intent to the end: without the interpreter's start, which would make the share smaller.
The way to the thread and back is in neither figure; it shows in the difference from a run outside
of the books (`--fresh`), which is measured beside it, in turn.

Syncs are counted by strace where that is installed: the kernel's own word. Those of the journal's
log are the ones that come with each commit; the others (making it, bringing in the log, the report)
come once a run.

The rows are the flights that left a city: 19 narrow columns, so that few bytes of a body stand
against the fixed cost of recording it. A server that does nothing takes them, 10,000 a request.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.console import say, show
from benchmarks.handle import DiscardingServer
from benchmarks.inputs import flights
from benchmarks.measure import Command, run_measured
from benchmarks.table import Spread, spread
from benchmarks.tables import FLIGHTS

PROMISE = 0.03
HEADER = ("", "median (least to greatest)", "promised")
_SYNC = re.compile(r"^\d+ +(?:fsync|fdatasync)\(\d+<(.*)>")
_LOG = "/journal.sqlite-wal"


@dataclass(frozen=True, slots=True)
class Watched:
    """One run. `journal_cpu_s` of the recording thread, `loading_cpu_s` of the whole process from
    the first intent on; both 0 for a run outside of the books, whose `cpu_s` is all there is."""

    batches: int
    cpu_s: float
    loading_cpu_s: float = 0.0
    journal_cpu_s: float = 0.0
    commits: int = 0

    @property
    def share(self) -> float:
        """The journal's part of the loading."""
        return self.journal_cpu_s / self.loading_cpu_s

    @property
    def each_ms(self) -> float:
        """Processor milliseconds for each batch."""
        return self.journal_cpu_s / self.batches * 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """All rounds; `syncs` of one run more under strace, None where there is none."""

    share: Spread
    each_ms: Spread
    commits: Spread
    beside_fresh: Spread
    syncs: Syncs | None


@dataclass(frozen=True, slots=True)
class Syncs:
    """What strace counted in one run: syncs of the log for each batch, and commits beside them,
    which are what they come with; `others` in the whole run."""

    each: float
    commits_each: float
    others: int


class Stage:
    """Loads one file again and again, in a folder for what that leaves."""

    def __init__(self, job: Path, folder: Path) -> None:
        self._job = job
        self._folder = folder

    def booked(self, url: str, *prefix: str) -> Watched:
        """A run with its journal."""
        told = self._folder / "told.json"
        cpu_s, batches = self._ran(url, [*prefix, *_python(__name__, str(told))])
        return Watched(batches, cpu_s, **json.loads(told.read_bytes()))

    def fresh(self, url: str) -> Watched:
        """A run outside of the books."""
        told = self._folder / "told.json"  # the same program, so that it imports the same
        cpu_s, batches = self._ran(url, _python(__name__, str(told)), "--fresh")
        return Watched(batches, cpu_s)

    def syncs(self, url: str) -> Syncs | None:
        """Counted by strace. None where there is none."""
        if shutil.which("strace") is None:
            return None
        log = self._folder / "strace"
        names = "trace=fsync,fdatasync"
        ran = self.booked(url, "strace", "-f", "-y", "-qq", "-e", names, "-o", str(log))
        places = [found[1] for line in _lines(log) if (found := _SYNC.match(line))]
        of_log = sum(place.endswith(_LOG) for place in places)
        return Syncs(of_log / ran.batches, ran.commits / ran.batches, len(places) - of_log)

    def _ran(self, url: str, program: Sequence[str], *more: str) -> tuple[float, int]:
        state, report_path = self._folder / "state", self._folder / "report.json"
        shutil.rmtree(state, ignore_errors=True)
        arguments = [*program, "run", str(self._job), "--base-url", url, "--progress", "none"]
        arguments += ["--state-dir", str(state), "--report", str(report_path), *more]
        env = {"AIO_TOKEN": "benchmark", "AIO_BASE_URL": url}
        measured = run_measured(Command(arguments, env))
        report = json.loads(report_path.read_bytes())
        return measured.cpu_s, report["requests"]["sent"]


def measure(stage: Stage, rounds: int, say: Callable[[str], None]) -> Cost:
    """Rounds with and without the journal in turn, then one under strace."""
    booked: list[Watched] = []
    beside: list[float] = []
    with DiscardingServer() as server:
        for number in range(1, rounds + 1):
            server.reset()
            booked.append(stage.booked(server.url))
            server.reset()
            beside.append(booked[-1].cpu_s / stage.fresh(server.url).cpu_s)
            say(f"round {number}: {booked[-1].share:.2%}")
        server.reset()
        syncs = stage.syncs(server.url)
    return Cost(
        spread([one.share for one in booked]),
        spread([one.each_ms for one in booked]),
        spread([one.commits / one.batches for one in booked]),
        spread(beside),
        syncs,
    )


def rows_of(cost: Cost) -> list[tuple[str, str, str]]:
    """The table's cells."""
    syncs, others = "no strace here", ""
    if cost.syncs is not None:
        syncs = f"{cost.syncs.each:.2f}, with {cost.syncs.commits_each:.2f} commits"
        others = f"{cost.syncs.others}"
    return [
        ("share of the run's CPU", shown_as_percent(cost.share), f"under {PROMISE:.0%}"),
        ("CPU ms a batch", cost.each_ms.shown, ""),
        ("commits a batch", cost.commits.shown, ""),
        ("syncs of the log a batch, under strace", syncs, ""),
        ("other syncs of that run", others, ""),
        ("CPU of a run, times that without it", cost.beside_fresh.shown, ""),
    ]


def shown_as_percent(share: Spread) -> str:
    """`2.41 % (2.02 % to 2.90 %)`."""
    return f"{share.median:.2%} ({share.least:.2%} to {share.greatest:.2%})"


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What the journal costs; prints the table."""
    say(f"making {options.rows:,} flights")
    made = flights(folder / "flights.csv", options.rows)
    job = folder / "flights.toml"
    job.write_text(FLIGHTS.job(str(made.path)))
    cost = measure(Stage(job, folder), options.runs, say)
    show(options, HEADER, rows_of(cost))
    return {"records": made.records, **asdict(cost)}


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def main(told: Path, arguments: list[str]) -> None:
    """In the measured process: run the command, and tell what the journal's thread took."""
    from ingest import cli  # noqa: PLC0415 - the harness itself stays small
    from ingest.journal import ledger  # noqa: PLC0415 - as above

    record = ledger.JournalLedger._record
    spent_s = 0.0
    began_s: float | None = None
    commits = 0

    def watched(self: ledger.JournalLedger, ops: Any) -> Any:
        nonlocal spent_s, began_s, commits
        began_s = time.process_time() if began_s is None else began_s
        before = time.thread_time()
        try:
            return record(self, ops)
        finally:
            spent_s += time.thread_time() - before
            commits += 1

    ledger.JournalLedger._record = watched  # type: ignore[method-assign]
    sys.argv = ["ingest", *arguments]
    try:
        cli.main()
    finally:
        loading_s = time.process_time() - (began_s or 0.0)  # nothing was recorded: all of it
        facts = {"loading_cpu_s": loading_s, "journal_cpu_s": spent_s, "commits": commits}
        told.write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
