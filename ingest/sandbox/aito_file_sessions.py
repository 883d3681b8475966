"""The sessions of file uploads, kept in the database beside the rows. For the store's thread.

Promise: **a chunk's rows and the session's progress are one transaction**, so whatever instant the
process is killed at, the record of a session is the truth about the table, and processing that goes
on from `read` takes every line exactly once. A status is therefore answered after a restart as
before, and a session that was cut off is found by `unfinished`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ingest.sandbox.aito_file_lines import LINE_BYTES
from ingest.sandbox.aito_file_status import FINISHED, RUNNING, WAITING, Session, failing_row
from ingest.sandbox.aito_refusal import bad
from ingest.sandbox.aito_rows import insert_each
from ingest.sandbox.names import INTERNAL_PREFIX
from ingest.sandbox.refusal import Refused, shown
from ingest.sandbox.s3_objects import Objects
from ingest.sandbox.store import Store

_TABLE = f"{INTERNAL_PREFIX}files"
_FIELDS = (
    "id TEXT PRIMARY KEY", '"table" TEXT', "api TEXT", "state TEXT", "started_s REAL",
    "ended_s REAL", '"read" INTEGER', "completed INTEGER", "failing BLOB", "last BLOB",
)  # fmt: skip


def create(store: Store, session: Session) -> None:
    """Keep a new session. Raises `Refused` (404) if its table does not exist."""
    insert_each(store, session.table, [], session.api)  # knows in which words a table is missing
    with store.transaction() as db:
        _put(db, session)


def find(store: Store, table: str, session_id: str) -> Session:
    """The session of that id for that table. Raises `Refused` (404)."""
    with store.transaction() as db:
        session = _get(db, session_id)
    if session is None or session.table != table:
        name = shown(table)
        raise Refused(404, f"No such file upload for the table {name}: {session_id[:100]}")
    return session


def begin(store: Store, table: str, session_id: str, objects: Objects, now_s: float) -> Session:
    """The session, triggered now; its body is no longer on S3. Raises `Refused` (404, 400).

    All on the store's thread, so that of two triggers at once one is the second.
    """
    session = find(store, table, session_id)
    if session.state != WAITING:
        raise bad(f"The file upload {session.id} was already triggered: ask its status")
    try:
        objects.take(session.id)
    except FileNotFoundError:
        message = f"Nothing was uploaded for {session.id}: PUT the file to its URL first"
        raise bad(message) from None
    with store.transaction() as db:
        return _put(db, replace(session, state=RUNNING, started_s=now_s))


def land(store: Store, session: Session, lines: Sequence[bytes]) -> Session:
    """Insert what is good of a chunk, and keep what became of it, both or neither."""
    fitting = [n for n, line in enumerate(lines) if len(line) <= LINE_BYTES]
    with store.transaction() as db:
        refused = insert_each(store, session.table, [lines[n] for n in fitting], session.api)
        failed = dict.fromkeys(range(len(lines)), f"the row is longer than {LINE_BYTES} bytes")
        for n in fitting:
            del failed[n]
        failed |= {fitting[n]: message for n, message in refused}
        return _put(db, session.after(lines, sorted(failed.items())))


def counted(store: Store, session: Session, lines: int) -> Session:
    """The session once `lines` were counted and thrown away (`--discard`)."""
    with store.transaction() as db:
        return _put(db, replace(session, read=lines, completed=lines))


def finished(store: Store, session: Session, now_s: float, trouble: str = "") -> Session:
    """The session at its end; `trouble` says why the file could not be read on."""
    rows = [failing_row(None, trouble)] if trouble else []
    ended = replace(session.with_failing(rows), state=FINISHED, ended_s=now_s)
    with store.transaction() as db:
        return _put(db, ended)


def unfinished(store: Store) -> list[Session]:
    """The sessions that were triggered and did not come to their end."""
    with store.transaction() as db:
        return _select(db, "state = ?", RUNNING)


def _get(db: sqlite3.Connection, session_id: str) -> Session | None:
    return next(iter(_select(db, "id = ?", session_id)), None)


def _select(db: sqlite3.Connection, condition: str, value: str) -> list[Session]:
    _ensure(db)
    rows = db.execute(f"SELECT * FROM {_TABLE} WHERE {condition}", (value,))  # noqa: S608 - ours
    return [_session(row) for row in rows]


def _session(row: tuple[Any, ...]) -> Session:
    *plain, failing, last = row
    rows = tuple(failing.split(b"\n")) if failing else ()
    return replace(Session(*plain), failing=rows, last=last)


def _put(db: sqlite3.Connection, session: Session) -> Session:
    _ensure(db)
    row = (
        session.id, session.table, session.api, session.state, session.started_s,
        session.ended_s, session.read, session.completed,
        b"\n".join(session.failing), session.last,  # JSON texts hold no line end
    )  # fmt: skip
    places = ", ".join("?" * len(row))
    db.execute(f"INSERT OR REPLACE INTO {_TABLE} VALUES ({places})", row)  # noqa: S608 - ours
    return session


def _ensure(db: sqlite3.Connection) -> None:
    db.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} ({', '.join(_FIELDS)})")
