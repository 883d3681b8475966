"""One run that has an id: engine, progress, what is asked after the load, report.

Beside the engine go the display's ticks (`ticking`), the signals and the limit of time (`ending`);
after it what is asked of the service then (`afterwards`). `packing` says how bodies are made.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from msgspec.structs import asdict

from ingest import report as reports
from ingest.build.afterwards import Afterwards
from ingest.build.booking import Booking
from ingest.build.delivering import Delivering
from ingest.build.ending import Ending
from ingest.build.mapping import mapping_of
from ingest.build.options import RunOptions, RunResult
from ingest.build.packing import packing_in_memory, packing_on_disk
from ingest.build.rows_before import rows_before
from ingest.build.services import Connection
from ingest.build.ticking import Ticking
from ingest.build.verifying import verify_after
from ingest.delivery import DeliveryRules
from ingest.display import now_text
from ingest.engine import Engine, Pace, Parts, Result, Taken
from ingest.errors import IngestError, SettingsError
from ingest.events import Watcher, teller
from ingest.governor import Governor
from ingest.job import Job
from ingest.journal import JournalLedger, RunState
from ingest.meeting import Meant
from ingest.protocols import Packing
from ingest.rejects import RejectFile, RejectLimit
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.json_shape import JsonShaper
from ingest.sources.files import FileSource
from ingest.sources.lines import LineCountingSource
from ingest.timeline import Timeline
from ingest.wire import SystemClock

# One more than there are cores: a thread that waits for the interpreter leaves no core idle.
SHAPERS = min(5, (os.cpu_count() or 1) + 1)


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
        taken_up = self.booking.begun is None
        self.timeline = Timeline(self.booking.accounts, taken_up=taken_up)
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
        started_at = now_text()
        sink = RejectFile(self.run.rejects_path, self.booking.make_room)
        ledger = self.booking.ledger(sink.sync)
        self.connection.join_books(self.booking, ledger)
        # What an earlier process reported is so no more; killed, this one leaves none.
        with contextlib.suppress(OSError):
            self.run.report_path.unlink(missing_ok=True)
        async with sink as rejects, self._packing(ledger) as packing:
            engine = self._engine(meant, rejects, (packing, ledger))
            rejects.by_reason.update(self.booking.written.by_reason)
            result, interrupted = await self._watched(engine)
            await self._sync(rejects)
            facts = self._facts(result, rejects, started_at, interrupted)
        report = reports.build_report(facts)
        for file, entry in zip(self.source.files, report["files"], strict=True):
            if file.index in self.booking.grown:
                entry["before"] = self.booking.grown[file.index].as_report()
        report["requests"]["isolated"] = result.accounts.isolated
        report["records"]["superseded"] = result.accounts.superseded
        report["rows"] = self.after.row_counts
        report["learned"] = asdict(self.governor.findings)
        report["timeline"] = self.timeline.as_report()
        # In this order: killed between the two, the run is taken up and reported again, and none is
        # finished without a report.
        code = self._keep(report, reports.exit_code(facts))
        self._close_the_books(result, reports.state(facts))
        if self.job.verify.after_load:
            if self.options.interrupt is not None:
                self.options.interrupt.heard = False  # the books are closed: it may be broken off
            verified = await verify_after(
                self.booking, self.job, self.connection, report, self.watcher
            )
            code = self._keep(report, verified if code == reports.exit_code(facts) else code)
        self.watcher.finished(report)
        return RunResult(report, code, self.after.rows)

    async def _sync(self, rejects: RejectFile) -> None:
        """What the books are about to say relies on the rejects' lines, to the last."""
        try:
            await anyio.to_thread.run_sync(rejects.sync)
        except IngestError as error:
            self.after.errors.append(error)

    def _close_the_books(self, result: Result, state: RunState) -> None:
        """The journal's last word; where it can't be written, the next run takes this one up."""
        if state == "done" and result.limited:
            state = "interrupted"  # a prefix, which a later run goes on with
        try:
            self.booking.finish(state, result.accounts, self.source, result.per_file)
        except IngestError as error:
            self.watcher.note(f"{error.message} ({error.hint})", level="error")

    def _keep(self, report: dict[str, Any], code: int) -> int:
        """Write the report where it belongs, where the disk is full in the room that was held back;
        a report that can't be kept makes the run a failed one, but it is still shown."""
        for path in filter(None, (self.run.report_path, self.options.report)):
            try:
                self._write(path, report)
            except IngestError as error:
                self.watcher.note(f"{error.message} ({error.hint})", level="error")
                code = code if code in (1, 2, 5) else 1
        return code

    def _write(self, path: Path, report: dict[str, Any]) -> None:
        try:
            reports.write_report(path, report)
        except IngestError:
            if not self.booking.make_room():
                raise
            reports.write_report(path, report)

    @asynccontextmanager
    async def _packing(self, ledger: JournalLedger | None) -> AsyncIterator[Packing]:
        """In memory, or in files of the run's own directory."""
        limited = self.options.limit is not None
        if not self.connection.spooled:
            yield packing_in_memory(self.booking, self.delivering.envelope, limited=limited)
            return
        spool_bytes = self.job.limits.spool_bytes
        async with packing_on_disk(self.booking, ledger, spool_bytes, limited=limited) as packing:
            yield packing

    def _engine(
        self, meant: Meant, rejects: RejectFile, kept: tuple[Packing, JournalLedger | None]
    ) -> Engine:
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
            packing=kept[0],
            ledger=kept[1],
            settler=self.delivering.settler,
            taken=Taken(booking.accounts, booking.settled, booking.sent_before()),
            number=self.delivering.number,
            envelope=envelope,
            told=teller(self.watcher),
            note=lambda words: self.watcher.note(words, level="warning"),
            rows_before=self._rows_before,
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
            engine,
            self.watcher,
            self.clock,
            self.options.grace_s,
            self.after.scope.cancel,
            self.options.interrupt,
        )
        await self.after.before()
        self._know_the_rows_before()
        ticking = Ticking(
            engine,
            self.source,
            self.governor,
            self.connection,
            self.clock,
            self.started,
            self.watcher,
            self.timeline,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ticking.run)
            await tasks.start(ending.heed_signals)
            if self.options.max_duration_s is not None:
                tasks.start_soon(ending.end_in_time, self.options.max_duration_s)
            if self.connection.login is not None:
                tasks.start_soon(ending.heed_token, self.connection.login)
            result = await engine.run()
            ending.loaded()
            # Within the signals: whoever interrupts it still gets the report.
            await self.after.run(result.accounts, result.error, ending.interrupted)
            tasks.cancel_scope.cancel()
        ticking.tick("done")
        return result, ending.interrupted

    def _rows_before(self) -> int | None:
        """Those that the table had before the run's first request, if that is known."""
        try:
            return mapping_of(self.run).rows_before
        except SettingsError:
            return None

    def _know_the_rows_before(self) -> None:
        counts, first = self.after.row_counts, self.booking.begun is not None
        if counts:
            counts["before"] = rows_before(self.run, counts["before"], first=first)

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
                reports.FileFacts(
                    f.shown,
                    digests.get(f.index),
                    self.booking.records_of(f.index, result.per_file.get(f.index, 0)),
                )
                for f in self.source.files
            ],
            rejects_file=str(rejects.path) if rejects.by_reason else None,
            rejects_by_reason=rejects.by_reason,
            ambiguous=[
                *self.booking.ambiguous_before(),
                *map(reports.AmbiguousBatch.of, result.ambiguous),
            ],
            errors=self.after.errors,
            interrupted=interrupted,
            started_at=started_at,
        )
