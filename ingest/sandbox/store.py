"""The shared store: definitions and rows in one SQLite file, for one thread.

Promise: a request's rows are all in or none is; what is acknowledged survives the end of the
process (WAL with `synchronous=NORMAL`: a power cut may lose the last commits but never tears the
file, which is enough for rehearsals and four times quicker than FULL).

One `Store` belongs to one thread; `app` keeps it on a worker of its own, so SQLite never holds up
the event loop and there is exactly one writer. Definitions are kept as JSON in `_sandbox_tables`,
beside the tables they describe, so both change in one transaction; a name rule keeps users from
that prefix. A memory of definitions with their compiled checks saves reading them per request.
aito's tables live in the same file, under the same prefix, and have a store of their own, `aito`.

Guesses: a broken unique column is a 400 that names the record and the column; SQLite's files under
the data directory are called `sandbox.sqlite*`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from ingest.sandbox import body, query, tables
from ingest.sandbox.aito_store import AitoStore
from ingest.sandbox.names import INTERNAL_PREFIX, folded, quoted
from ingest.sandbox.refusal import Refused, bad, shown
from ingest.sandbox.rows import Write, Writer
from ingest.sandbox.tables import Column, Table

FILE_NAME = "sandbox.sqlite"
CATALOGUE = f"{INTERNAL_PREFIX}tables"

# The declared type decides what SQLite may turn a value into. Integers and texts are validated, so
# nothing is turned; a Double column has none, so that 5 stays 5 and 5.5 stays 5.5.
_DECLARED = {
    "Integer": "INTEGER", "Bigint": "INTEGER", "Lookup": "INTEGER", "Double": "BLOB",
    "Json": query.JSON_TYPE, "Embedding": query.JSON_TYPE,
}  # fmt: skip


class Store:
    """Tables and rows under one directory. Every method may raise `Refused`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / FILE_NAME
        self._db = sqlite3.connect(path, isolation_level=None)
        query.bound(self._db)
        self._db.execute("PRAGMA journal_mode=WAL")
        for setting in ("synchronous=NORMAL", "cache_size=-65536", "wal_autocheckpoint=8000"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {CATALOGUE} (name TEXT PRIMARY KEY, definition TEXT)"
        )
        self.aito = AitoStore(self._db, self.transaction)
        self._writers = {writer.table.name: writer for writer in self._catalogued()}
        self._reader = query.Reader(path, self._writers.__contains__)

    def close(self) -> None:
        """Close both connections; SQLite then folds the WAL into the file."""
        self._reader.close()
        self._db.close()

    def tables(self) -> list[Table]:
        """Every table, by name."""
        return [self._writers[name].table for name in sorted(self._writers)]

    def table(self, name: str) -> Table:
        """The definition of a table; 404 if there is none."""
        return self._writer(name).table

    def define(self, name: str, payload: Mapping[str, Any]) -> Table:
        """Create a table, or change its properties and columns."""
        old = self._writers.get(name)
        if old is None:
            self._refuse_twin(name)
        return self._change(name, tables.revised(name, old.table if old else None, payload))

    def widen(self, name: str, columns: object) -> Table:
        """Add columns to a table or change their properties."""
        return self._change(name, tables.widened(self.table(name), columns))

    def drop(self, name: str) -> None:
        """Forget a table and its rows."""
        self.table(name)
        with self.transaction():
            self._db.execute(f"DROP TABLE {quoted(name)}")
            self._db.execute(f"DELETE FROM {CATALOGUE} WHERE name = ?", (name,))  # noqa: S608
        del self._writers[name]

    def insert(self, name: str, content: bytes) -> int:
        """Store the records of a request's body, all or none; how many there were."""
        writer = self._writer(name)
        request = body.records(content, exact_numbers=writer.keeps_json)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self.transaction():
            for write in writer.planned(request.records, request.upsert_key, now):
                self._execute(writer.table, write)
        return len(request.records)

    def delete(self, name: str, row_id: int) -> None:
        """Delete one row by its id; 404 if there is none."""
        self.table(name)
        done = self._db.execute(f"DELETE FROM {quoted(name)} WHERE id = ?", (row_id,))  # noqa: S608
        if done.rowcount == 0:
            raise Refused(404, f"table {shown(name)} has no row with the id {row_id}")

    def delete_where(self, name: str, condition: str) -> int:
        """Delete the rows for which an SQL condition holds; how many there were."""
        self.table(name)
        with self.transaction():
            return query.delete_where(self._db, name, condition)

    def select(self, statement: object) -> dict[str, Any]:
        """Run one SELECT over the tables (see `query`)."""
        return self._reader.select(statement)

    def _catalogued(self) -> Iterator[Writer]:
        for (definition,) in self._db.execute(f"SELECT definition FROM {CATALOGUE}"):  # noqa: S608
            yield Writer.of(tables.from_json(orjson.loads(definition)))

    def _writer(self, name: str) -> Writer:
        writer = self._writers.get(name)
        if writer is None:
            raise Refused(404, f"there is no table {shown(name)}", table=name[:200])
        return writer

    def _refuse_twin(self, name: str) -> None:
        twins = [known for known in self._writers if folded(known) == folded(name)]
        if twins:
            raise bad(f"table {shown(name)} differs from table {shown(twins[0])} only by case")

    def _change(self, name: str, table: Table) -> Table:
        """Make the database follow a definition."""
        old = self._writers.get(name)
        with self.transaction():
            if old is None:
                self._db.execute(_creation(table))
            for column in table.columns:
                before = old.table.column(column.name) if old else None
                self._follow(table, before, column, is_new=old is not None and before is None)
            self._db.execute(
                f"INSERT OR REPLACE INTO {CATALOGUE} VALUES (?, ?)",  # noqa: S608
                (name, orjson.dumps(table.as_json()).decode()),
            )
        self._writers[name] = Writer.of(table)
        return table

    def _follow(self, table: Table, before: Column | None, column: Column, *, is_new: bool) -> None:
        if is_new:
            self._db.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {_declared(column)}")
        if before is not None and (before.indexed, before.unique) == (
            column.indexed,
            column.unique,
        ):
            return
        index = quoted(f"{table.name}/{column.name}")  # names have no slash: it is free
        self._db.execute(f"DROP INDEX IF EXISTS {index}")
        if column.indexed or column.unique:
            self._index(table, column, index)

    def _index(self, table: Table, column: Column, index: str) -> None:
        unique = "UNIQUE " if column.unique else ""
        on = f"{quoted(table.name)} ({quoted(column.name)})"
        try:
            self._db.execute(f"CREATE {unique}INDEX {index} ON {on}")
        except sqlite3.IntegrityError as error:
            name = shown(column.name)
            raise bad(f"column {name} can't become unique: rows share a value") from error

    def _execute(self, table: Table, write: Write) -> None:
        """Run one write; a broken unique column is traced to its record."""
        taken = _Counted(write.rows)
        try:
            self._db.executemany(write.sql, taken)
        except sqlite3.IntegrityError as error:
            index = write.first + taken.count - 1
            column = str(error).removeprefix(f"UNIQUE constraint failed: {table.name}.")
            message = (
                f"record {index} (from 0): column {shown(column)} is unique, "
                "and another row has the same value"
            )
            raise bad(message, record=index, column=column) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing. Within another one it is a part that may fail by itself."""
        part = self._db.in_transaction
        self._db.execute("SAVEPOINT part" if part else "BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._take_back(part=part)
            raise
        self._db.execute("RELEASE part" if part else "COMMIT")

    def _take_back(self, *, part: bool) -> None:
        """End a failed transaction, or one that SQLite has ended already: an interrupt does."""
        if self._db.in_transaction:
            for end in ("ROLLBACK TO part", "RELEASE part") if part else ("ROLLBACK",):
                self._db.execute(end)


class _Counted:
    """Rows on their way into SQLite, counted, since executemany does not say where it stopped."""

    __slots__ = ("_rows", "count")

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows:
            self.count += 1
            yield row


def _creation(table: Table) -> str:
    audit = [f"{quoted(column.name)} TEXT" for column in table.audit]
    columns = ["id INTEGER PRIMARY KEY", *map(_declared, table.columns), *audit]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(columns)})"


def _declared(column: Column) -> str:
    return f"{quoted(column.name)} {_DECLARED.get(column.type, 'TEXT')}"
