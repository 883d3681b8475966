"""One load, killed at instants that are drawn, and run again until it is done.

SIGKILL falls either in mid-work (so many of a process's requests have come, and a moment more has
passed) or, where bodies were left open, while the next process finds out what became of them,
before it sends anything. Nothing is killed before its first request: a process that has sent
nothing has nothing to lose. How many bodies a kill left open says the next process itself, when it
takes the run up.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from benchmarks.killing.case import Case, Findings, judged
from benchmarks.killing.service import Service
from benchmarks.measure import ROOT

DEADLINE_S = 180.0
LOOK_EVERY_S = 0.02
SETTLING_SHARE = 0.4  # of the kills of a process that has something to settle
_TAKEN_UP = re.compile(r"taking up .* ([\d,]+) batches perhaps sent", re.DOTALL)
_FINISHED = (0, 3, 6)


class SeedError(RuntimeError):
    """A load that can't be judged: it hangs, or it ends otherwise than it should."""


@dataclass(slots=True)
class Kill:
    """One SIGKILL. `resumed`: the process had taken the run up; `settling`: it had not yet sent
    anything. `open_bodies` it left, as the next process said."""

    resumed: bool
    settling: bool
    open_bodies: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One load from its first process to its last."""

    kills: tuple[Kill, ...]
    exit_code: int
    findings: Findings
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Process:
    """The real command as a process of its own."""

    popen: subprocess.Popen[bytes]
    errors: Path

    def open_before(self) -> int | None:
        """How many bodies it found open when it took the run up; None while it has not said."""
        found = _TAKEN_UP.search(self.errors.read_text(errors="replace"))
        return int(found[1].replace(",", "")) if found else None

    def until(self, true: Callable[[], bool]) -> bool:
        """Look again and again; False if it has ended before. Raises SeedError if it hangs."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not true():
            if self.popen.poll() is not None:
                return False
            if time.monotonic() > deadline_s:
                raise SeedError(f"it hangs: {self.last_words}")
            time.sleep(LOOK_EVERY_S)
        return True

    def ended(self) -> int:
        """Wait for its end; the exit code. Raises SeedError if it hangs."""
        try:
            return self.popen.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise SeedError(f"it hangs: {self.last_words}") from None

    @property
    def last_words(self) -> str:
        """The end of what it said."""
        return self.errors.read_text(errors="replace")[-800:]


class Load:
    """The loads of one case, in a folder of their own."""

    def __init__(self, case: Case, folder: Path, files: Path, service: Service) -> None:
        self._case = case
        self._folder = folder
        self._service = service
        self._job = case.write_job(folder / "job.toml", files)
        self._started = 0
        self._landed_before = self._landed()

    def killed_until_done(self, kills: int, draw: random.Random) -> Outcome:
        """Kill so many processes (fewer if one is done before), let the last one end, and judge.

        Raises SeedError where that can't be.
        """
        lost_before = self._lost_answers()
        done: list[Kill] = []
        while True:
            with self._process() as process:
                kill = self._killed(process, bool(done), draw) if len(done) < kills else None
                code = process.ended()
                if done:
                    done[-1].open_bodies = process.open_before() or 0
                if kill is None:
                    break
                done.append(kill)
        if code not in _FINISHED:
            raise SeedError(f"exit code {code}: {process.last_words}")
        return self._judged(done, code, lost_before)

    def _judged(self, kills: list[Kill], code: int, lost_before: int) -> Outcome:
        if not self._service.at_rest(DEADLINE_S):
            raise SeedError("the service does not come to rest")
        in_doubt = sum(kill.open_bodies for kill in kills) + self._lost_answers() - lost_before
        report = self._report()
        findings = judged(self._case, self._service.rows(self._case), report, in_doubt)
        return Outcome(tuple(kills), code, findings, report)

    def _report(self) -> dict[str, Any]:
        """Of the run that loaded. A process that was killed after that run's end is followed by
        another run, which has nothing to do. Raises SeedError if there is none."""
        first = min((self._folder / "state" / "runs").iterdir())
        try:
            report: dict[str, Any] = orjson.loads((first / "report.json").read_bytes())
        except FileNotFoundError:
            raise SeedError(f"{first.name} is finished and has no report") from None
        return report

    def _killed(self, process: Process, resumed: bool, draw: random.Random) -> Kill | None:
        """None if it was done before the instant that was drawn."""
        before = self._requests()
        settling = False
        if resumed:
            if not process.until(lambda: process.open_before() is not None):
                return None
            settling = bool(process.open_before()) and draw.random() < SETTLING_SHARE
        if settling:
            # Mostly early: bodies that nobody waits for go out as soon as it has taken the run up.
            time.sleep(draw.random() ** 3 * self._case.longest_server_s / 2)
            settling = self._requests() == before
        else:
            wanted = before + draw.randint(1, self._bodies_left())
            if not process.until(lambda: self._requests() >= wanted):
                return None
            time.sleep(draw.uniform(0, 2 * LOOK_EVERY_S))
        process.popen.send_signal(signal.SIGKILL)
        return Kill(resumed, settling) if process.ended() == -signal.SIGKILL else None

    def _bodies_left(self) -> int:
        """About half of those that are still to be sent, so that some are left for later kills."""
        landed = self._landed() - self._landed_before
        return max(1, (self._case.records - landed) // self._case.batch // 2)

    def _landed(self) -> int:
        return int(self._service.stats()["records_accepted"])

    def _requests(self) -> int:
        return int(self._service.stats()["requests"])

    def _lost_answers(self) -> int:
        return int(self._service.stats()["by_status"].get("reset", 0))

    @contextmanager
    def _process(self) -> Iterator[Process]:
        self._started += 1
        errors = self._folder / f"stderr-{self._started}"
        state = self._folder / "state"
        arguments = [sys.executable, "-P", "-m", "ingest.cli", "run", str(self._job)]
        arguments += ["--state-dir", str(state), "--progress", "none"]
        plain = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        with errors.open("wb") as told:
            popen = subprocess.Popen(
                arguments,
                cwd=self._folder,
                env={**plain, **self._service.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
            )
        with popen:
            try:
                yield Process(popen, errors)
            finally:
                popen.kill()
