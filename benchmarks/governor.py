"""Does the governor find what a service takes? `ingest run` against real servers with limits.

- *bucket*: a service of ours, a token bucket of so many requests a second, 429 with Retry-After.
- *envoy*: Envoy limits, and answers 429 at once and without Retry-After; the service behind it
  takes two seconds. *envoy late*: Envoy delays everything by two seconds, its 429s too.
  Each limit is unknown at first, is halved, and doubled, for 90 seconds each. Of the last 60 of
  each are shown: accepted requests a second, their share of the limit, and the share of 429s.
- *knee*: so many workers, which get slower the more requests are there at once. Throughput with a
  fixed number at once, and learned, beginning with 32.

The client is the real command, one record a request, with journal and report; nothing tells it what
the limit is. The two sides of a limit are counted where it is decided (`governor_services`). It is
nearly all waiting, so other work on the machine matters little. `--scale 0.1` makes the times
shorter, `--only "bucket 20"` runs one case.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.console import say, show
from benchmarks.envoy import ENVOY, NO_ENVOY
from benchmarks.governor_envoy import envoy
from benchmarks.governor_services import LimitedService, own_service, shares
from benchmarks.measure import ROOT
from benchmarks.table import Row
from benchmarks.tables import job

PHASE_S = 90.0
COUNTED = 2 / 3  # of a phase, its end
KNEE_S = 30.0
LEARNING_S = 180.0
FIXED = (1, 2, 4, 8, 16, 32)
WORK_MS = 200
SLOW_S = 2.0
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 60.0
HEADER = ("", "limit", "accepted a second", "of the limit", "answered 429")
KNEE_HEADER = ("", "at once", "accepted a second", "of the best")


@dataclass(frozen=True, slots=True)
class Case:
    """A limit of `per_s` requests a second, met with `in_flight` writers; or so many workers."""

    kind: str
    per_s: int = 0
    in_flight: int = 32
    workers: int = 0

    @property
    def name(self) -> str:
        """What `--only` calls it."""
        return f"{self.kind} {self.per_s or self.workers}"


# With answers two seconds late, as many writers are needed as requests start in two seconds.
CASES = (
    *(Case("bucket", per_s) for per_s in (20, 100)),
    *(
        Case(kind, n, most)
        for kind in ("envoy", "envoy late")
        for n, most in ((20, 64), (100, 256))
    ),
    *(Case("knee", workers=workers) for workers in (4, 8)),
)


@dataclass(frozen=True, slots=True)
class Phase:
    """What was counted in the end of one phase. Of a knee `limit` is how many were at once."""

    case: str
    limit: float
    per_s: float
    refused_share: float
    learned: bool = True


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All cases, or those that were named; prints their tables."""
    phases: list[Phase] = []
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        if case.kind.startswith("envoy") and not ENVOY:
            say(f"{case.name}: left out: {NO_ENVOY}")
            continue
        say(f"{case.name}: begins")
        own = folder / case.name.replace(" ", "-")
        own.mkdir()
        measured = knee if case.workers else limit
        phases += measured(case, own, options.scale)
    knees = [phase for phase in phases if phase.case.startswith("knee")]
    limits = [phase for phase in phases if phase not in knees]
    if limits:
        show(options, HEADER, [row_of(phase) for phase in limits])
    if knees:
        show(options, KNEE_HEADER, [knee_row_of(phase, knees) for phase in knees])
    return {"scale": options.scale, "phases": [asdict(phase) for phase in phases]}


def row_of(phase: Phase) -> Row:
    """A line of the table of limits."""
    share = phase.per_s / phase.limit
    numbers = (f"{phase.limit:.0f}", f"{phase.per_s:.1f}", f"{share:.1%}")
    return phase.case, *numbers, f"{phase.refused_share:.1%}"


def knee_row_of(phase: Phase, knees: list[Phase]) -> Row:
    """A line of the table of knees."""
    best = max(one.per_s for one in knees if one.case == phase.case and not one.learned)
    words = "learned" if phase.learned else f"{phase.limit:.0f}"
    return phase.case, words, f"{phase.per_s:.1f}", f"{phase.per_s / best:.1%}"


def limit(case: Case, folder: Path, scale: float) -> list[Phase]:
    """The limit, half of it, and the limit again."""
    phase_s = PHASE_S * scale
    moments, limits = [], (case.per_s, case.per_s / 2, case.per_s)
    requests = 1000 + int(1.5 * sum(limits) * phase_s)
    with (
        service(case, folder) as (limited, behind),
        loading(limited.url, case.in_flight, requests, folder),
    ):
        wait_for_answers(behind)
        for per_s in limits:
            limited.set_limit(per_s)
            time.sleep(phase_s)
            moments.append((per_s, time.time()))
    answers = limited.answers()
    found = []
    for per_s, end_s in moments:
        per_s_now, refused = shares(answers, end_s - COUNTED * phase_s, end_s)
        found.append(Phase(case.name, per_s, per_s_now, refused))
    return found


def knee(case: Case, folder: Path, scale: float) -> list[Phase]:
    """Fixed numbers at once, and what is learned."""
    options = ("knee", "--workers", str(case.workers), "--work-ms", str(WORK_MS))
    found = []
    for at_once in (*FIXED, None):
        learned = at_once is None
        seconds = (LEARNING_S if learned else KNEE_S) * scale
        counted_s = seconds * (1 - COUNTED if learned else COUNTED)
        own = folder / f"{at_once}"
        own.mkdir()
        requests = int(100 + seconds * 1000 / WORK_MS * case.workers * 1.5)
        with own_service(*options) as limited:
            with loading(limited.url, at_once or FIXED[-1], requests, own, learns=learned):
                wait_for_answers(limited)
                time.sleep(seconds)
                now = time.time()
            per_s, refused = shares(limited.answers(), now - counted_s, now)
        found.append(Phase(case.name, at_once or FIXED[-1], per_s, refused, learned))
    return found


@contextmanager
def service(case: Case, folder: Path) -> Iterator[tuple[LimitedService, LimitedService]]:
    """The limited service, and the one that is behind it (or the same). Envoy has ended, and its
    log is whole, when the block is left."""
    if case.kind == "bucket":
        with own_service("bucket", "--per-s", str(case.per_s)) as one:
            yield one, one
            one.keep_answers()
        return
    late = case.kind == "envoy late"
    work_ms = 0 if late else 1000 * SLOW_S
    late_s = SLOW_S if late else 0.0
    with (
        own_service("slow", "--work-ms", str(work_ms)) as behind,
        envoy(behind.url, folder / "envoy", case.per_s, late_s) as before,
    ):
        yield before, behind


@contextmanager
def loading(
    url: str, in_flight: int, requests: int, folder: Path, *, learns: bool = True
) -> Iterator[None]:
    """`ingest run` with so many requests of one record, ended when the block is left.

    Raises RuntimeError if it ended before that, or did not end well.
    """
    data, job_file, log = folder / "data.ndjson", folder / "job.toml", folder / "client"
    data.write_text("".join(f'{{"n":{n}}}\n' for n in range(requests)))
    limits = f"[limits]\nrecords = 1\nin_flight = {in_flight}\nretry_budget_s = 86400\n"
    job_file.write_text(job(str(data), more=f"{limits}adaptive = {json.dumps(learns)}\n"))
    command = [sys.executable, "-m", "ingest.cli", "run", str(job_file), "--base-url", url]
    command += ["--state-dir", str(folder / "state"), "--progress", "none"]
    env = {**os.environ, "AIO_TOKEN": "benchmark", "AIO_BASE_URL": url}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env=env)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"ingest ended by itself: {log.read_text()[-2000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(ENDS_WITHIN_S)
    if code != 128 + signal.SIGTERM:
        raise RuntimeError(f"ingest ended with {code}: {log.read_text()[-2000:]}")


def wait_for_answers(behind: LimitedService) -> None:
    """Until the first body was answered."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not behind.answers():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no request came within {STARTS_WITHIN_S:.0f} s")
        time.sleep(0.05)
