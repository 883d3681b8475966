"""`python -m benchmarks kills`: loads that are killed, hundreds of them, and no record lost.

A load is drawn from its seed: when it is killed, and how often. Each way of delivery has its own
loads (`killing.case` says what must hold), each load a table of its own. `--jobs` workers go side
by side, each with one rehearsal server for all of its loads: most of a load's time is waiting, for
slow answers and for commits that come late, so there may be many more of them than cores. What is
costly is the command's start, about half a second of a processor for each process.

One line for each load on standard error, one table at the end. Exit code 1 if anything that was
promised does not hold, with the seed; `--keep` leaves such a load's state directory and words
there. Seeds can be run in portions: `--first-seed 100 --seeds 50`.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.killing.case import WAYS, Case
from benchmarks.killing.seed import Kill, Load, SeedError
from benchmarks.killing.service import Service, serving, trouble
from benchmarks.table import as_markdown, as_text

LEAST_OPEN_SHARE = 0.6
JUDGED_FROM_KILLS = 20
HEADER = (
    "", "loads", "kills", "with open bodies", "in a resume", "before it sent",
    "missing", "doubled", "cells that differ", "batches named", "in doubt", "violations",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Killed:
    """What became of one seed of one way. `violations` in words; none: all is as promised."""

    way: str
    seed: int
    seconds: float
    kills: tuple[Kill, ...] = ()
    missing: int = 0
    doubled: int = 0
    differing: int = 0
    named: int = 0
    in_doubt: int = 0
    violations: tuple[str, ...] = ()

    @property
    def open_kills(self) -> int:
        """Kills that left bodies open."""
        return sum(kill.open_bodies > 0 for kill in self.kills)

    @property
    def shown(self) -> str:
        """A line of progress."""
        words = (
            f"{self.way} seed {self.seed}: {len(self.kills)} kills, {self.open_kills} with open"
            f" bodies; {self.doubled} doubled, {self.named} batches named; {self.seconds:.0f} s"
        )
        return "\n  ".join([words, *(f"VIOLATION {one}" for one in self.violations)])


class Worker:
    """Runs loads one after the other against one server; a thread at a time."""

    def __init__(self, folder: Path, service: Service, options: argparse.Namespace) -> None:
        self._folder = folder
        self._service = service
        self._options = options

    def run(self, way: str, seed: int, files: Path) -> Killed:
        """One load. Whatever goes wrong with it is a violation."""
        options = self._options
        late_s, table = options.late, f"{way}_{seed}"
        case = Case(WAYS[way], options.records, options.batch, late_s, table)
        folder = self._folder / table
        folder.mkdir()
        started_s = time.monotonic()
        try:
            load = Load(case, folder, files, self._service)
            outcome = load.killed_until_done(options.kills, random.Random(f"{way} {seed}"))
            self._service.drop(case)
        except (SeedError, RuntimeError, OSError) as error:
            found = Killed(way, seed, time.monotonic() - started_s, violations=(str(error),))
        else:
            seconds = time.monotonic() - started_s
            found = Killed(way, seed, seconds, outcome.kills, **asdict(outcome.findings))
        if found.violations and options.keep:
            shutil.copytree(folder, options.keep / table, dirs_exist_ok=True)
        shutil.rmtree(folder)
        return found


def run_all(options: argparse.Namespace, say: Callable[[str], None]) -> list[Killed]:
    """Every seed of every way."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    # Seed by seed, so that a portion that is broken off has something of every way.
    wanted = [(way, seed) for seed in seeds for way in options.way]
    found: list[Killed] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-kills-")))
        Case(WAYS["none"], options.records).write_files(folder)
        idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for number in range(min(options.jobs, len(wanted))):
            idle.put(_worker(folder / f"worker-{number}", number, options, stack))
        stopping = threading.Event()

        def one(way: str, seed: int) -> Killed | None:
            if stopping.is_set():
                return None
            worker = idle.get()  # there are as many as threads
            try:
                return worker.run(way, seed, folder)
            finally:
                idle.put(worker)

        threads = stack.enter_context(ThreadPoolExecutor(idle.qsize()))
        stack.callback(stopping.set)  # on an interrupt the loads under way come to their end
        for future in as_completed([threads.submit(one, way, seed) for way, seed in wanted]):
            if (killed := future.result()) is not None:
                found.append(killed)
                say(f"{len(found)} of {len(wanted)}: {killed.shown}")
    return found


def _worker(folder: Path, number: int, options: argparse.Namespace, stack: ExitStack) -> Worker:
    folder.mkdir()
    seed = options.first_seed * 1000 + number
    server = serving(folder / "server", trouble(options.late), seed)
    return Worker(folder, stack.enter_context(server), options)


def row_of(way: str, found: Iterable[Killed]) -> tuple[str, ...]:
    """A line of the table."""
    loads = list(found)
    kills = [kill for load in loads for kill in load.kills]
    figures = (
        len(loads),
        len(kills),
        f"{sum(load.open_kills for load in loads) / max(1, len(kills)):.0%}",
        sum(kill.resumed for kill in kills),
        sum(kill.settling for kill in kills),
        *(
            sum(getattr(load, name) for load in loads)
            for name in ("missing", "doubled", "differing", "named", "in_doubt")
        ),
        sum(bool(load.violations) for load in loads),
    )
    return (way, *(f"{one:,}" if isinstance(one, int) else one for one in figures))


def shortcomings(found: Sequence[Killed]) -> list[str]:
    """What must not be, over all loads: violations, and kills that mostly hit nothing."""
    wrong = [f"{load.way} seed {load.seed}: {one}" for load in found for one in load.violations]
    kills = sum(len(load.kills) for load in found)
    share = sum(load.open_kills for load in found) / max(1, kills)
    if kills >= JUDGED_FROM_KILLS and share < LEAST_OPEN_SHARE:
        wrong.append(f"only {share:.0%} of the kills left bodies open: they prove little")
    return wrong


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks kills", description=__doc__)
    add = parser.add_argument
    add("--way", action="append", choices=list(WAYS), help="repeatable; default: all of them")
    add("--seeds", type=int, default=5, help="loads for each way (default 5)")
    add("--first-seed", type=int, default=0)
    add("--records", type=int, default=20_000)
    add("--batch", type=int, default=500, help="records a request (default 500)")
    add("--kills", type=int, default=3, help="of each load (default 3)")
    add("--late", type=float, default=5.0, help="seconds that a commit may be late (default 5)")
    add("--jobs", type=int, default=4, help="loads at once (default 4)")
    add("--keep", type=Path, metavar="DIR", help="what a load with a violation leaves goes there")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--json", type=Path, metavar="FILE", help="write every load's figures there")
    options = parser.parse_args(arguments)
    if min(options.seeds, options.records, options.batch, options.jobs, options.late) <= 0:
        parser.error("--seeds, --records, --batch, --jobs and --late must be more than 0")
    if options.kills < 0 or options.first_seed < 0:
        parser.error("--kills and --first-seed can't be negative")
    options.way = options.way or list(WAYS)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 if anything does not hold."""
    options = parse(arguments)
    started_s = time.monotonic()
    found = run_all(options, lambda words: print(words, file=sys.stderr, flush=True))
    rows = [row_of(way, (load for load in found if load.way == way)) for way in options.way]
    print((as_markdown if options.markdown else as_text)(HEADER, rows))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = usage.ru_utime + usage.ru_stime
    print(f"{time.monotonic() - started_s:.0f} s, {cpu_s:.0f} s of processors", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps([asdict(load) for load in found], indent=1) + "\n")
    wrong = shortcomings(found)
    for one in wrong:
        print(f"VIOLATION {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
