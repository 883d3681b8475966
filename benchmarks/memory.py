"""Peak memory of the client, in the cases that tempt a loader to hold its input.

- 200 MB, 2 GB, and the 200 MB through a pipe: a difference is memory that grows with the input.
- Records of 1 MB, and bodies of 6 MB, eight in flight, at a server that answers each half a second
  late: what is sent must be held, and reading must wait for it.
- A server that is frozen (SIGSTOP) for two minutes in the middle of a load: nothing may pile up.
- 0.1 % of bad cells in 1 GB: what is known of them must not hold their blocks.
- Smaller blocks, more bodies in flight: the settings' formula (`ingest.job.LimitSettings`) must
  hold for them, too. The answers to the 32 are three seconds late: with half a second a slow
  machine makes only a dozen bodies before the first of them is answered.

The peak is the resident set of the client's largest process as the kernel counted it; the server is
another process and not in it. Rounds alternate; *of 200 MB* is taken within a round.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.console import say, show
from benchmarks.contenders import ingest_command
from benchmarks.data import Made, write_sized_megabytes, write_sized_stocks, write_sized_wide
from benchmarks.handle import DiscardingServer
from benchmarks.inputs import sized_bad
from benchmarks.measure import run_measured
from benchmarks.plot import Bar, Chart
from benchmarks.table import MEGA, Row, spread
from benchmarks.tables import STOCK, WIDE, Table
from ingest.job import SourceSettings
from ingest.sources.files import LARGE_BLOCK_BYTES

PROMISE_MB = 300
LONG_WAIT = "read_timeout_s = 600.0\nwrite_timeout_s = 600.0\n"
HEADER = (
    "",
    "records",
    "input MB",
    "requests",
    "mean body MB",
    "seconds",
    "peak MB",
    "of 200 MB",
    "of the formula",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `write` makes the input of `size_bytes`, the server answers `delay_ms` late or is
    frozen for `frozen_s`; `piped` into standard input."""

    label: str
    size_bytes: int
    table: Table = STOCK
    write: Callable[[Path, int], Made] = write_sized_stocks
    delay_ms: int = 0
    frozen_s: float = 0.0
    piped: bool = False
    block_bytes: int | None = None
    in_flight: int = 8

    def job(self, made: Made) -> str:
        """The job file's content."""
        limits = f"[limits]\nin_flight = {self.in_flight}\n{LONG_WAIT}"
        if self.has_rejects:
            limits += "[rejects]\nmax_count = 1_000_000\n"
        text = self.table.job("-" if self.piped else str(made.path), limits)
        if self.block_bytes is None:
            return text
        return text.replace("[source]\n", f"[source]\nblock_bytes = {self.block_bytes}\n")

    @property
    def has_rejects(self) -> bool:
        """Whether some of its records are bad."""
        return self.write is sized_bad

    def formula_bytes(self, mean_body_bytes: float, mean_input_bytes: float) -> float:
        """What the settings' docstring says that the peak is about, by the mean body's size and
        that of the input in it."""
        default = SourceSettings.model_fields["block_bytes"].default
        usual = LARGE_BLOCK_BYTES if self.table is WIDE else default
        bodies = (self.in_flight + 2) * (mean_body_bytes + mean_input_bytes)
        return 155e6 + 24 * (self.block_bytes or usual) + bodies


@dataclass(frozen=True, slots=True)
class Peak:
    """What one run of a case took."""

    label: str
    round: int
    records: int
    input_bytes: int
    requests: int
    mean_body_bytes: int
    wall_s: float
    peak_rss_bytes: int

    def of_formula(self, case: Case) -> float:
        """Times what the formula says of this case."""
        mean_input_bytes = self.input_bytes / max(1, self.requests)
        return self.peak_rss_bytes / case.formula_bytes(self.mean_body_bytes, mean_input_bytes)


def cases(scale: float = 1.0) -> tuple[Case, ...]:
    """The cases; `scale` makes inputs and waits smaller, for a look and for tests. The first is
    what the others are compared with."""
    small, slow = int(2e8 * scale), int(5e8 * scale)
    megabytes, wide = write_sized_megabytes, write_sized_wide
    return (
        Case("200 MB", small),
        Case("2 GB", int(2e9 * scale)),
        Case("200 MB, standard input", small, piped=True),
        Case("1 MB records, slow server", slow, WIDE, megabytes, delay_ms=500),
        Case("6 MB bodies, slow server", slow, WIDE, wide, delay_ms=500),
        Case("server frozen in between", int(1e9 * scale), frozen_s=120 * scale),
        Case("1 GB, 0.1 % bad cells", int(1e9 * scale), write=sized_bad),
        Case("blocks of 1 MiB", small, block_bytes=1024 * 1024),
        Case("6 MB bodies, 32 in flight", slow, WIDE, wide, delay_ms=3000, in_flight=32),
    )


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All cases, in turn; prints a line a case."""
    chosen, made, peaks = cases(options.scale), dict[Any, Made](), []
    for number in range(1, options.runs + 1):
        for case in chosen:
            key = (case.write, case.size_bytes)
            if key not in made:
                say(f"making {case.size_bytes / MEGA:,.0f} MB")
                made[key] = case.write(folder / f"input-{len(made)}.csv", case.size_bytes)
            peaks.append(measure(case, made[key], folder, number))
            say(f"round {number}: {case.label}: {peaks[-1].peak_rss_bytes / MEGA:.0f} MB")
    show(options, HEADER, [row_of(case, peaks) for case in chosen])
    runs = [asdict(peak) for peak in peaks]
    return {"scale": options.scale, "runs": runs, "chart": chart_of(chosen, peaks)}


def measure(case: Case, made: Made, folder: Path, number: int = 1) -> Peak:
    """Run one case. Raises RuntimeError if a record did not arrive, or nothing was frozen."""
    job, state, report_path = folder / "job.toml", folder / "state", folder / "report.json"
    job.write_text(case.job(made))
    shutil.rmtree(state, ignore_errors=True)
    with DiscardingServer(delay_ms=case.delay_ms) as server:
        server.reset()
        code = 3 if case.has_rejects else 0
        command = ingest_command(job, server.url, state, report_path, code)
        if case.piped:
            command = command.with_stdin(made.path)
        with server.frozen(case.frozen_s / 60, case.frozen_s):
            measured = run_measured(command)
        received = server.received()
    rejected = int(json.loads(report_path.read_bytes())["records"]["rejected"])
    if received.records + rejected != made.records or (rejected > 0) is not case.has_rejects:
        raise RuntimeError(f"{case.label}: {received.records} of {made.records} records arrived")
    if measured.wall_s < case.frozen_s:
        raise RuntimeError(f"{case.label}: the load was over before the server froze")
    return Peak(
        case.label,
        number,
        made.records,
        made.size_bytes,
        received.requests,
        received.size_bytes // max(1, received.requests),
        measured.wall_s,
        measured.peak_rss_bytes,
    )


def row_of(case: Case, peaks: list[Peak]) -> Row:
    """A line of the table."""
    ours = [peak for peak in peaks if peak.label == case.label]
    first = {peak.round: peak for peak in peaks if peak.label == peaks[0].label}
    beside = spread([p.peak_rss_bytes / first[p.round].peak_rss_bytes for p in ours])
    formula = spread([peak.of_formula(case) for peak in ours])
    one = ours[0]
    return (
        case.label,
        f"{one.records:,}",
        f"{one.input_bytes / MEGA:,.0f}",
        f"{one.requests:,}",
        f"{one.mean_body_bytes / MEGA:.1f}",
        f"{median(peak.wall_s for peak in ours):.1f}",
        f"{median(peak.peak_rss_bytes for peak in ours) / MEGA:.0f}",
        beside.shown,
        formula.shown,
    )


def chart_of(chosen: tuple[Case, ...], peaks: list[Peak]) -> Chart:
    """A bar a case, beside what is promised for the default settings."""
    bars = []
    for case in chosen:
        found = spread([p.peak_rss_bytes / MEGA for p in peaks if p.label == case.label])
        promise = PROMISE_MB if case.in_flight == 8 else None
        values = (found.median, found.least, found.greatest)
        bars.append(Bar(case.label, *values, f"{found.median:.0f} MB", True, promise=promise))
    return Chart("Peak memory of the client, MB", bars)
