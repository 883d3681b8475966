"""`--log-format json`: what happens as structlog's JSON lines, for whatever collects logs.

A line a batch, too: its cost is one line for thousands of records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

import msgspec
import structlog

from ingest.display import encoding_of, json_line, safe
from ingest.events import Level, Snapshot, Started
from ingest.model import Outcome, Receipt
from ingest.progress.lines import PLAIN_EVERY_S, Steady


class JsonWatcher(Steady):
    """One JSON object a line: `event`, `level`, `timestamp` and the figures as keys.

    `every_s` None: no progress events. `quiet`: only what is a warning or worse.
    """

    def __init__(
        self, stream: TextIO, every_s: float | None = PLAIN_EVERY_S, *, quiet: bool = False
    ) -> None:
        super().__init__()
        self._every_s = None if quiet else every_s
        self._quiet = quiet
        self._last_s = 0.0
        encoding = encoding_of(stream)
        self._log: Any = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(
                    serializer=lambda event, **_: json_line(event, encoding)[:-1]
                ),
            ],
        )
        self._run: dict[str, Any] = {}

    def started(self, started: Started) -> None:
        """The event `started`; run and job stand in every later event too."""
        self._run = {"run": started.run, "job": started.job}
        self._event(
            "info",
            "started",
            target=started.target,
            files=started.files,
            bytes_total=started.bytes_total,
        )

    def note(self, message: str, *, level: Level = "info") -> None:
        """The event `note` with its message (bounded, without control characters)."""
        self._event(level, "note", message=safe(message))

    def tick(self, snapshot: Snapshot) -> None:
        """The event `progress`, if the last one is old enough."""
        if self._every_s is None or snapshot.elapsed_s - self._last_s < self._every_s:
            return
        self._last_s = snapshot.elapsed_s
        self._event("info", "progress", **msgspec.to_builtins(snapshot))

    def batch(self, receipt: Receipt) -> None:
        """The event `batch`; a warning, unless the body was accepted whole.

        `number` and `offset` (records of the whole body before a part of it) name it, `status` is
        that of the last answer that refused it, `latency_ms` the last attempt's.
        """
        batch, verdict = receipt.batch, receipt.verdict
        missing = len(verdict.refused) + verdict.doubtful
        well = receipt.outcome is Outcome.ACCEPTED and not missing
        fields = {
            "number": batch.number,
            "offset": batch.offset,
            "records": batch.records,
            "bytes": batch.size_bytes,
            "attempts": receipt.attempts,
            "status": receipt.status,
            "latency_ms": round(receipt.latency_s * 1000, 1),
            "outcome": receipt.outcome.value,
        }
        if not well:
            fields |= {"refused": len(verdict.refused), "doubtful": verdict.doubtful}
            fields["message"] = safe(receipt.message)
        self._event("info" if well else "warning", "batch", **fields)

    def finished(self, report: Mapping[str, Any]) -> None:
        """The event `finished` with the report's totals."""
        keys = (
            "run",
            "job",
            "state",
            "exit_code",
            "records",
            "requests",
            "bytes",
            "seconds",
            "latency_ms",
            "rejects",
            "error",
        )
        code = report.get("exit_code", 0)
        level: Level = "info" if code == 0 else "warning" if code in (3, 6) else "error"
        self._event(level, "finished", **{key: report[key] for key in keys if key in report})

    def _event(self, level: Level, event: str, **fields: Any) -> None:
        if self.broken or (self._quiet and level == "info"):
            return
        with self.writing():
            getattr(self._log, level)(event, **{**self._run, **fields})
