"""One job's journal: intent before action, in a file that survives the kill.

The model is a database's log. What is about to be sent is recorded before it goes out, what became
of it after; on the way back up the recorded intents **are** the cuts: the very bodies whose fate is
open are made again, byte for byte, and only records that stand in none are packed anew. So neither
a learned limit nor a halving nor a new version can shift a border under a body that may have
landed. See `writing` for the invariant that holds it together, `records` for the states,
`reading` for what counts as settled, `folding` for why the file stays small.

`Journal` is the plain core: it blocks, and one thread at a time may call it. `ledger` is its async
rim, which puts what many writers wait for into one commit. Every method raises an IngestError
naming the file where the journal can't be read or written, and then nothing of that call is
recorded. When the disk fills up nothing more is *intended*, and what is in flight is still recorded
in the room that is held back for it (`room`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from ingest.errors import IngestError
from ingest.journal import catalogue, schema
from ingest.journal.commits import Commits
from ingest.journal.folding import FOLD_EVERY, fold, open_ids, settled_ids
from ingest.journal.place import is_there, make_directory, refuse_network
from ingest.journal.reading import intents, settled_records
from ingest.journal.records import (
    FileRecord,
    IntentRecord,
    NewRun,
    RunRecord,
    RunState,
    Settled,
    State,
)
from ingest.journal.room import RESERVE_BYTES, Room
from ingest.journal.writing import Intend, Op, Writer, may_wait_for_sync
from ingest.journal.written import WrittenRejects
from ingest.model import Accounts


class Journal:
    """The journal of one job, open. `now` gives wall time in seconds."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        now: Callable[[], float],
        room: Room,
    ) -> None:
        self.path = path
        self.now = now
        self._connection = connection
        self._room = room
        self._commits = Commits(path, connection, room)
        self._settled: dict[int, list[int]] = {}
        with self._commits.reading():
            self._carried = set(open_ids(connection))
        self._ids: dict[int, dict[int, int]] = {}  # of each run: a file's index to its row

    @classmethod
    def open(
        cls,
        path: Path,
        job: str,
        now: Callable[[], float],
        reserve_bytes: int = RESERVE_BYTES,
    ) -> Self:
        """Open the journal at `path`, made if it is not there. The job's lock must be held.

        Raises SettingsError where it can't be kept, is damaged, or a later version wrote it, and
        DiskFull where `reserve_bytes` can't be held back.
        """
        make_directory(path.parent)
        refuse_network(path.parent)
        room = Room(path.parent, reserve_bytes)
        room.hold()
        try:
            if not is_there(path):
                schema.create(path, job)
            return cls(path, schema.connect(path, job), now, room)
        except BaseException:
            room.give_up()
            raise

    @property
    def commits(self) -> int:
        """How many there were."""
        return self._commits.count

    def __repr__(self) -> str:
        return f"<Journal {self.path}, {self.commits} commits>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the log is brought into it."""
        self._room.give_up()
        self._commits.close()
        self._connection.close()

    def make_room(self) -> bool:
        """Somebody of this run found the disk full: what was held back is theirs, and nothing more
        is intended. False if it was given up before. From any thread."""
        return self._room.give_up()

    # --- runs -------------------------------------------------------------------------------

    def runs(self) -> list[RunRecord]:
        """All runs, the first one first."""
        with self._commits.reading():
            return catalogue.all_runs(self._connection)

    def unfinished(self) -> RunRecord | None:
        """The run to take up: the last one, unless it is done or forgotten."""
        run = next(reversed(self.runs()), None)
        return None if run is None or run.forgotten or run.state == "done" else run

    def last_done(self) -> RunRecord | None:
        """The last run that was done and is not forgotten."""
        done = (run for run in self.runs() if run.state == "done" and not run.forgotten)
        return max(done, key=lambda run: run.id, default=None)

    def begin(self, new: NewRun) -> RunRecord:
        """Record a new run, open."""
        self._room.hold()
        with self._commits.writing():
            catalogue.insert_run(self._connection, new, self.now())
        return self.runs()[-1]

    def resume(self, run: RunRecord, limit: int | None = None) -> RunRecord:
        """The run is open again, with this limit of records; what it settled is folded."""
        self._room.hold()
        with self._commits.writing():
            catalogue.reopen_run(self._connection, run.id, limit)
            fold(self._connection, run.id, settled_ids(self._connection, run.id))
        return next(found for found in self.runs() if found.id == run.id)

    def finish(
        self,
        run: RunRecord,
        state: RunState,
        accounts: Accounts,
        files: Sequence[FileRecord] = (),
    ) -> None:
        """The run came to its end in this process; `files` are what is known of files of it now
        (once it is done, which are complete): that stands there with its end or not at all. Once it
        is done, the details of earlier runs go: a file that they settled must be among this one's
        files to be skipped later. What was held back is given up: a report that says more may
        still be written."""
        now = self.now()

        def work() -> None:
            catalogue.put_files(self._connection, run.id, files)
            catalogue.end_run(self._connection, run.id, state, accounts, now)

        self._commits.keep(work)
        self._room.give_up()

    def book(self, run: RunRecord, accounts: Mapping[str, int], highest: int) -> None:
        """A replay changed the accounts of a run that had ended, and used numbers up to this."""
        with self._commits.writing():
            catalogue.book_run(self._connection, run.id, accounts, highest)

    def forget(self, run: RunRecord | None = None) -> None:
        """Nothing of `run` (without one: of any run) is settled any more; they stay listed."""
        chosen = [run] if run is not None else self.runs()
        with self._commits.writing():
            for one in chosen:
                catalogue.forget_run(self._connection, one.id)

    # --- files ------------------------------------------------------------------------------

    def put_files(self, run: RunRecord, files: Sequence[FileRecord]) -> None:
        """Record these files of the run, or what is known of them now; by their shown names.

        Their indexes are those of the run under way: batches are written, and what is settled is
        answered, by them. Raises SettingsError for two files whose names are spelt alike.
        """
        catalogue.check_names([*self._file_ids(run), *(file.shown for file in files)])
        self._commits.keep(lambda: catalogue.put_files(self._connection, run.id, files))
        rows = self._file_ids(run)
        ids = self._ids.setdefault(run.id, {})
        ids.update({file.index: rows[file.shown] for file in files})

    def files(self, run: RunRecord) -> list[FileRecord]:
        """The run's files in the order in which they were recorded."""
        return list(self._files(run).values())

    def _files(self, run: RunRecord) -> dict[int, FileRecord]:
        with self._commits.reading():
            return catalogue.file_rows(self._connection, run.id, self._indexes(run))

    def _file_ids(self, run: RunRecord) -> dict[str, int]:
        with self._commits.reading():
            return catalogue.file_ids(self._connection, run.id)

    def _check_files(self, run: RunRecord) -> None:
        if run.id not in self._ids and self._file_ids(run):
            raise IngestError(
                f"{self.path}: asked for what is settled before the files were named",
                "this is a defect",
            )

    def _indexes(self, run: RunRecord) -> dict[int, int]:
        return {id_: index for index, id_ in self._ids.get(run.id, {}).items()}

    # --- batches ----------------------------------------------------------------------------

    def write(self, run: RunRecord, ops: Sequence[Op]) -> list[IngestError | None]:
        """Record these in one commit: durable on return (some outcomes only against a kill, see
        `log`), or an IngestError, and then nobody may rely on it.

        The answers say of each whether it was refused, because it contradicts what is recorded, or
        because there is no room to intend any more: outcomes are written all the same.
        """
        answers: list[IngestError | None] = []
        settled: list[int] = []
        waiting: list[int] = []
        intends = any(isinstance(op, Intend) for op in ops)

        def work() -> None:
            nonlocal answers, settled, waiting
            lack = self._room.lack() if intends else None
            writer = Writer(self._connection, run.id, self._ids.get(run.id, {}), self._carried)
            answers = [_answer(writer, op, lack) for op in ops]
            settled = writer.settled
            waiting = self._settled.get(run.id, []) + settled
            if len(waiting) >= FOLD_EVERY:
                fold(self._connection, run.id, waiting)
                waiting = []

        self._commits.keep(work, synced=not all(map(may_wait_for_sync, ops)))
        self._settled[run.id] = waiting
        self._carried.difference_update(settled)
        return answers

    def settled(self, run: RunRecord, written: WrittenRejects | None = None) -> Settled:
        """The records of the run that need no further sending, rejected ones by their lines.

        Only after `put_files`: without it no file of this process has a settled record.
        """
        self._check_files(run)
        lines = written or WrittenRejects()
        files = [file for file in self.files(run) if file.index >= 0]
        rejected = {file.index: found for file in files if (found := lines.of(file.shown))}
        with self._commits.reading():
            return settled_records(self._connection, run.id, self._indexes(run), rejected)

    def open_intents(self, run: RunRecord) -> list[IntentRecord]:
        """The bodies that may or may not have been sent, in order; only after `put_files`."""
        self._check_files(run)
        return self._intents(run, State.OPEN)

    def ambiguous(self, run: RunRecord) -> list[IntentRecord]:
        """The bodies that ended ambiguous, or with doubtful records: the report names them."""
        return self._intents(run, State.AMBIGUOUS)

    def _intents(self, run: RunRecord, state: State) -> list[IntentRecord]:
        indexes = self._indexes(run)
        files = {id_: (indexes.get(id_, -1), shown) for shown, id_ in self._file_ids(run).items()}
        with self._commits.reading():
            return intents(self._connection, run.id, state, files)


def _answer(writer: Writer, op: Op, lack: IngestError | None) -> IngestError | None:
    if isinstance(op, Intend) and lack is not None:
        return lack
    try:
        writer.write(op)
    except IngestError as error:
        return error
    return None
