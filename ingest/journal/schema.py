"""The journal's tables, and a connection to them that keeps its word.

Commits go to a log (WAL), which `log` brings to the disk; frames carry checksums, so a log that was
cut anywhere gives the state before the first broken commit.
`application_id` and `user_version` say whose file it is and how its tables look: what a later
version wrote is refused, not guessed at; what an earlier one wrote gets the columns it lacks.
`quick_check` reads every page once; the file stays small by `folding`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ingest.errors import IngestError, SettingsError
from ingest.journal.place import create_private, damaged, move_into_place, unusable
from ingest.journal.room import no_room
from ingest.journal.whole import check_length

VERSION = 2
APPLICATION_ID = 0x696E6765  # "inge"
BUSY_S = 5.0

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, identity TEXT NOT NULL,
    identity_json TEXT NOT NULL, target TEXT NOT NULL, max_records INTEGER, nonce TEXT NOT NULL,
    state TEXT NOT NULL, started_at REAL NOT NULL, finished_at REAL, accounts TEXT,
    highest INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0);
-- shown: UTF-8 with surrogates passed, since a file name need not be text
CREATE TABLE files (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, shown BLOB NOT NULL, size_bytes INTEGER,
    mtime_ns INTEGER, inode TEXT, device TEXT, sha256 TEXT, records INTEGER,
    complete INTEGER NOT NULL, UNIQUE (run, shown));
-- start, part: Batch.offset and Batch.part (of any length, so as text); state: records.State
CREATE TABLE intents (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL,
    part TEXT NOT NULL, count INTEGER NOT NULL, records INTEGER NOT NULL,
    superseded INTEGER NOT NULL, size_bytes INTEGER NOT NULL, digest TEXT NOT NULL,
    state INTEGER NOT NULL, sendings INTEGER NOT NULL, first_sent_at REAL NOT NULL,
    last_sent_at REAL NOT NULL, settled_at REAL, attempts INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, status INTEGER, resent INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0, doubtful INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '', upload TEXT, spool BLOB, plain_bytes INTEGER,
    plain_crc32 INTEGER);
CREATE UNIQUE INDEX open_intents ON intents (run, number, start, count) WHERE state = 0;
CREATE TABLE spans (
    intent INTEGER NOT NULL, file INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (intent, file, first)) WITHOUT ROWID;
-- what is left of settled intents: see folding
CREATE TABLE folded (
    run INTEGER NOT NULL, file INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (run, file, first)) WITHOUT ROWID;
CREATE TABLE sums (
    run INTEGER NOT NULL, state INTEGER NOT NULL, intents INTEGER NOT NULL,
    records INTEGER NOT NULL, superseded INTEGER NOT NULL, refused INTEGER NOT NULL,
    doubtful INTEGER NOT NULL, attempts INTEGER NOT NULL, failed INTEGER NOT NULL,
    retried INTEGER NOT NULL, bytes_sent INTEGER NOT NULL, PRIMARY KEY (run, state)) WITHOUT ROWID;
"""


def create(path: Path, job: str) -> None:
    """A new journal at `path`, whole or not at all. Raises SettingsError."""
    made = path.with_name(f"{path.name}.new")
    try:
        create_private(made)
        connection = _connection(made)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={VERSION}")
            connection.executescript(f"BEGIN;{TABLES}COMMIT;")
            connection.execute("INSERT INTO meta VALUES ('job', ?)", (job,))
        finally:
            connection.close()  # the last connection brings the log into the file
        move_into_place(made, path)
    except sqlite3.Error as exc:
        raise unusable(path, str(exc)) from exc
    except OSError as exc:
        raise unusable(path, exc.strerror or str(exc)) from exc


def connect(path: Path, job: str) -> sqlite3.Connection:
    """A connection to the journal at `path`, checked. Raises SettingsError naming the file."""
    check_length(path)
    connection = None
    try:
        connection = _connection(path)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cell_size_check=ON")
        version = _check_whose(connection, path, job)
        _check_pages(connection, path)
        _bring_up(connection, version)
    except sqlite3.Error as exc:
        if connection is not None:
            connection.close()
        raise as_refusal(exc, path) from exc
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def as_refusal(exc: sqlite3.Error, path: Path) -> IngestError:
    """What SQLite's error means for a run."""
    code = (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return unusable(path, str(exc))
    if code == sqlite3.SQLITE_BUSY:
        return SettingsError(f"{path}: another program holds the journal", "end it, and run again")
    if code == sqlite3.SQLITE_FULL:
        return no_room(path.parent, f"the disk is full: {path} can't be written: {exc}")
    if code == sqlite3.SQLITE_IOERR:
        return no_room(path.parent, f"the journal can't be written: {path}: {exc}")
    return damaged(path, str(exc))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it durable on leaving, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back where the disk is full
            connection.execute("ROLLBACK")
        raise


def _connection(path: Path) -> sqlite3.Connection:
    """Opens only what is there. Used by one thread at a time, not always the same."""
    where = f"file:{quote(os.fsencode(path.absolute()))}?mode=rw"
    return sqlite3.connect(
        where, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )


def _check_whose(connection: sqlite3.Connection, path: Path, job: str) -> int:
    """The version of its tables."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise damaged(path, "it is no journal of this program")
    if version > VERSION:
        raise SettingsError(
            f"{path}: a later version of this program wrote this journal"
            f" (schema {version}, this one knows {VERSION})",
            "run that version; or forget what was settled, with --restart",
        )
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise damaged(path, f"its journal mode is {mode}")
    row = connection.execute("SELECT value FROM meta WHERE key = 'job'").fetchone()
    if row is None or row[0] != job:
        raise damaged(path, f"it belongs to the job {row[0]!r}" if row else "it names no job")
    return int(version)


def _bring_up(connection: sqlite3.Connection, version: int) -> None:
    if version < VERSION:
        with transaction(connection):
            connection.execute("ALTER TABLE intents ADD COLUMN plain_crc32 INTEGER")
            connection.execute(f"PRAGMA user_version={VERSION}")


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    for (found,) in connection.execute("PRAGMA quick_check(1)"):
        if found != "ok":
            raise damaged(path, str(found).replace("\n", " "))
