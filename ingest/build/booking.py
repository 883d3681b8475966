"""A run in the job's books: begun or taken up, and what is settled already.

The lock of the job is held from here to the run's end. The journal says which of three this is:

- *begun*: no run of this job is open. Files that the last finished run had, unchanged, are skipped,
  and so is what was there before of those that grew (`earlier`);
- *taken up*: the last run of this job was ended before its time. It goes on under its id with
  cumulative accounts, if it still is the same job: other settings (but for limits, rejects and
  logging) or changed files are refused, with what changed and the way on (`unchanged`);
- *fresh*: outside of the books, for benchmarks. Nothing is recorded, nothing can be taken up.

What can't be read twice (standard input, a FIFO) can't be taken up: said, and begun anew.

Bodies on the disk are found again in the run's own directory, by their names alone. Those of a run
that nobody takes up any more go when the next one begins.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from ingest.build.booked_run import Booking
from ingest.build.earlier import earlier
from ingest.build.grown import Before, before_of, settled_with, told
from ingest.build.options import RunOptions
from ingest.build.unchanged import (
    RESTART,
    changes,
    check_files,
    identity_of,
    identity_text,
    record_of,
)
from ingest.display import count, now_text
from ingest.errors import SettingsError
from ingest.events import Watcher
from ingest.job import Job
from ingest.journal import (
    FileRecord,
    IntentRecord,
    Journal,
    NewRun,
    RunRecord,
    accounts_so_far,
    read_back,
    set_aside,
)
from ingest.locking import Holder, JobLock, keeps_it
from ingest.pack.spool_leftovers import sweep
from ingest.sources.files import FileSource
from ingest.state import RunDir, StateDir

__all__ = ["Asked", "Booking", "booked", "locked", "record_of"]

LOCK_WAIT_S = 1.0  # `ingest clean` holds a lock for a moment


@contextmanager
def locked(job: Job, state: StateDir, options: RunOptions) -> Iterator[JobLock | None]:
    """The job's lock, but for runs outside of the books. Raises JobHeld, at once if it is a run
    that has it: then even one that ends within a second has kept this one out."""
    if options.fresh:
        yield None
        return
    lock = JobLock(state.lock_path(job.name))
    holder = Holder("", socket.gethostname(), now_text())
    with lock.held(holder, wait_s=LOCK_WAIT_S, wait_for=lambda other: not keeps_it(other)):
        yield lock


@contextmanager
def booked(
    job: Job,
    options: RunOptions,
    state: StateDir,
    source: FileSource,
    asked: Asked,
    *,
    fresh: bool,
) -> Iterator[Booking]:
    """The run, begun or taken up; its journal is open for the time of the block.

    Raises SettingsError where it can't be taken up, saying what changed.
    """
    if fresh:
        run = state.new_run(job.name, datetime.now(UTC), secrets.token_hex)
        yield Booking(run, begun=frozenset(file.index for file in source.files))
        return
    path = state.journal_path(job.name)
    try:
        journal = Journal.open(path, job.name, time.time)
    except SettingsError:
        if not options.restart or set_aside(path) is None:
            raise
        journal = Journal.open(path, job.name, time.time)
    with journal:
        if options.restart:
            journal.forget()
        yield _Books(job, options, state, source, asked, journal).booking()


class Asked(Struct, frozen=True):
    """What the books ask about where the records go: the target in words, its base URL, whether
    the table was made just now, and who is told; and by which way, if bodies lie on the disk."""

    shown: str
    base_url: str
    made: bool
    watcher: Watcher
    way: str = ""


class _Books:
    """One look into the books."""

    def __init__(
        self,
        job: Job,
        options: RunOptions,
        state: StateDir,
        source: FileSource,
        asked: Asked,
        journal: Journal,
    ) -> None:
        self._job = job
        self._options = options
        self._state = state
        self._source = source
        self._asked = asked
        self._journal = journal
        self._stats = source.stats()
        self._identity = identity_of(job, asked.base_url, asked.way)

    def booking(self) -> Booking:
        """Begin, or take up."""
        unfinished = self._journal.unfinished()
        if unfinished is None:
            return self._begun()
        if len(self._stats) < len(self._source.files):
            self._note("what comes through a pipe can't be read twice: a new run is begun")
            return self._begun()
        return self._taken_up(unfinished)

    def _note(self, words: str) -> None:
        self._asked.watcher.note(words, level="warning")

    def _begun(self) -> Booking:
        for last in self._journal.runs()[-1:]:  # those before it were swept when it began
            sweep(RunDir(self._state.runs_dir / last.name).spool_dir)
        run = self._state.new_run(self._job.name, datetime.now(UTC), secrets.token_hex)
        settled = earlier(self._journal, self._source, self._identity)
        for words in settled.anew:
            self._note(words)
        skipped, grown = settled.unchanged, settled.grown
        identity = identity_text(self._identity)
        new = NewRun(run.id, *identity, self._asked.shown, self._options.limit)
        record = self._journal.begin(new)
        files = [skipped.get(stat.index, record_of(stat)) for stat in self._stats]
        # How many records were there before is known to whoever takes this run up.
        files = [
            replace(file, records=grown[file.index].records) if file.index in grown else file
            for file in files
        ]
        on_disk = {stat.index for stat in self._stats}
        files += [
            FileRecord(file.index, file.shown)
            for file in self._source.files
            if file.index not in on_disk
        ]
        self._journal.put_files(record, files)
        begun = frozenset(file.index for file in self._source.files) - skipped.keys()
        booking = Booking(run, self._journal, record, begun=begun - grown.keys())
        return self._with_skipped(booking, skipped, grown)

    def _with_skipped(
        self, booking: Booking, skipped: Mapping[int, FileRecord], grown: Mapping[int, Before]
    ) -> Booking:
        booking.skipped = {index: file.records or 0 for index, file in skipped.items()}
        booking.grown = dict(grown)
        booking.settled = settled_with(booking.settled, grown)
        records = sum(booking.skipped.values()) + sum(one.records for one in grown.values())
        if records and self._asked.made:
            raise _table_is_gone(records)
        booking.accounts.read += records
        booking.accounts.skipped += records
        if skipped:
            self._asked.watcher.note(
                f"{count(len(skipped))} files with {count(sum(booking.skipped.values()))} records"
                " are unchanged since they were loaded: skipped (--restart loads them again)"
            )
        if grown:
            self._asked.watcher.note(told(grown))
        return booking

    def _grown_before(self, files: Sequence[FileRecord]) -> dict[int, Before]:
        """Of an unfinished run's files those of which it had passed over the beginning."""
        last = self._journal.last_done()
        done = {file.shown: before_of(file) for file in self._journal.files(last)} if last else {}
        pairs = [(file, done.get(file.shown)) for file in files if not file.complete]
        return {file.index: one for file, one in pairs if one and one.records == file.records}

    def _taken_up(self, record: RunRecord) -> Booking:
        if found := changes(record, self._identity):
            raise SettingsError(
                f"the unfinished run {record.name} was begun otherwise: {'; '.join(found)}", RESTART
            )
        known = {file.shown: file for file in self._journal.files(record)}
        check_files(record, known, self._stats)
        run = RunDir(self._state.runs_dir / record.name)
        run.path.mkdir(mode=0o700, exist_ok=True)  # `ingest clean --unfinished` may have taken it
        record = self._journal.resume(record, self._options.limit)
        files = [replace(known.get(s.shown, record_of(s)), index=s.index) for s in self._stats]
        self._journal.put_files(record, files)
        written = read_back(run.rejects_path)
        settled = self._journal.settled(record, written)
        accounts = accounts_so_far(settled.tally, written)
        if accounts.accepted and self._asked.made:
            raise _table_is_gone(accounts.accepted)
        booking = Booking(
            run=run,
            journal=self._journal,
            record=record,
            accounts=accounts,
            settled=settled,
            intents=[_found_in(run, one) for one in self._journal.open_intents(record)],
            ambiguous=self._journal.ambiguous(record),
            written=written,
        )
        self._asked.watcher.note(
            f"taking up {record.name}: {count(accounts.accepted)} records accepted before,"
            f" {count(len(booking.intents))} batches perhaps sent"
        )
        skipped = {file.index: file for file in files if file.complete}
        return self._with_skipped(booking, skipped, self._grown_before(files))


def _found_in(run: RunDir, intent: IntentRecord) -> IntentRecord:
    """The intent of a body on the disk, wherever the state directory is now."""
    if intent.spool is None:
        return intent
    path = run.spool_dir / intent.spool.path.name
    return replace(intent, spool=replace(intent.spool, path=path))


def _table_is_gone(records: int) -> SettingsError:
    return SettingsError(
        f"the table was not there, but this job has loaded {count(records)} records into it before",
        "if it was dropped on purpose: --restart loads everything again",
    )
