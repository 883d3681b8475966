"""What is known of an earlier run: its id, and the figures of the report it left.

A report is a file that anybody may have touched since. So no more of it is read than `MAX_BYTES`
(millions of files fit), nothing is followed or waited for (no link, no pipe), and only the keys
that are shown are decoded, each with its type and range: the rest makes no objects, however much
there is. What does not fit is `unreadable`; it never ends the listing of the others. A run without
a report is `unfinished`: it was killed, or it is still going.

Job and start come from the id, which is the directory's name and was checked when it was listed.
"""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from ingest.state import RunDir

State = Literal["done", "failed", "interrupted", "unfinished", "unreadable"]
MAX_BYTES = 64 * 1024 * 1024
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ENDS = ("accepted", "rejected", "ambiguous", "unsent")

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Code = Annotated[int, msgspec.Meta(ge=0, le=255)]


class _Records(msgspec.Struct):
    accepted: _Count = 0
    rejected: _Count = 0
    ambiguous: _Count = 0
    unsent: _Count = 0


class _Report(msgspec.Struct):
    """Those keys of the contract's report that a listing shows."""

    state: Literal["done", "failed", "interrupted"]
    exit_code: _Code
    records: _Records
    seconds: _Seconds = 0.0
    target: str | None = None


class _Origin(msgspec.Struct):
    """The one key of job.json that tells runs apart here."""

    fresh: bool = False


class PastRun(Struct, frozen=True):
    """One run as listed. Without a report that can be read, its figures are None.

    `records` are the four counts by name; `started` is UTC, `target` somebody else's text.
    """

    id: str
    job: str
    started: datetime | None
    state: State
    exit_code: int | None = None
    seconds: float | None = None
    records: dict[str, int] | None = None
    target: str | None = None

    def document(self) -> dict[str, Any]:
        """As an object for programs; the keys are the report's."""
        return {
            "run": self.id,
            "job": self.job,
            "state": self.state,
            "exit_code": self.exit_code,
            "started_at": self.started.isoformat() if self.started else None,
            "seconds": self.seconds,
            "records": self.records,
            "target": self.target,
        }


def read_past(run: RunDir) -> PastRun:
    """What `run` left. Never raises for what its report is."""
    try:
        report = msgspec.json.decode(_bounded(run.report_path), type=_Report)
    except FileNotFoundError:
        return PastRun(run.id, run.job, run.started, "unfinished")
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return PastRun(run.id, run.job, run.started, "unreadable")
    return PastRun(
        run.id,
        run.job,
        run.started,
        report.state,
        report.exit_code,
        report.seconds,
        {end: getattr(report.records, end) for end in _ENDS},
        report.target,
    )


def is_fresh(run: RunDir) -> bool:
    """Whether it was a run outside of the job's books (`--fresh`), as its directory says."""
    try:
        return msgspec.json.decode(_bounded(run.path / "job.json"), type=_Origin).fresh
    except (OSError, ValueError, RecursionError):
        return False  # of an earlier version, or nobody knows: a run like any other


def _bounded(path: Path) -> bytes:
    """The bytes of a plain file. Raises OSError, and ValueError for what is none or too large."""
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise ValueError(f"{path}: is no report")
        return file.read(MAX_BYTES)
