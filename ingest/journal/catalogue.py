"""The journal's runs and files: rows to values and back. Each function is one step in the caller's
transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from msgspec.structs import asdict

from ingest.display import encodable
from ingest.errors import SettingsError
from ingest.journal.records import FileRecord, NewRun, RunRecord, RunState
from ingest.model import Accounts

_RUNS = """
    SELECT id, name, identity, identity_json, target, max_records, nonce, state, started_at,
        finished_at,
        max(highest, (SELECT coalesce(max(number), 0) FROM intents WHERE run = runs.id)),
        accounts, forgotten FROM runs ORDER BY id"""
_FILES = """
    SELECT id, shown, size_bytes, mtime_ns, inode, device, sha256, records, complete FROM files
    WHERE run = ? ORDER BY id"""
_FILE_IDS = "SELECT id, shown FROM files WHERE run = ? ORDER BY id"
_PUT_FILE = """
    INSERT INTO files (run, shown, size_bytes, mtime_ns, inode, device, sha256, records, complete)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, inode = excluded.inode,
    device = excluded.device, sha256 = excluded.sha256, records = excluded.records,
    complete = excluded.complete"""
_DETAILS = (
    "DELETE FROM spans WHERE intent IN (SELECT id FROM intents WHERE run = ?)",
    "DELETE FROM intents WHERE run = ?",
    "DELETE FROM folded WHERE run = ?",
    "DELETE FROM sums WHERE run = ?",
    "DELETE FROM files WHERE run = ?",
)
_BEGIN = """
    INSERT INTO runs (name, identity, identity_json, target, max_records, nonce, state, started_at)
    VALUES (?, ?, ?, ?, ?, ?, 'open', ?)"""
_FORGET = """
    UPDATE runs SET forgotten = 1, highest = max(highest,
        (SELECT coalesce(max(number), 0) FROM intents WHERE run = :run)) WHERE id = :run"""


def all_runs(connection: sqlite3.Connection) -> list[RunRecord]:
    """All runs, the first one first."""
    return [_run(*row) for row in connection.execute(_RUNS)]


def insert_run(connection: sqlite3.Connection, new: NewRun, now: float) -> None:
    """A run that begins now, open."""
    texts = (new.name, new.identity, encodable(new.identity_json), encodable(new.target))
    connection.execute(_BEGIN, (*texts, new.limit, new.nonce, now))


def reopen_run(connection: sqlite3.Connection, run: int, limit: int | None) -> None:
    """The run goes on, with this limit of records."""
    connection.execute(
        "UPDATE runs SET state = 'open', finished_at = NULL, max_records = ? WHERE id = ?",
        (limit, run),
    )


def end_run(
    connection: sqlite3.Connection, run: int, state: RunState, accounts: Accounts, now: float
) -> None:
    """The run ended. Once one is done, the details of those before it are of no use."""
    connection.execute(
        "UPDATE runs SET state = ?, finished_at = ?, accounts = ? WHERE id = ?",
        (state, now, orjson.dumps(asdict(accounts)).decode(), run),
    )
    if state == "done":
        for found in all_runs(connection):
            if found.id < run:
                _drop_details(connection, found.id)


def book_run(
    connection: sqlite3.Connection, run: int, accounts: Mapping[str, int], highest: int
) -> None:
    """The run has other accounts than at its end, and batches up to this number."""
    connection.execute(
        "UPDATE runs SET accounts = ?, highest = max(highest, ?) WHERE id = ?",
        (orjson.dumps(dict(accounts)).decode(), highest, run),
    )


def forget_run(connection: sqlite3.Connection, run: int) -> None:
    """The run stays listed, and nothing of it is settled any more."""
    connection.execute(_FORGET, {"run": run})
    _drop_details(connection, run)


def put_files(connection: sqlite3.Connection, run: int, files: Sequence[FileRecord]) -> None:
    """Record files, or what is known of them now, by their shown names."""
    connection.executemany(_PUT_FILE, [(run, *_file_row(file)) for file in files])


def check_names(names: Sequence[str]) -> None:
    """Raise SettingsError for two names that are spelt alike where only text can be written."""
    spelt: dict[str, str] = {}
    for shown in names:
        if spelt.setdefault(encodable(shown), shown) != shown:
            raise SettingsError(
                f"{encodable(shown)}: two files whose names are written alike",
                "rename one: their rejects could not be told apart",
            )


def file_ids(connection: sqlite3.Connection, run: int) -> dict[str, int]:
    """The rows of a run's files by their shown names: a third of what `file_rows` takes."""
    return {_text(shown): id_ for id_, shown in connection.execute(_FILE_IDS, (run,))}


def file_rows(
    connection: sqlite3.Connection, run: int, indexes: Mapping[int, int]
) -> dict[int, FileRecord]:
    """A run's files by their row. `indexes` leads from the row to the index in the run."""
    return {
        row[0]: _file(row, indexes.get(row[0], -1)) for row in connection.execute(_FILES, (run,))
    }


def _drop_details(connection: sqlite3.Connection, run: int) -> None:
    for statement in _DETAILS:
        connection.execute(statement, (run,))


def _run(*row: Any) -> RunRecord:
    (id_, name, identity, identity_json, target, limit, nonce) = row[:7]
    (state, started_at, finished_at, highest, accounts, forgotten) = row[7:]
    return RunRecord(
        id=id_,
        name=name,
        identity=identity,
        identity_json=identity_json,
        target=target,
        limit=limit,
        nonce=nonce,
        state=state,
        started_at=started_at,
        finished_at=finished_at,
        highest=highest,
        accounts=orjson.loads(accounts) if accounts else {},
        forgotten=bool(forgotten),
    )


def _file_row(file: FileRecord) -> tuple[Any, ...]:
    # An inode may need 64 bits without a sign, which SQLite's integers don't have.
    ids = (None if number is None else str(number) for number in (file.inode, file.device))
    facts = (file.size_bytes, file.mtime_ns, *ids, file.sha256, file.records, file.complete)
    return _name(file.shown), *facts


def _file(row: tuple[Any, ...], index: int) -> FileRecord:
    _, shown, size_bytes, mtime_ns, inode, device, sha256, records, complete = row
    return FileRecord(
        index=index,
        shown=_text(shown),
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        inode=None if inode is None else int(inode),
        device=None if device is None else int(device),
        sha256=sha256,
        records=records,
        complete=bool(complete),
    )


def _name(shown: str) -> bytes:
    return shown.encode("utf-8", "surrogatepass")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
