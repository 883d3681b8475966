"""What the command line says about one run, and what a run gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from ingest.build.ending import Interrupt


class RunOptions(Struct, frozen=True):
    """What the command line says about one run. Times in seconds; `limit` counts records read.

    `restart` forgets what earlier runs of the job settled; `fresh` leaves the journal out; never
    both. `job_file` is where the job was read from, if from a file, and `sets` what was set beside.
    `if_running` says what is done where another run holds the job: raise JobHeld, or wait for it,
    which counts towards `max_duration_s`. `interrupt` asks the run to end, in place of the
    process's signals: then they are left alone.
    """

    state_dir: Path
    report: Path | None = None
    limit: int | None = None
    max_duration_s: float | None = None
    grace_s: float = 25.0
    profile: str | None = None
    base_url: str | None = None
    ask: str | None = None
    restart: bool = False
    fresh: bool = False
    job_file: Path | None = None
    sets: tuple[str, ...] = ()
    if_running: Literal["fail", "wait"] = "fail"
    interrupt: Interrupt | None = None


class RunResult(Struct, frozen=True):
    """How a run ended: the contract's report, the exit code, and the rows that were asked back."""

    report: dict[str, Any]
    exit_code: int
    rows: list[dict[str, Any]] | None = None
