"""`ingest plan`: a run that reads, shapes and packs as a run does, and sends nothing.

The figures must be a run's own, so the plan *is* one: the same source, shaper and engine, over a
packing that counts bodies and hands none over (`operations.plan_ways`). What a run would ask of the
service before it begins is asked (`describe`, ids that are taken); what it would make is only said.

Whatever a run would refuse before it sends is a *conflict* of the plan: shown with what is known by
then, exit code 2. An interrupt ends the reading; what is known so far is shown, marked partial.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
from msgspec import Struct
from msgspec.structs import asdict

from ingest.build import delivering
from ingest.build.delivering import Delivering
from ingest.build.options import RunOptions
from ingest.build.origin import is_rehearsal
from ingest.build.planning_books import Books, look
from ingest.build.planning_reading import Bounds, Reading, Settled
from ingest.build.planning_target import AskingTarget, asked
from ingest.build.services import Connection
from ingest.display import count
from ingest.errors import SettingsError
from ingest.events import Started, Watcher
from ingest.job import Job
from ingest.meeting import Meant, meet
from ingest.operations.plan_end import LATENCY_S, exit_code
from ingest.operations.plan_keys import KEYS_LOOKED_AT
from ingest.operations.plan_table import table_report
from ingest.sources.files import FileSource, Prepared
from ingest.state import RunDir, StateDir
from ingest.wire import SystemClock


class PlanOptions(Struct, frozen=True):
    """What the command line says. `sample` and `limit` count records read: the one to know sooner,
    the other because the run will have it, too. `restart`: as if nothing was settled before."""

    state_dir: Path
    limit: int | None = None
    sample: int | None = None
    profile: str | None = None
    base_url: str | None = None
    offline: bool = False
    restart: bool = False
    latency_s: float = LATENCY_S
    keys_looked_at: int = KEYS_LOOKED_AT


class PlanResult(Struct, frozen=True):
    """The plan as it is printed by `--json`, and the exit code."""

    report: dict[str, Any]
    exit_code: int


async def plan(job: Job, options: PlanOptions, watcher: Watcher) -> PlanResult:
    """Plan one job. Raises IngestError where the input or the service can't be had at all."""
    delivering.check(job)
    planning = _Planning(job, options, watcher)
    return await planning.run()


class _Planning:
    """One plan."""

    def __init__(self, job: Job, options: PlanOptions, watcher: Watcher) -> None:
        self._job = job
        if options.offline:  # nobody knows whether there is a table
            target = job.target.model_copy(update={"create": True})
            self._job = job.model_copy(update={"target": target})
        self._options = options
        self._asking = RunOptions(
            options.state_dir, profile=options.profile, base_url=options.base_url
        )
        self._watcher = watcher
        self._notes: list[str] = []
        self._interrupted: int | None = None
        self._clock = SystemClock()
        self._nonce = delivering.new_nonce()

    async def run(self) -> PlanResult:
        """Look, read, report."""
        job, options = self._job, self._options
        source = FileSource(job.source, job.base, self._note, fingerprint=False)
        async with AsyncExitStack() as stack:
            prepared = await source.prepare()
            stack.push_async_callback(source.aclose)
            opened = asked(
                job, self._asking, self._watcher, prepared.total_bytes, offline=options.offline
            )
            connection, target = await stack.enter_async_context(opened)
            report = self._begun(prepared, target)
            try:
                meant = await self._meant(prepared, connection, target)
                made = meant.made and not options.offline
                books = await self._books(source, connection, made=made)
                delivery = await self._delivery(source, target, books)
            except SettingsError as error:
                report["conflicts"] = error.message.splitlines()
                report["hint"] = error.hint
                report["table"] = table_report(job, target.live, target.wish, (), ())
                return self._ended(report)
            report["unfinished"] = asdict(books.unfinished) if books.unfinished else None
            source.leave_out(books.skipped)
            settled = Settled(meant, delivery, sum(books.skipped.values()), books.grown)
            reading = Reading(job, source, connection, target, settled, self._bounds())
            about = (len(prepared.files), prepared.total_bytes)
            del prepared  # its sample has told what it had to tell, and is 8 MiB
            self._watcher.started(Started("plan", job.name, target.shown, *about))
            report |= await reading.run(self._watcher, self._clock)
            self._interrupted = reading.interrupted
        return self._ended(report)

    def _bounds(self) -> Bounds:
        options = self._options
        wanted = [n for n in (options.limit, options.sample) if n is not None]
        return Bounds(min(wanted, default=None), options.keys_looked_at, options.latency_s)

    def _note(self, message: str) -> None:
        self._notes.append(message)
        self._watcher.note(message)

    async def _meant(
        self, prepared: Prepared, connection: Connection, target: AskingTarget
    ) -> Meant:
        job = delivering.with_stamp(self._job, self._nonce)
        meant = await meet(job, prepared, target, connection.types, self._note)
        connection.check(meant.schema)
        delivering.check_ids(job, meant)
        return meant

    async def _books(self, source: FileSource, connection: Connection, *, made: bool) -> Books:
        """What earlier runs settled. `made`: a run would have to make the table."""
        if self._options.restart:
            return Books()
        state, way = StateDir(self._options.state_dir), "file" if connection.spooled else ""
        rehearsed = is_rehearsal(self._job, self._asking)  # its server has another port each time
        where = "sandbox" if rehearsed else connection.base_url
        look_up = partial(look, self._job, state, source, where, way)
        books = await anyio.to_thread.run_sync(look_up)
        for note in books.notes:
            self._note(note)
        if books.records and made:
            raise SettingsError(
                f"the table is not there, but this job has loaded {count(books.records)} records"
                " into it before: a run refuses that",
                "if it was dropped on purpose: --restart loads everything again",
            )
        return books

    async def _delivery(self, source: FileSource, target: AskingTarget, books: Books) -> Delivering:
        """What the delivery puts into records. An evidence key puts nothing there, and asking for
        it leaves a file in a run's directory, which there is none of."""
        if self._job.delivery.evidence_key:
            return Delivering(target.envelope, 0, None, None)
        nobody = RunDir(Path("x" * (delivering.RUN_ID_CHARS + len(self._job.name))))
        begun = {file.index for file in source.files} - books.skipped.keys() - books.grown.keys()
        preparation = delivering.Preparation(self._job, target, self._clock, self._watcher)
        found = None if books.unfinished else begun
        return await preparation.delivering(nobody, self._nonce, source.files, found)

    def _begun(self, prepared: Prepared, target: AskingTarget) -> dict[str, Any]:
        return {
            "job": self._job.name,
            "target": target.shown,
            "state": "refused",
            "exit_code": 0,
            "asked": not self._options.offline,
            "files": {"count": len(prepared.files), "bytes": prepared.total_bytes},
            "format": prepared.format,
            "records": None,
            "bytes": None,
            "ways": [],
            "sending": None,
            "rejects": {"by_reason": {}, "examples": [], "limit_passed": None},
            "ambiguous_dates": [],
            "fields": [],
            "dropped": [],
            "keys": None,
            "table": None,
            "unfinished": None,
            "conflicts": [],
            "hint": "",
            "notes": self._notes,
            "error": None,
        }

    def _ended(self, report: dict[str, Any]) -> PlanResult:
        code = exit_code(report, self._interrupted)
        report["exit_code"] = code
        self._watcher.finished(report)
        return PlanResult(report, code)
