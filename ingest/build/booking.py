"""A run in the job's books: begun or taken up, and what is settled already.

The lock of the job is held from here to the run's end. The journal says which of three this is:

- *begun*: no run of this job is open. Files that the last finished run had, unchanged, are skipped;
- *taken up*: the last run of this job was ended before its time. It goes on under its id with
  cumulative accounts, if it still is the same job: other settings (but for limits, rejects and
  logging) or changed files are refused, with what changed and the way on;
- *fresh*: outside of the books, for benchmarks. Nothing is recorded, nothing can be taken up.

What can't be read twice (standard input, a FIFO) can't be taken up: said, and begun anew.

Identity is what the records that are sent depend on, and where they go, the resolved base URL
included: what was loaded into a rehearsal is not settled for the real service.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from ingest.build.options import RunOptions
from ingest.display import count
from ingest.errors import SettingsError
from ingest.events import Watcher
from ingest.job import Job
from ingest.journal import (
    FileRecord,
    IntentRecord,
    Journal,
    JournalLedger,
    NewRun,
    RunRecord,
    RunState,
    Settled,
    WrittenRejects,
    accounts_so_far,
    read_back,
    set_aside,
)
from ingest.locking import Holder, JobLock
from ingest.model import Accounts, Batch
from ingest.sources.files import FileSource, FileStat
from ingest.state import RunDir, StateDir

LOCK_WAIT_S = 1.0  # `ingest clean` holds a lock for a moment
SHOWN_CHANGES = 5
_RESTART = (
    "put it back as it was, or begin anew with --restart (what was sent stays at the service)"
)


@dataclass(slots=True)
class Booking:
    """One run in the books. Without `journal` it is outside of them.

    `skipped` are records of unchanged files, by index. `begun` are the files that are loaded for
    the first time, None in a run that is taken up.
    """

    run: RunDir
    journal: Journal | None = None
    record: RunRecord | None = None
    accounts: Accounts = field(default_factory=Accounts)
    settled: Settled | None = None
    intents: Sequence[IntentRecord] = ()
    ambiguous: Sequence[IntentRecord] = ()
    written: WrittenRejects = field(default_factory=WrittenRejects)
    skipped: dict[int, int] = field(default_factory=dict)
    begun: frozenset[int] | None = None

    @property
    def first_number(self) -> int:
        """The number of the first batch that is packed anew."""
        return self.record.highest + 1 if self.record else 1

    def ledger(self) -> JournalLedger | None:
        """Where intents and outcomes are written."""
        if self.journal is None or self.record is None:
            return None
        return JournalLedger(self.journal, self.record)

    def sent_before(self) -> Callable[[Batch], float | None]:
        """How long ago a process that was ended had a body under way; None if none had.

        The books know when a body was intended, and not when its last attempt ended: so the wait
        for late commits begins now.
        """
        known = {intent.key for intent in self.intents}
        return lambda batch: 0.0 if (batch.number, batch.offset, batch.count) in known else None

    def finish(
        self, state: RunState, accounts: Accounts, source: FileSource, records: Mapping[int, int]
    ) -> None:
        """The run came to its end in this process; `records` were read of each file, by index.

        Only of a run that is done a file counts as complete: one that was read to its end need not
        be sent to its end.
        """
        if self.journal is None or self.record is None:
            return
        facts = {one.index: one for one in source.files_read()}
        if state == "done":
            whole = [
                replace(
                    record_of(stat),
                    sha256=one.sha256,
                    records=records.get(stat.index, 0),
                    complete=True,
                )
                for stat in source.stats()
                if (one := facts.get(stat.index)) is not None and one.sha256 is not None
            ]
            self.journal.put_files(self.record, whole)
        self.journal.finish(self.record, state, accounts)


@contextmanager
def locked(job: Job, state: StateDir, options: RunOptions) -> Iterator[JobLock | None]:
    """The job's lock, but for runs outside of the books. Raises JobHeld."""
    if options.fresh:
        yield None
        return
    lock = JobLock(state.lock_path(job.name))
    holder = Holder("", socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))
    with lock.held(holder, wait_s=LOCK_WAIT_S):
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
    path = state.lock_path(job.name).with_name("journal.sqlite")
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What the books ask about where the records go: the target in words, its base URL, whether
    the table was made just now, and who is told."""

    shown: str
    base_url: str
    made: bool
    watcher: Watcher


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
        self._identity = {**job.identifying(), "base_url": asked.base_url}

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
        run = self._state.new_run(self._job.name, datetime.now(UTC), secrets.token_hex)
        text = orjson.dumps(self._identity, option=orjson.OPT_SORT_KEYS).decode()
        skipped = self._unchanged()
        new = NewRun(run.id, _digest(text), text, self._asked.shown, self._options.limit)
        record = self._journal.begin(new)
        files = [skipped.get(stat.index, record_of(stat)) for stat in self._stats]
        files += [
            FileRecord(file.index, file.shown)
            for file in self._source.files
            if file.index not in {stat.index for stat in self._stats}
        ]
        self._journal.put_files(record, files)
        begun = frozenset(file.index for file in self._source.files) - skipped.keys()
        return self._with_skipped(Booking(run, self._journal, record, begun=begun), skipped)

    def _with_skipped(self, booking: Booking, skipped: dict[int, FileRecord]) -> Booking:
        booking.skipped = {index: file.records or 0 for index, file in skipped.items()}
        records = sum(booking.skipped.values())
        if records and self._asked.made:
            raise _table_is_gone(records)
        booking.accounts.read += records
        booking.accounts.skipped += records
        if skipped:
            self._asked.watcher.note(
                f"{count(len(skipped))} files with {count(records)} records are unchanged since"
                " they were loaded: skipped (--restart loads them again)"
            )
        return booking

    def _unchanged(self) -> dict[int, FileRecord]:
        """Files that the last finished run of this very job had, by index."""
        last = self._journal.last_done()
        if last is None:
            return {}
        if _changes(last, self._identity):
            self._note("the job's settings changed since its last run: everything is loaded anew")
            return {}
        known = {file.shown: file for file in self._journal.files(last) if file.complete}
        return {
            stat.index: replace(
                record_of(stat),
                sha256=known[stat.shown].sha256,
                records=known[stat.shown].records,
                complete=True,
            )
            for stat in self._stats
            if stat.shown in known and _is_same(known[stat.shown], stat)
        }

    def _taken_up(self, record: RunRecord) -> Booking:
        if changes := _changes(record, self._identity):
            raise SettingsError(
                f"the unfinished run {record.name} was begun otherwise: {'; '.join(changes)}",
                _RESTART,
            )
        known = {file.shown: file for file in self._journal.files(record)}
        self._check_files(record, known)
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
            intents=self._journal.open_intents(record),
            ambiguous=self._journal.ambiguous(record),
            written=written,
        )
        self._asked.watcher.note(
            f"taking up {record.name}: {count(accounts.accepted)} records accepted before,"
            f" {count(len(booking.intents))} batches perhaps sent"
        )
        skipped = {file.index: file for file in files if file.complete}
        return self._with_skipped(booking, skipped)

    def _check_files(self, record: RunRecord, known: Mapping[str, FileRecord]) -> None:
        there = {stat.shown: stat for stat in self._stats}
        for shown, file in known.items():
            stat = there.get(shown)
            if stat is None:
                raise SettingsError(
                    f"{shown}: a file of the unfinished run {record.name} is not there any more",
                    _RESTART,
                )
            if not _is_same(file, stat):
                raise SettingsError(
                    f"{shown}: changed since the unfinished run {record.name} began", _RESTART
                )


def record_of(stat: FileStat) -> FileRecord:
    """A file as it is now."""
    facts = (stat.size_bytes, stat.mtime_ns, stat.inode, stat.device)
    return FileRecord(stat.index, stat.shown, *facts)


def _is_same(known: FileRecord, stat: FileStat) -> bool:
    """Size and hash decide; time and inode are shortcuts only."""
    if known.size_bytes != stat.size_bytes:
        return False
    times = (known.mtime_ns, known.inode, known.device)
    if times == (stat.mtime_ns, stat.inode, stat.device):
        return True
    return known.sha256 is not None and known.sha256 == stat.sha256()


def _changes(record: RunRecord, identity: Mapping[str, Any]) -> list[str]:
    """What differs between the run's identity and today's, in words."""
    then: dict[str, Any] = orjson.loads(record.identity_json)
    now: dict[str, Any] = orjson.loads(orjson.dumps(identity))
    return list(_differing(then, now, ""))[:SHOWN_CHANGES]


def _differing(then: Any, now: Any, place: str) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from _differing(then.get(key), now.get(key), f"{place}.{key}" if place else key)
    elif then != now:
        yield f"{place} was {_short(then)} and is {_short(now)}"


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else text[:59] + "…"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _table_is_gone(records: int) -> SettingsError:
    return SettingsError(
        f"the table was not there, but this job has loaded {count(records)} records into it before",
        "if it was dropped on purpose: --restart loads everything again",
    )
