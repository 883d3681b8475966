"""The guard: fails when shaping has become slower than it was, on whatever machine.

A small seeded file goes through the engine, files to sealed bodies, thrown away in this process;
in turn with it the same file goes through a fixed yardstick of pure Python, `csv.DictReader` and
`json`. What is compared with the recorded figure is the ratio of the two, so that another machine's
is much the same, and of processor seconds, so that neighbours matter little. They do matter, since
they share its caches, but they only ever add: so of each side the least of all rounds is taken.
(Tried on two cores with a load average of 6: ratios of medians were 5.2 to 7.3 for one and the same
program, those of the least 6.2 to 7.5.) It fails where less than three quarters are left, and only
if that is so of `TRIES` measurements together: more rounds can but come nearer to the least.

A Python version has its own figure (`guard.json`), since the yardstick's speed is the
interpreter's; one that has none is held against the least of them. `python -m benchmarks guard
--record` writes the figure of the version that runs it.

That it would fail can be shown: `INGEST_GUARD_SLOWDOWN=0.3` makes every block cost so much more
that the rate of shaping falls by 30 %.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from benchmarks.console import say, show
from benchmarks.data import write_stocks
from benchmarks.inprocess import prepared
from benchmarks.machine import machine
from benchmarks.peers.by_rows import BATCH, mapped
from benchmarks.tables import STOCK
from ingest.model import Block, Place, Shaped
from ingest.protocols import Shaper

RECORDED = Path(__file__).with_name("guard.json")
SLOWDOWN = "INGEST_GUARD_SLOWDOWN"
LEAST_PART = 0.75
ROWS, ROUNDS, TRIES = 60_000, 6, 3
TIMES = 3  # ours a round, since it is so much shorter than the yardstick
HEADER = ("guard", "records a CPU second", "times the yardstick", "recorded", "at least")


@dataclass(frozen=True, slots=True)
class Found:
    """Processor seconds of all runs of both, and the ratio of the least."""

    ours_s: list[float]
    yardstick_s: list[float]

    @property
    def ratio(self) -> float:
        """How many times the yardstick's records a processor second ours are."""
        return min(self.yardstick_s) / min(self.ours_s)

    def and_also(self, other: Found) -> Found:
        """Both measurements as one."""
        return Found(self.ours_s + other.ours_s, self.yardstick_s + other.yardstick_s)


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure, and compare or record. Raises SystemExit(1) where it has become slower."""
    made = write_stocks(folder / "stock.csv", ROWS, options.seed)
    slowdown = float(os.environ.get(SLOWDOWN, "0"))
    found = measure(made.path, ROUNDS, slowdown)
    if options.record:
        record(found.ratio)
    recorded = recorded_ratio(json.loads(RECORDED.read_text()), _version())
    least = recorded * LEAST_PART
    for _ in range(TRIES - 1):
        if found.ratio < least:
            found = found.and_also(measure(made.path, ROUNDS, slowdown))
    rate = f"{ROWS / min(found.ours_s):,.0f}"
    row = ("shaping", rate, f"{found.ratio:.2f}", f"{recorded:.2f}", f"{least:.2f}")
    show(options, HEADER, [row])
    if found.ratio < least:
        say(
            f"shaping is {found.ratio:.2f} times as quick as the yardstick, recorded are"
            f" {recorded:.2f}: more than a quarter is lost. Find what costs it, or, if it is meant,"
            " record anew: python -m benchmarks guard --record"
        )
        raise SystemExit(1)
    return {"ours_s": found.ours_s, "yardstick_s": found.yardstick_s, "ratio": found.ratio}


def measure(path: Path, rounds: int, slowdown: float = 0.0) -> Found:
    """Both, in turn; one round before is not counted."""
    ours_s, yardstick_s = [], []
    for number in range(rounds + 1):
        ours = [_ours(path, slowdown) for _ in range(TIMES)]
        yardstick = _cpu_s(functools.partial(_yardstick, path))
        if number:
            ours_s += ours
            yardstick_s.append(yardstick)
    return Found(ours_s, yardstick_s)


def recorded_ratio(recorded: Mapping[str, Any], version: str) -> float:
    """The figure to be compared with: this version's, or the least of all."""
    ratios: Mapping[str, float] = recorded["ratios"]
    return ratios.get(version, min(ratios.values()))


def record(ratio: float) -> None:
    """Keep this version's figure, and where it was measured."""
    known = json.loads(RECORDED.read_text()) if RECORDED.exists() else {"ratios": {}}
    where = machine()
    known["ratios"][_version()] = round(ratio, 2)
    known["machine"] = {key: where[key] for key in ("processor", "cores", "versions")}
    RECORDED.write_text(json.dumps(known, indent=1) + "\n")


class Slowed:
    """A shaper that burns processor time after each block: as much as makes the rate of the whole,
    all that was done since the block before, lower by this part."""

    def __init__(self, shaper: Shaper, slowdown: float) -> None:
        self._shaper = shaper
        self._more = slowdown / (1 - slowdown)
        self._charged_s = time.process_time()

    def __call__(self, block: Block, /) -> Shaped:
        """Shape, then burn."""
        shaped = self._shaper(block)
        spent_s = time.process_time() - self._charged_s
        # This thread's clock: what the other threads do meanwhile is charged at the next block.
        ends_s = time.thread_time() + spent_s * self._more
        while time.thread_time() < ends_s:
            pass
        self._charged_s += spent_s * (1 + self._more)
        return shaped

    def locate(self, block: Block, segment: int, records: Sequence[int], /) -> Sequence[Place]:
        """The shaper's."""
        return self._shaper.locate(block, segment, records)


def _ours(path: Path, slowdown: float) -> float:
    async def shape() -> float:
        async with prepared(path) as shaping:
            started = time.process_time()
            slowed = Slowed(shaping.shaper, slowdown) if slowdown else shaping.shaper
            await replace(shaping, shaper=slowed).run()
            return time.process_time() - started

    return anyio.run(shape)


def _cpu_s(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _yardstick(path: Path) -> None:
    """Never to be changed: the recorded figures are of this."""
    with path.open(newline="", encoding="utf-8") as file:
        batch: list[dict[str, Any]] = []
        for row in csv.DictReader(file):
            batch.append(mapped(row, STOCK, typed=True))
            if len(batch) == BATCH:
                json.dumps({"records": batch})
                batch.clear()
        json.dumps({"records": batch})


def _version() -> str:
    return ".".join(platform.python_version_tuple()[:2])
