"""Peak memory of the client, in the cases that tempt a loader to hold its input.

- 100 MB and 1 GB of the same rows: a difference is memory that grows with the input.
- Bodies of 6 MB, eight in flight, at a server that answers each half a second late: what is sent
  must be held, and reading must wait for it.

The peak is the resident set of the client's largest process as the kernel counted it; the server is
another process and not in it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import JOB, ingest_command
from benchmarks.data import Made, write_sized_stocks, write_sized_wide
from benchmarks.handle import DiscardingServer
from benchmarks.measure import run_measured

WIDE_JOB = """\
[source]
paths = [{path}]

[fields]
number = {{ type = "integer" }}
name = {{ type = "string" }}
note = {{ type = "text" }}

[target]
system = "avalanchio"
table = "stock"
create = true
"""
HEADER = ("", "records", "input MB", "requests", "mean body MB", "seconds", "peak MB")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `write` makes the input of `size_bytes`, the server answers `delay_ms` late."""

    label: str
    job: str
    write: Callable[[Path, int], Made]
    size_bytes: int
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Peak:
    """What a case took."""

    label: str
    records: int
    input_bytes: int
    requests: int
    mean_body_bytes: int
    wall_s: float
    peak_rss_bytes: int


def cases(scale: float = 1.0) -> tuple[Case, ...]:
    """The cases; `scale` makes the input smaller, for a look and for tests."""
    return (
        Case("100 MB", JOB, write_sized_stocks, int(1e8 * scale)),
        Case("1 GB", JOB, write_sized_stocks, int(1e9 * scale)),
        Case("6 MB bodies, slow server", WIDE_JOB, write_sized_wide, int(5e8 * scale), 500),
    )


def measure(case: Case, folder: Path) -> Peak:
    """Run one case. Raises RuntimeError if a record did not arrive."""
    made = case.write(folder / "input.csv", case.size_bytes)
    job, state, report_path = folder / "job.toml", folder / "state", folder / "report.json"
    job.write_text(case.job.format(path=json.dumps(str(made.path))))
    shutil.rmtree(state, ignore_errors=True)
    with DiscardingServer(delay_ms=case.delay_ms) as server:
        server.reset()
        measured = run_measured(ingest_command(job, server.url, state, report_path))
        received = server.received()
    made.path.unlink()
    if received.records != made.records:
        raise RuntimeError(f"{case.label}: {received.records} of {made.records} records arrived")
    return Peak(
        case.label,
        made.records,
        made.size_bytes,
        received.requests,
        received.size_bytes // max(1, received.requests),
        measured.wall_s,
        measured.peak_rss_bytes,
    )


def row_of(peak: Peak) -> tuple[str, ...]:
    """A line of the table."""
    return (
        peak.label,
        f"{peak.records:,}",
        f"{peak.input_bytes / 1e6:,.0f}",
        f"{peak.requests:,}",
        f"{peak.mean_body_bytes / 1e6:.1f}",
        f"{peak.wall_s:.1f}",
        f"{peak.peak_rss_bytes / 1e6:.0f}",
    )
