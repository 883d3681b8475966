"""`--metrics FILE`: a run's figures for the node exporter's text-file collector.

The collector reads whole files with the ending `.prom` whenever it is scraped, so the file is
replaced in one step (a rename), while the run goes on every `EVERY_S` seconds and at its end. All
figures are gauges with the label `job`: they are those of the job's last run, and a new run begins
at zero, which a counter may not.

What a run does not know is kept from the file as it was: the figures of the other jobs of the same
command, and when this one last succeeded, which is what an alert should look at (a job that does
not run at all changes nothing else). Two commands that write one file at the same time would lose
each other's figures: each has a file of its own.

The format is the library's business (prometheus_client, the extra `metrics`); it is imported only
when the option is used. A file that can't be written while a run goes on is said once, and ends no
run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ingest.errors import SettingsError
from ingest.events import Level, Snapshot, Started, Watcher, teller
from ingest.model import Receipt

EVERY_S = 15.0
SUFFIX = ".prom"
ENDS = ("accepted", "rejected", "skipped", "ambiguous", "unsent")
RECORDS, EXIT_CODE, RUNNING = "ingest_run_records", "ingest_run_exit_code", "ingest_run_running"
ENDED = "ingest_run_end_timestamp_seconds"
SUCCEEDED = "ingest_run_last_success_timestamp_seconds"
# The words stand in every file alike: the collector refuses two texts for one name.
_OF_A_JOB = {
    "ingest_run_records_read": "Records that the job's last run has read.",
    "ingest_run_requests": "Requests with records that it has sent, retries included.",
    "ingest_run_retries": "Requests among them that sent a body again.",
    "ingest_run_read_bytes": "Bytes that it has read, decompressed.",
    "ingest_run_sent_bytes": "Bytes of request bodies that it has sent.",
    "ingest_run_duration_seconds": "How long it has taken.",
    RUNNING: "1 while it is under way, 0 once it has ended (a killed one leaves 1).",
    EXIT_CODE: "Exit code of the job's last run that has ended.",
    ENDED: "When that was.",
    SUCCEEDED: "When a run of the job last ended with exit code 0.",
}


class MetricsFile:
    """The figures in one file. `now` gives wall time in seconds."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """Read what is there. Raises SettingsError where the file can't be kept."""
        try:
            import prometheus_client as prometheus  # noqa: PLC0415 - only for this option
        except ImportError as exc:
            raise SettingsError(
                "--metrics needs the package prometheus-client, which is not installed",
                'pip install "ingest[metrics]"',
            ) from exc
        _check(path)
        self.path = path
        self.now = now
        self._prometheus = prometheus
        self._start()
        try:
            self._take_over()
        except (OSError, ValueError):  # none yet, or none of ours: it is made anew
            self._start()

    def put(self, job: str, **figures: float) -> None:
        """Set figures of a job, by the names of the metrics."""
        for name, value in figures.items():
            self._gauges[name].labels(job=job).set(value)

    def put_records(self, job: str, ends: Mapping[str, float]) -> None:
        """Set the five ends."""
        for end in ENDS:
            self._gauges[RECORDS].labels(job=job, end=end).set(ends[end])

    def write(self) -> None:
        """Replace the file. Raises OSError."""
        self._prometheus.write_to_textfile(str(self.path), self._registry)

    def _start(self) -> None:
        self._registry = self._prometheus.CollectorRegistry()
        gauge, registry = self._prometheus.Gauge, self._registry
        words = "Records of the job's last run by their end."
        self._gauges = {RECORDS: gauge(RECORDS, words, ("job", "end"), registry=registry)}
        for name, help_text in _OF_A_JOB.items():
            self._gauges[name] = gauge(name, help_text, ("job",), registry=registry)

    def _take_over(self) -> None:
        from prometheus_client.parser import (  # noqa: PLC0415 - only for this option
            text_string_to_metric_families,
        )

        text = self.path.read_text(encoding="utf-8")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in self._gauges:
                    self._gauges[sample.name].labels(**sample.labels).set(sample.value)


class MeteredRun:
    """A watcher of one job's run that keeps its figures, around the one that shows them."""

    def __init__(self, file: MetricsFile, job: str, watcher: Watcher) -> None:
        self._file = file
        self._job = job
        self._watcher = watcher
        self._tell = teller(watcher)
        self._written_s = 0.0
        self._failed = False

    def started(self, started: Started) -> None:
        """All figures begin anew, but for the last success."""
        self._file.put_records(self._job, dict.fromkeys(ENDS, 0))
        kept = (EXIT_CODE, ENDED, SUCCEEDED)
        self._file.put(self._job, **{name: 0 for name in _OF_A_JOB if name not in kept})
        self._file.put(self._job, **{RUNNING: 1})
        self._write()
        self._watcher.started(started)

    def note(self, message: str, *, level: Level = "info") -> None:
        """Passed on."""
        self._watcher.note(message, level=level)

    def tick(self, snapshot: Snapshot) -> None:
        """The figures so far, if those in the file are old enough."""
        self._watcher.tick(snapshot)
        if snapshot.elapsed_s - self._written_s < EVERY_S:
            return
        self._written_s = snapshot.elapsed_s
        self._file.put_records(self._job, {end: getattr(snapshot, end) for end in ENDS})
        self._file.put(
            self._job,
            ingest_run_records_read=snapshot.read,
            ingest_run_requests=snapshot.requests_sent,
            ingest_run_retries=snapshot.retried,
            ingest_run_read_bytes=snapshot.bytes_read,
            ingest_run_sent_bytes=snapshot.bytes_sent,
            ingest_run_duration_seconds=snapshot.elapsed_s,
        )
        self._write()

    def batch(self, receipt: Receipt) -> None:
        """Passed on to whom it concerns."""
        if self._tell is not None:
            self._tell(receipt)

    def finished(self, report: Mapping[str, Any]) -> None:
        """The figures at the end; the exit code comes with `ended`."""
        self._file.put_records(self._job, report["records"])
        self._file.put(
            self._job,
            ingest_run_records_read=report["records"]["read"],
            ingest_run_requests=report["requests"]["sent"],
            ingest_run_retries=report["requests"]["retried"],
            ingest_run_read_bytes=report["bytes"]["read"],
            ingest_run_sent_bytes=report["bytes"]["sent"],
            ingest_run_duration_seconds=report["seconds"],
        )
        self._watcher.finished(report)

    def ended(self, exit_code: int) -> None:
        """The run has ended with this code, be it before it had begun."""
        now = self._file.now()
        self._file.put(self._job, **{RUNNING: 0, EXIT_CODE: exit_code, ENDED: now})
        if exit_code == 0:
            self._file.put(self._job, **{SUCCEEDED: now})
        self._write()

    def _write(self) -> None:
        try:
            self._file.write()
        except OSError as exc:
            if not self._failed:
                words = f"{self._file.path}: the metrics can't be written: {exc.strerror or exc}"
                self._watcher.note(words, level="warning")
            self._failed = True


def _check(path: Path) -> None:
    """What can be known to fail at the end is said at the start."""
    if path.suffix != SUFFIX:
        raise SettingsError(
            f"--metrics {path}: the collector reads files that end with {SUFFIX}, and no others",
            f"write --metrics {path.with_suffix(SUFFIX)}" if path.name else "",
        )
    parent = path.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise SettingsError(f"--metrics {path}: {parent} is no directory to write in")
    if path.exists() and not path.is_file():
        raise SettingsError(f"--metrics {path}: is no plain file")
