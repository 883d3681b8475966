"""One run that has an id: engine, progress, what is asked after the load, report.

Beside the engine go the display's ticks, the signals and the limit of time (`ending`); after it
what is asked of the service then (`afterwards`).
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from ingest import report as reports
from ingest.build.afterwards import Afterwards
from ingest.build.booking import Booking
from ingest.build.delivering import Delivering
from ingest.build.ending import Ending
from ingest.build.options import RunOptions, RunResult
from ingest.build.services import Connection
from ingest.delivery import DeliveryRules
from ingest.engine import Engine, Pace, Parts, Result, Taken
from ingest.errors import IngestError
from ingest.events import RunStage, Snapshot, Watcher
from ingest.governor import Governor
from ingest.job import Job
from ingest.journal import IntentRecord, RunState
from ingest.meeting import Meant
from ingest.pack import MemoryPacking
from ingest.pack.recut import RecutPacking
from ingest.protocols import Packing
from ingest.rejects import RejectFile, RejectLimit
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.json_shape import JsonShaper
from ingest.sources.files import FileSource
from ingest.sources.lines import LineCountingSource
from ingest.wire import SystemClock

# One more than there are cores: a thread that waits for the interpreter leaves no core idle.
SHAPERS = min(5, (os.cpu_count() or 1) + 1)
TICKS_PER_S = 5


class Running:
    """A run under its id. `execute` may be awaited once."""

    def __init__(
        self,
        job: Job,
        options: RunOptions,
        watcher: Watcher,
        source: FileSource,
        connection: Connection,
        booked: tuple[Booking, Delivering, SystemClock],
    ) -> None:
        self.job = job
        self.options = options
        self.watcher = watcher
        self.booking, self.delivering, self.clock = booked
        self.run = self.booking.run
        self.source = source
        self.connection = connection
        self.target = connection.target
        self.started = self.clock.monotonic()
        self.after = Afterwards(connection, options.ask, watcher)
        limits = job.limits
        self.governor = Governor(
            connection.writers,
            limits.requests_per_s,
            limits.retry_budget_s,
            random.random,
            wakes=True,
            learns=limits.adaptive,
        )

    async def execute(self, meant: Meant) -> RunResult:
        """Load, and report. Whatever happens to the load stands in the report."""
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        async with RejectFile(self.run.rejects_path) as rejects, self._packing() as packing:
            engine = self._engine(meant, rejects, packing)
            rejects.by_reason.update(self.booking.written.by_reason)
            result, interrupted = await self._watched(engine)
            facts = self._facts(result, rejects, started_at, interrupted)
        report = reports.build_report(facts)
        report["requests"]["isolated"] = result.accounts.isolated
        report["records"]["superseded"] = result.accounts.superseded
        report["rows"] = self.after.row_counts
        self._close_the_books(result, reports.state(facts))
        code = self._keep(report, reports.exit_code(facts))
        self.watcher.finished(report)
        return RunResult(report, code, self.after.rows)

    def _close_the_books(self, result: Result, state: RunState) -> None:
        """The journal's last word; where it can't be written, the next run takes this one up."""
        if state == "done" and result.limited:
            state = "interrupted"  # a prefix, which a later run goes on with
        try:
            self.booking.finish(state, result.accounts, self.source, result.per_file)
        except IngestError as error:
            self.watcher.note(f"{error.message} ({error.hint})", level="error")

    def _keep(self, report: dict[str, Any], code: int) -> int:
        """Write the report where it belongs; a report that can't be kept makes the run a failed
        one, but it is still shown."""
        for path in filter(None, (self.run.report_path, self.options.report)):
            try:
                reports.write_report(path, report)
            except IngestError as error:
                self.watcher.note(f"{error.message} ({error.hint})", level="error")
                code = code if code in (1, 2, 5) else 1
        return code

    @asynccontextmanager
    async def _packing(self) -> AsyncIterator[Packing]:
        """In memory, or in files of the run's own directory."""
        if not self.connection.spooled:
            yield self._in_memory()
            return
        from ingest.pack.spool import SpoolPacking  # noqa: PLC0415 - only one way needs it

        packing = SpoolPacking(self.run.spool_dir, self.job.limits.spool_bytes)
        async with packing.opened():
            yield packing

    def _in_memory(self) -> Packing:
        booking, envelope = self.booking, self.delivering.envelope
        fresh = MemoryPacking(envelope, booking.first_number)
        if booking.settled is None:
            return fresh
        limited = self.options.limit is not None
        return RecutPacking(fresh, booking.intents, booking.settled, envelope, limited=limited)

    def _engine(self, meant: Meant, rejects: RejectFile, packing: Packing) -> Engine:
        envelope, booking = self.delivering.envelope, self.booking
        largest = envelope.largest_record - self.delivering.overhead_bytes
        kind = JsonShaper if meant.format == "ndjson" else CsvShaper
        job = self.job
        asks_line = any(f.pseudo == "@line" for p in meant.plans.values() for f in p.fields)
        parts = Parts(
            source=LineCountingSource(self.source) if asks_line else self.source,
            shaper=kind(meant.plans, envelope.record_end, largest),
            target=self.target,
            rejects=rejects,
            judge=RejectLimit(job.rejects.max_count, job.rejects.max_ratio),
            governor=self.governor,
            clock=self.clock,
            packing=packing,
            ledger=booking.ledger(),
            settler=self.delivering.settler,
            taken=Taken(booking.accounts, booking.settled, booking.sent_before()),
            number=self.delivering.number,
            envelope=envelope,
        )
        settles = job.delivery.on_ambiguous == "settle"
        rules = DeliveryRules(
            harmless=job.target.mode == "upsert",
            send_doubtful=settles and not self.connection.spooled,
            target_settles=self.connection.spooled,
            longest_server_s=job.delivery.longest_server_s,
        )
        pace = Pace(
            shapers=SHAPERS,
            writers=self.connection.writers,
            limit=self.options.limit,
            rules=rules,
        )
        return Engine(parts, pace)

    async def _watched(self, engine: Engine) -> tuple[Result, int | None]:
        """The engine's run and what follows it, with signals, time limit and progress beside them.

        The second of the two is the exit code of an interrupt, if there was one.
        """
        ending = Ending(
            engine, self.watcher, self.clock, self.options.grace_s, self.after.scope.cancel
        )
        await self.after.before()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick, engine)
            await tasks.start(ending.heed_signals)
            if self.options.max_duration_s is not None:
                tasks.start_soon(ending.end_in_time, self.options.max_duration_s)
            result = await engine.run()
            # Within the signals: whoever interrupts it still gets the report.
            await self.after.run(result.accounts, result.error, ending.interrupted)
            tasks.cancel_scope.cancel()
        self.watcher.tick(self._snapshot(engine, "done"))
        return result, ending.interrupted

    async def _tick(self, engine: Engine) -> None:
        while True:
            stage: RunStage = "draining" if engine.ending else "loading"
            self.watcher.tick(self._snapshot(engine, stage))
            await anyio.sleep(1 / TICKS_PER_S)

    def _snapshot(self, engine: Engine, stage: RunStage) -> Snapshot:
        accounts = engine.accounts
        now = self.clock.monotonic()
        return Snapshot(
            elapsed_s=now - self.started,
            read=accounts.read,
            accepted=accounts.accepted,
            rejected=accounts.rejected,
            skipped=accounts.skipped,
            ambiguous=accounts.ambiguous,
            unsent=accounts.unsent,
            bytes_read=accounts.bytes_read,
            bytes_sent=accounts.bytes_sent,
            in_flight=accounts.in_flight,
            requests_sent=accounts.requests_sent,
            retried=accounts.requests_retried,
            source_bytes=self.source.raw_bytes,
            pause_s=max(0.0, self.governor.paused_until - now),
            stage=stage,
            file=self.connection.latest.progress if accounts.in_flight else None,
        )

    def _facts(
        self, result: Result, rejects: RejectFile, started_at: str, interrupted: int | None
    ) -> reports.RunFacts:
        digests = {facts.index: facts.sha256 for facts in self.source.files_read()}
        return reports.RunFacts(
            run=self.run.id,
            job=self.job.name,
            target=self.target.shown,
            settings_sha256=self.job.digest(),
            accounts=result.accounts,
            seconds=self.clock.monotonic() - self.started,
            stages=result.stage_seconds,
            latencies_s=result.latencies_s,
            peak_rss_bytes=reports.peak_rss_bytes(),
            versions=reports.versions(),
            files=[
                reports.FileFacts(f.shown, digests.get(f.index), self._records_of(result, f.index))
                for f in self.source.files
            ],
            rejects_file=str(rejects.path) if rejects.by_reason else None,
            rejects_by_reason=rejects.by_reason,
            ambiguous=[
                *map(_named_before, self.booking.ambiguous),
                *map(reports.AmbiguousBatch.of, result.ambiguous),
            ],
            errors=self.after.errors,
            interrupted=interrupted,
            started_at=started_at,
        )

    def _records_of(self, result: Result, index: int) -> int:
        """Records of a file that are on the accounts: read here, settled before, or skipped."""
        booking = self.booking
        read, skipped = result.per_file.get(index, 0), booking.skipped.get(index, 0)
        before = 0
        if booking.settled is not None and (found := booking.settled.files.get(index)):
            before = sum(last - max(first, read + 1) + 1 for first, last in found if last > read)
        return read + skipped + before


def _named_before(intent: IntentRecord) -> reports.AmbiguousBatch:
    """A batch that an earlier process of the run left ambiguous."""
    records = intent.doubtful or intent.records
    return reports.AmbiguousBatch(
        intent.number, intent.spans, intent.resent, records, intent.message
    )
