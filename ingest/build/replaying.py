"""Today's mapping over the mended rejects of a run: another entrance to the same engine.

The steps are those of a load (`execute`), with two things in another place: the source gives the
mended records only (`sources.mended`), and the books are those of a run that has ended. While it
goes on, a replay is a run within the run, with a journal of its own: intents before sending, bodies
whose answer was lost settled as the job says, taken up after a kill. What came of it is then booked
on the run (`replay_books`, which says why no kill loses or doubles anything).

A body of a replay that was ended before its time may have landed; so long as there is such a body,
the next replay takes that one up, with its lines and, byte for byte, its mapping. `restart` forgets
such bodies: their records are replayed as if they had surely not landed.

Rejects can only become fewer here, so `[rejects]` sets no limit: the run bore them. Where the job
goes by way of a file, a replay goes by batches: it is little, and a batch can be settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from anyio import to_thread
from msgspec import Struct
from msgspec.structs import replace

from ingest.build import delivering
from ingest.build.booking import locked
from ingest.build.connect import connected
from ingest.build.options import RunOptions, RunResult
from ingest.build.origin import Recalled, is_rehearsal
from ingest.build.past import (
    Past,
    check_base_url,
    check_headers,
    check_job,
    check_undone,
    past_of,
)
from ingest.build.replay_books import Ended, Report, book, book_accounts
from ingest.build.replay_dir import ReplayDir, outcome_of
from ingest.build.replay_input import given_lines
from ingest.build.replay_run import Beginning, Within, booked_within, check_ids
from ingest.build.running import Running
from ingest.build.services import Connection
from ingest.display import count
from ingest.errors import IngestError, SettingsError
from ingest.events import Started, Watcher
from ingest.job import Job, RejectSettings
from ingest.journal import Journal
from ingest.meeting import Meant, meet
from ingest.report import write_report
from ingest.sources.files import Prepared
from ingest.sources.mended import MendedSource
from ingest.sources.records import RECORDS
from ingest.sources.reject_lines import Mended, read_mended
from ingest.state import RunDir, StateDir
from ingest.wire import SystemClock

STOPPED = (1, 2, 4, 5, 7, 130, 143)


class Asked(Struct, frozen=True):
    """What is replayed: the run, its job as it is today, and the mended copy of its rejects (None:
    they were mended in place)."""

    run: RunDir
    recalled: Recalled
    rejects: Path | None = None


async def replay(asked: Asked, options: RunOptions, watcher: Watcher) -> RunResult | None:
    """Replay a run's rejects and book what came of it; None if it has none.

    The report is the run's. Raises IngestError before anything is sent, and where what came of it
    can't be booked: the next replay does that then.
    """
    job = _meant_here(asked.recalled.job)
    if job.name != asked.run.job:
        raise SettingsError(
            f"{asked.run.id} is a run of the job {asked.run.job}, and this one is {job.name}",
            f"name it so: name = {asked.run.job!r} in the job, or --set name={asked.run.job}",
        )
    _check_files(asked.run, job)
    delivering.check(job)
    if job.target.mode == "upsert":
        watcher.note("an upsert: mended records replace rows of their keys, later ones too")
    state = StateDir(options.state_dir)
    with locked(job, state, options):
        return await _Replaying(asked, job, options, state, watcher).result()


def _check_files(run: RunDir, job: Job) -> None:
    """Raise SettingsError for a load of a program's own records: a record is replayed at its place
    in a file, under the columns and the mapping of that."""
    if RECORDS in job.source.paths:
        raise SettingsError(
            f"{run.id} loaded records that a program gave, and no files: there is nothing in which"
            " a reject has its place",
            f"mend the records that stand under `raw` in {run.rejects_path}, and give them to"
            " `ingest.load` anew, or put them in a file and: ingest load FILE --to SYSTEM:TABLE",
        )


def _meant_here(job: Job) -> Job:
    unlimited = RejectSettings(max_count=2**62, max_ratio=1.0)
    by_file = job.target.via in ("file", "auto")
    target = job.target.model_copy(update={"via": "batch"}) if by_file else job.target
    return job.model_copy(update={"rejects": unlimited, "target": target})


class _Replaying:
    """One replay, with the job's lock held."""

    def __init__(
        self, asked: Asked, job: Job, options: RunOptions, state: StateDir, watcher: Watcher
    ) -> None:
        self._asked = asked
        self._run = asked.run
        self._job = job
        self._options = options
        self._state = state
        self._watcher = watcher
        self._home = ReplayDir(asked.run)
        self._warn: Callable[[str], None] = partial(watcher.note, level="warning")
        self._clock = SystemClock()

    async def result(self) -> RunResult | None:
        """All of it."""
        past = await to_thread.run_sync(self._looked)
        check_job(past, self._job)
        if taken_up := self._home.there:
            given = await to_thread.run_sync(read_mended, self._home.input_path)
        else:
            copy = self._asked.rejects
            given = await to_thread.run_sync(given_lines, self._run, past, copy, self._warn)
        if not given:
            self._watcher.note(f"{self._run.id} has no rejects: nothing to replay")
            return None
        result = await self._replayed(past, given, taken_up=taken_up)
        error = result.report.get("error")
        ended = Ended(result.exit_code, result.report["seconds"], error)
        report = await to_thread.run_sync(self._booked, ended)
        return self._told(report, result)

    # --- before -----------------------------------------------------------------------------

    def _looked(self) -> Past:
        """The run as it is, after booking what an earlier replay has left to book."""
        past = self._past()
        if not self._home.there:
            return past
        outcome = outcome_of(self._home)
        if outcome is not None and outcome.open_bodies and not self._options.restart:
            self._watcher.note(
                f"taking up a replay that was ended before its time:"
                f" {count(outcome.open_bodies)} batches perhaps sent; what was mended since waits"
                " for the next replay"
            )
            return past
        if outcome is None:
            self._home.discard()
        else:
            self._booked(Ended(), keep=False)
        return self._past()

    def _past(self) -> Past:
        with self._journal() as journal:
            past = past_of(self._run, journal)
        check_undone(past)
        if past.later:
            self._warn(f"{past.later} came later: what it loaded of these is not known here")
        return past

    def _journal(self) -> Journal:
        return Journal.open(self._state.journal_path(self._job.name), self._job.name, time.time)

    # --- the engine -------------------------------------------------------------------------

    async def _replayed(self, past: Past, given: Sequence[Mended], *, taken_up: bool) -> RunResult:
        job, options, watcher = self._job, self._options, self._watcher
        source = MendedSource(job.source, job.base, watcher.note, given)
        async with AsyncExitStack() as stack:
            prepared = await source.prepare()
            self._check_headers(past, source)
            connection = await stack.enter_async_context(
                connected(job, options, self._state, watcher, prepared.total_bytes)
            )
            nonce = delivering.new_nonce()
            meant = await self._met(past, prepared, connection, nonce)
            if not taken_up:
                await check_ids(job, connection.target, source)
                await to_thread.run_sync(self._home.begin, given, past.text)
            beginning = Beginning(job, past.record.highest, taken_up)
            booking = await stack.enter_async_context(
                booked_within(self._home, beginning, source, connection)
            )
            preparation = delivering.Preparation(job, connection.target, self._clock, watcher)
            ready = await preparation.delivering(booking.run, nonce, source.used, booking.begun)
            inner = replace(options, report=None, ask=None, limit=None)
            books = (booking, ready, self._clock)
            running = Running(job, inner, Within(watcher), source, connection, books)
            watcher.started(
                Started(
                    self._run.id,
                    job.name,
                    connection.target.shown,
                    len(source.used),
                    prepared.total_bytes,
                )
            )
            return await running.execute(meant)

    def _check_headers(self, past: Past, source: MendedSource) -> None:
        layouts = [(file, source.layouts[file.index]) for file in source.used]
        check_headers(past, self._asked.recalled, layouts, source.stats())

    async def _met(
        self, past: Past, prepared: Prepared, connection: Connection, nonce: bytes
    ) -> Meant:
        """Where it goes is looked at before the table is: it may be made."""
        check_base_url(
            past,
            connection.base_url,
            rehearsed=self._asked.recalled.rehearsed,
            rehearsal=is_rehearsal(self._job, self._options),
        )
        stamped = delivering.with_stamp(self._job, nonce)
        note = self._watcher.note
        meant = await meet(stamped, prepared, connection.target, connection.types, note)
        connection.check(meant.schema)
        delivering.check_ids(self._job, meant)
        if meant.made and past.record.accounts.get("accepted"):
            raise SettingsError(
                f"the table was not there, but {self._run.id} has loaded records into it",
                "if it was dropped on purpose: ingest run --restart loads everything again",
            )
        return meant

    # --- after ------------------------------------------------------------------------------

    def _booked(self, ended: Ended, *, keep: bool = True) -> Report:
        """Book what came of it so far. The directory goes, but (`keep`) with a body's fate open."""
        outcome = outcome_of(self._home)
        assert outcome is not None, "there is something to book"
        report = book(self._home, outcome, ended)
        with self._journal() as journal:
            book_accounts(journal, past_of(self._run, journal).record, report, outcome)
        if not (keep and outcome.open_bodies):
            self._home.discard()
        return report

    def _told(self, report: Report, result: RunResult) -> RunResult:
        """The run's report, wherever it is wanted; the exit code is this command's."""
        code = result.exit_code if result.exit_code in STOPPED else report["exit_code"]
        if self._options.report is not None:
            try:
                write_report(self._options.report, report)
            except IngestError as error:
                self._watcher.note(f"{error.message} ({error.hint})", level="error")
                code = code if code in (1, 2, 5) else 1
        self._watcher.finished(report)
        return RunResult(report, code)
