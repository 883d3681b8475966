"""From a job to a run: the only module that knows every concrete class.

`execute` goes in an order that sends nothing before everything that can be known is known: the
files are found and their headers read, the credential is resolved, the live table is asked, fields
and schema meet, and only then the table is made or widened and the run gets its id. Whatever is
wrong until then is raised; from then on every trouble is part of the report.

Signals: the first SIGINT, SIGTERM or SIGHUP drains the run, the second stops it, and so does the
end of the grace.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from ingest import report as reports
from ingest.delivery import DeliveryRules
from ingest.engine import Engine, Pace, Parts, Result
from ingest.errors import IngestError, SettingsError
from ingest.events import RunStage, Snapshot, Started, Watcher
from ingest.governor import Governor
from ingest.job import DeliverySettings, Job, LimitSettings
from ingest.meeting import Meant, ServiceTypes, meet
from ingest.model import Limits
from ingest.protocols import Target
from ingest.rejects import RejectFile, RejectLimit
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.json_shape import JsonShaper
from ingest.sources.files import FileSource
from ingest.sources.lines import LineCountingSource
from ingest.state import RunDir, StateDir
from ingest.targets.avalanchio import (
    LIMITS,
    AvalanchioTarget,
    check_upsert_key,
    request_headers,
)
from ingest.targets.avalanchio_types import column_type, field_type
from ingest.targets.credentials import CredentialRequest, resolve
from ingest.wire import Secret, SystemClock, Timeouts, Wire

AVALANCHIO = ServiceTypes(column_type, field_type)
# One more than there are cores: a thread that waits for the interpreter leaves no core idle.
SHAPERS = min(5, (os.cpu_count() or 1) + 1)
TICKS_PER_S = 5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says about one run. Times in seconds; `limit` counts records read."""

    state_dir: Path
    report: Path | None = None
    limit: int | None = None
    max_duration_s: float | None = None
    grace_s: float = 25.0
    profile: str | None = None
    base_url: str | None = None
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: the contract's report, the exit code, and the rows that were asked back."""

    report: dict[str, Any]
    exit_code: int
    rows: list[dict[str, Any]] | None = None


async def execute(job: Job, options: RunOptions, watcher: Watcher) -> RunResult:
    """Run one job. Raises IngestError only before the run has an id, when nothing was sent."""
    _check_delivery(job.delivery)
    state = StateDir(options.state_dir)
    state.ensure()
    source = FileSource(job.source, job.base, watcher.note)
    async with AsyncExitStack() as stack:
        prepared = await source.prepare()
        stack.push_async_callback(source.aclose)
        target = await stack.enter_async_context(_target(job, options, state, watcher))
        meant = await meet(job, prepared, target, AVALANCHIO, watcher.note)
        check_upsert_key(meant.schema, job.target.upsert_key)  # of a table that was there before
        run = state.new_run(job.name, datetime.now(UTC), secrets.token_hex)
        one = _Run(job, options, watcher, run, source, target)
        watcher.started(
            Started(run.id, job.name, target.shown, len(prepared.files), prepared.total_bytes)
        )
        del prepared  # its sample has told what it had to tell, and is 8 MiB
        return await one.execute(meant)


@asynccontextmanager
async def _target(
    job: Job, options: RunOptions, state: StateDir, watcher: Watcher
) -> AsyncIterator[Target]:
    """The job's target with its connections open."""
    if job.target.system != "avalanchio":
        raise SettingsError(
            f"target.system = {job.target.system!r} can't be loaded by this version",
            'it loads system = "avalanchio"',
        )
    wanted = options.base_url or job.target.base_url
    async with AsyncExitStack() as stack:
        if wanted == "sandbox":
            base_url, token = await stack.enter_async_context(_sandbox(state))
        else:
            base_url, token = _credential(job, options, watcher)
        limits = job.limits
        _check_limits(limits)
        wire = Wire(
            base_url,
            request_headers(token),
            Timeouts(
                connect_s=limits.connect_timeout_s,
                read_s=limits.read_timeout_s,
                write_s=limits.write_timeout_s,
            ),
            in_flight=limits.in_flight,
        )
        target = AvalanchioTarget(
            wire,
            job.target.table,
            Limits(limits.records, limits.bytes),
            job.target.upsert_key,
        )
        await stack.enter_async_context(target.opened())
        yield target


def _check_delivery(delivery: DeliverySettings) -> None:
    """A promise of delivery that this version can't keep is refused, never passed over."""
    asked = [key for key in ("id", "stamp", "evidence_key") if key in delivery.model_fields_set]
    for key in asked:
        if getattr(delivery, key) not in ("", "none"):
            raise SettingsError(
                f"delivery.{key}: this version does not settle lost answers by it",
                "leave it out; an upsert is safe to send again, and an insert that may be doubled"
                " is named in the report",
            )


def _check_limits(limits: LimitSettings) -> None:
    """A job may lower what the service takes, never raise it."""
    for key, wanted, allowed in (
        ("records", limits.records, LIMITS.records),
        ("bytes", limits.bytes, LIMITS.size_bytes),
    ):
        if wanted > allowed:
            raise SettingsError(
                f"limits.{key} = {wanted:,}: a request to avalanchio holds at most {allowed:,}",
                "leave it out, or lower it",
            )


def _credential(job: Job, options: RunOptions, watcher: Watcher) -> tuple[str, Secret]:
    home = os.environ.get("HOME")
    request = CredentialRequest(
        job_base_url=job.target.base_url,
        cli_base_url=options.base_url,
        profile=options.profile or job.target.profile,
    )
    found = resolve(request, os.environ, Path(home) if home else None)
    for note in found.notes:
        watcher.note(note, level="warning")
    return found.base_url, found.token


@asynccontextmanager
async def _sandbox(state: StateDir) -> AsyncIterator[tuple[str, Secret]]:
    """A sandbox for this run, its data kept in the state directory."""
    from ingest.sandbox.child import SandboxError, sandbox_child  # noqa: PLC0415 - an extra

    try:
        async with sandbox_child(state.sandbox_dir) as child:
            yield child.base_url, Secret(child.token)
    except SandboxError as exc:
        raise SettingsError(f"the sandbox did not start: {exc}") from exc


class _Run:
    """One run that has an id: engine, signals, progress, report."""

    def __init__(
        self,
        job: Job,
        options: RunOptions,
        watcher: Watcher,
        run: RunDir,
        source: FileSource,
        target: Target,
    ) -> None:
        self.job = job
        self.options = options
        self.watcher = watcher
        self.run = run
        self.source = source
        self.target = target
        self.clock = SystemClock()
        self.started = self.clock.monotonic()
        self.interrupted: int | None = None
        self.asking = anyio.CancelScope()
        self.rows: list[dict[str, Any]] | None = None
        self.errors: list[IngestError] = []
        limits = job.limits
        self.governor = Governor(
            limits.in_flight, limits.requests_per_s, limits.retry_budget_s, random.random
        )

    async def execute(self, meant: Meant) -> RunResult:
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        async with RejectFile(self.run.rejects_path) as rejects:
            engine = self._engine(meant, rejects)
            result = await self._watched(engine)
            facts = self._facts(result, rejects, started_at)
        report = reports.build_report(facts)
        report["requests"]["isolated"] = result.accounts.isolated
        report["records"]["superseded"] = result.accounts.superseded
        code = self._keep(report, reports.exit_code(facts))
        self.watcher.finished(report)
        return RunResult(report, code, self.rows)

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

    def _engine(self, meant: Meant, rejects: RejectFile) -> Engine:
        envelope = self.target.envelope
        kind = JsonShaper if meant.format == "ndjson" else CsvShaper
        job = self.job
        asks_line = any(f.pseudo == "@line" for p in meant.plans.values() for f in p.fields)
        parts = Parts(
            source=LineCountingSource(self.source) if asks_line else self.source,
            shaper=kind(meant.plans, envelope.record_end, envelope.largest_record),
            target=self.target,
            rejects=rejects,
            judge=RejectLimit(job.rejects.max_count, job.rejects.max_ratio),
            governor=self.governor,
            clock=self.clock,
        )
        rules = DeliveryRules(
            harmless=job.target.mode == "upsert",
            send_doubtful=job.delivery.on_ambiguous == "settle",
        )
        pace = Pace(
            shapers=SHAPERS,
            writers=job.limits.in_flight,
            limit=self.options.limit,
            rules=rules,
        )
        return Engine(parts, pace)

    async def _watched(self, engine: Engine) -> Result:
        """The engine's run and `--ask`, with signals, time limit and progress beside them."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick, engine)
            await tasks.start(self._heed_signals, engine)
            if self.options.max_duration_s is not None:
                tasks.start_soon(self._end_in_time, engine, self.options.max_duration_s)
            result = await engine.run()
            with self.asking:  # within the signals: whoever interrupts it still gets the report
                await self._ask(result)
            tasks.cancel_scope.cancel()
        self.watcher.tick(self._snapshot(engine, "done"))
        return result

    async def _tick(self, engine: Engine) -> None:
        while True:
            stage: RunStage = "draining" if engine.ending else "loading"
            self.watcher.tick(self._snapshot(engine, stage))
            await anyio.sleep(1 / TICKS_PER_S)

    async def _heed_signals(
        self, engine: Engine, *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            task_status.started()
            async with anyio.create_task_group() as tasks:
                async for number in signals:
                    if engine.ending and self.interrupted is not None:
                        self.watcher.note("stopping now", level="warning")
                        engine.stop()
                        continue
                    self.interrupted = 130 if number == signal.SIGINT else 143
                    self.watcher.note(
                        "interrupted: finishing what is in flight (once more to stop now)",
                        level="warning",
                    )
                    engine.drain()
                    self.asking.cancel()
                    tasks.start_soon(self._stop_after_grace, engine)

    async def _stop_after_grace(self, engine: Engine) -> None:
        await self.clock.sleep(self.options.grace_s)
        self.watcher.note("the grace is over: stopping now", level="warning")
        engine.stop()

    async def _end_in_time(self, engine: Engine, seconds: float) -> None:
        await self.clock.sleep(seconds)
        if not engine.ending:
            self.interrupted = 130
            self.watcher.note("the time given by --max-duration is over", level="warning")
            engine.drain()
            self.asking.cancel()
            await self._stop_after_grace(engine)

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
        )

    async def _ask(self, result: Result) -> None:
        """Ask for the rows that `--ask` wants, once the load is through."""
        self.errors = [result.error] if result.error is not None else []
        if self.options.ask is None or self.errors or self.interrupted is not None:
            return
        try:
            self.rows = await self.target.query(self.options.ask)
        except IngestError as error:
            message = f"the load is done, but --ask failed: {error.message}"
            self.errors.append(IngestError(message, error.hint))

    def _facts(
        self,
        result: Result,
        rejects: RejectFile,
        started_at: str,
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
                reports.FileFacts(f.shown, digests.get(f.index), result.per_file.get(f.index, 0))
                for f in self.source.files
            ],
            rejects_file=str(rejects.path) if rejects.by_reason else None,
            rejects_by_reason=rejects.by_reason,
            ambiguous=[
                reports.AmbiguousBatch(r.batch.number, r.batch.spans, r.resent)
                for r in result.ambiguous
            ],
            errors=self.errors,
            interrupted=self.interrupted,
            started_at=started_at,
        )
