"""What is written while a run sends: intents before, outcomes after, parts in place of a whole.

The invariant that no kill may break: **the records of a body that may have been applied stand in
exactly one open intent.** So

- the intent is durable before the first byte goes out;
- a body that was refused is APART no later than the first of its parts is intended: the intent of a
  part marks the whole one that holds it, in the same transaction. Before it, the whole is open and
  would be sent again as a whole; after it, only parts are, and records of parts that were never
  intended stand in no intent and are packed anew. At no instant are both open;
- an intent that is sent again after a kill is the same row (`sendings` grows), and its digest must
  be the same, or for a file that was lost and filled once more, its content. Were it to end UNSENT
  now, its earlier sending may still have landed: it stays open (`carried`).

A body is known by (number, offset, count). The record before a refused one of its key (`earlier`)
has the key of the refused one, which is settled by then: only open intents are unique.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.display import encodable
from ingest.errors import IngestError, SettingsError
from ingest.journal.answering import answered, without_refused
from ingest.journal.records import STATES, Key, State
from ingest.model import Batch, Outcome, Receipt, Span

MESSAGE_CHARS = 2000
_INTEND = """
    INSERT INTO intents (run, number, start, part, count, records, superseded, size_bytes, digest,
        state, sendings, first_sent_at, last_sent_at, spool, plain_bytes, plain_crc32)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 1, ?, ?, ?, ?, ?)"""
_AGAIN = """
    UPDATE intents SET sendings = sendings + 1, last_sent_at = ?, size_bytes = ?, digest = ?,
        spool = ? WHERE id = ?"""
_OPEN = """
    SELECT id, start, count, digest, plain_bytes, plain_crc32 FROM intents
    WHERE run = ? AND number = ? AND state = 0"""
_SPAN = "INSERT INTO spans VALUES (?, ?, ?, ?, ?)"
_SETTLE = """
    UPDATE intents SET state = ?, settled_at = ?, attempts = attempts + ?, failed = failed + ?,
        status = ?, resent = resent OR ?, superseded = ?, records = ?, refused = ?, doubtful = ?,
        message = ? WHERE id = ?"""


class Intend(Struct, frozen=True):
    """This body is about to be sent. `at` is wall time in seconds."""

    batch: Batch
    digest: str
    at: float


class Settle(Struct, frozen=True):
    """This body reached its end."""

    receipt: Receipt
    at: float


class TakeApart(Struct, frozen=True):
    """This body was surely refused as a whole; its parts will stand for it."""

    key: Key
    at: float


class NoteState(Struct, frozen=True):
    """How far the upload of this body is: JSON, the target's own."""

    key: Key
    text: str


Op = Intend | Settle | TakeApart | NoteState


def may_wait_for_sync(op: Op) -> bool:
    """Whether a power cut may take it until the next op that may not be taken. Not where something
    else is done that only makes sense with it: a body on the disk is deleted, refused records get
    their lines, and then the body could not be made again, were it in doubt."""
    if not isinstance(op, Settle):
        return False
    receipt = op.receipt
    refuses = receipt.outcome is Outcome.REJECTED or receipt.verdict.refused
    return receipt.batch.spool is None and not refuses


class Writer:
    """Writes the ops of one run, each within the caller's transaction.

    `file_ids` leads from a file's index in the run to its row; `carried` are the intents that an
    earlier process left open. `settled` collects the intents that reached an end. An op that can't
    be done raises before it has written anything.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        run: int,
        file_ids: Mapping[int, int],
        carried: Collection[int] = (),
    ) -> None:
        self._connection = connection
        self._run = run
        self._file_ids = file_ids
        self._carried = carried
        self.settled: list[int] = []

    def write(self, op: Op) -> None:
        """Write one op. Raises IngestError if it contradicts what is recorded."""
        match op:
            case Intend():
                self._intend(op)
            case Settle():
                self._settle(op)
            case TakeApart(key, at):
                self._end((self._known(key),), State.APART, at)
            case NoteState(key, text):
                self._connection.execute(
                    "UPDATE intents SET upload = ? WHERE id = ?", (text, self._known(key))
                )

    def _intend(self, op: Intend) -> None:
        batch, wholes = op.batch, list[int]()
        offset = batch.offset
        for id_, start, count, *recorded in self._open(batch.number):
            if (start, count) == (offset, batch.count):
                self._intend_again(id_, recorded, op)
                return
            if start <= offset and offset + batch.count <= start + count:
                wholes.append(id_)
        spans = self._span_rows(answered(batch))
        spool = batch.spool
        cursor = self._connection.execute(
            _INTEND,
            (
                *(self._run, batch.number, offset, str(batch.part), batch.count, batch.records),
                *(batch.superseded, batch.size_bytes, op.digest, op.at, op.at),
                os.fsencode(spool.path) if spool else None,
                spool.plain_bytes if spool else None,
                spool.plain_crc32 if spool else None,
            ),
        )
        self._connection.executemany(_SPAN, [(cursor.lastrowid, *row) for row in spans])
        self._end(wholes, State.APART, op.at)

    def _intend_again(self, id_: int, recorded: Sequence[Any], op: Intend) -> None:
        digest, plain_bytes, plain_crc32 = recorded
        batch, spool = op.batch, op.batch.spool
        same = digest in (op.digest, batch.digest(digest))
        if spool is not None and plain_crc32 is not None:
            same = same or (spool.plain_bytes, spool.plain_crc32) == (plain_bytes, plain_crc32)
        if not same:
            raise SettingsError(
                f"batch {batch.number}: not the body that is recorded as perhaps sent",
                "the data or the program changed: look at the table, then begin anew (--restart)",
            )
        path = os.fsencode(spool.path) if spool else None
        kept = op.digest if spool else digest
        self._connection.execute(_AGAIN, (op.at, batch.size_bytes, kept, path, id_))

    def _settle(self, op: Settle) -> None:
        receipt, batch = op.receipt, op.receipt.batch
        id_ = self._find(key_of(batch))
        if id_ is None and receipt.outcome is Outcome.UNSENT:
            return  # it was never intended
        if id_ is None:
            raise _unknown(key_of(batch))
        if receipt.outcome is Outcome.UNSENT and id_ in self._carried:
            return
        refused = receipt.verdict.refused
        if refused:
            self._replace_spans(id_, without_refused(batch, refused))
        self._connection.execute(
            _SETTLE,
            (
                *(STATES[receipt.outcome], op.at, receipt.attempts, receipt.failed),
                *(receipt.status, receipt.resent, batch.superseded, batch.records),
                *(len(refused), receipt.verdict.doubtful),
                encodable(receipt.message)[:MESSAGE_CHARS],
                id_,
            ),
        )
        self.settled.append(id_)

    def _end(self, ids: Iterable[int], state: State, at: float) -> None:
        for id_ in ids:
            self._connection.execute(
                "UPDATE intents SET state = ?, settled_at = ? WHERE id = ?", (state, at, id_)
            )
            self.settled.append(id_)

    def _open(self, number: int) -> list[tuple[Any, ...]]:
        return self._connection.execute(_OPEN, (self._run, number)).fetchall()

    def _find(self, key: Key) -> int | None:
        number, offset, count = key
        return next((row[0] for row in self._open(number) if row[1:3] == (offset, count)), None)

    def _known(self, key: Key) -> int:
        id_ = self._find(key)
        if id_ is None:
            raise _unknown(key)
        return id_

    def _replace_spans(self, id_: int, spans: Iterable[Span]) -> None:
        rows = self._span_rows(spans)
        self._connection.execute("DELETE FROM spans WHERE intent = ?", (id_,))
        self._connection.executemany(_SPAN, [(id_, *row) for row in rows])

    def _span_rows(self, spans: Iterable[Span]) -> list[tuple[int, int, int, int]]:
        return [(self._file_id(s.file), s.first, s.last, s.count) for s in spans]

    def _file_id(self, index: int) -> int:
        found = self._file_ids.get(index)
        if found is None:
            raise IngestError(f"file {index} of this run is not recorded", "this is a defect")
        return found


def key_of(batch: Batch) -> Key:
    """What names a body among those of its run."""
    return batch.number, batch.offset, batch.count


def _unknown(key: Key) -> IngestError:
    number, offset, count = key
    return IngestError(
        f"batch {number} ({count} records from {offset}): no intent of it is open",
        "this is a defect: nothing is sent before it is recorded",
    )
