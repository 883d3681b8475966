"""aito's tables in the database: their definitions, and the SQLite tables that follow them.

A definition stands as JSON in `_sandbox_aito`, under its database (`/db/{name}`, or none) and its
name; its rows stand in `_sandbox_aito_N` with columns `cN`. So no name of a user's becomes part of
a statement, names may differ by case alone, and nothing collides with Avalanchio's tables, which
can't begin with that prefix. Columns have no declared type: SQLite turns nothing into anything.

Every change is made to a copy of the database's definitions and checked as a whole, links of all
tables included, before the first statement; definitions and rows change in one transaction. A
column that others link to has an index, since each linked value is looked up.

Seen: a table that has rows can't be replaced. Guesses: neither can a table or column go that
others link to; a PUT of the whole schema leaves tables alone that it does not name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

import orjson
from msgspec import Struct

from ingest.sandbox import aito_tables
from ingest.sandbox.aito_refusal import BAD_COLUMN, BAD_SCHEMA, EXISTS, bad, no_table
from ingest.sandbox.aito_tables import Column, Table, checked_name
from ingest.sandbox.names import INTERNAL_PREFIX
from ingest.sandbox.refusal import Refused, shown

CATALOGUE = f"{INTERNAL_PREFIX}aito"

Key = tuple[str, str]  # the database, "" for the one at the root, and the table
Tables = dict[str, Table]
Transaction = Callable[[], AbstractContextManager[sqlite3.Connection]]


class Entry(Struct, frozen=True):
    """A table and the number of its rows' table."""

    number: int
    table: Table

    @property
    def rows(self) -> str:
        """The SQLite table that holds the rows."""
        return f"{CATALOGUE}_{self.number}"


class Catalogue:
    """The tables of every database. Every method may raise `Refused`."""

    def __init__(self, db: sqlite3.Connection, transaction: Transaction) -> None:
        self._db = db
        self._transaction = transaction
        columns = "number INTEGER PRIMARY KEY, db TEXT, name TEXT, definition TEXT"
        db.execute(f"CREATE TABLE IF NOT EXISTS {CATALOGUE} ({columns}, UNIQUE (db, name))")
        kept = db.execute(f"SELECT number, db, name, definition FROM {CATALOGUE} ORDER BY number")  # noqa: S608 - ours
        self._entries: dict[Key, Entry] = {
            (base, name): Entry(number, aito_tables.from_stored(orjson.loads(definition)))
            for number, base, name, definition in kept
        }

    def tables(self, base: str) -> Tables:
        """The tables of one database, in the order in which they were made."""
        return {name: e.table for (db, name), e in self._entries.items() if db == base}

    def entry(self, key: Key) -> Entry:
        """A table; 404 if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            raise no_table(key[1])
        return entry

    def column(self, key: Key, name: str) -> Column:
        """A column; 404 if there is none."""
        column = self.entry(key).table.columns.get(name)
        if column is None:
            raise Refused(404, f"No such column: {key[1]}.{name[:200]}")
        return column

    def has_rows(self, key: Key) -> bool:
        """Whether a table that exists has rows."""
        rows = self.entry(key).rows
        (found,) = self._db.execute(f"SELECT EXISTS (SELECT 1 FROM {rows})").fetchone()  # noqa: S608 - ours
        return bool(found)

    def put(self, base: str, payloads: Mapping[str, object], api: str) -> Tables:
        """Make tables, or replace those without rows; all or none. Returns the new ones."""
        for name in payloads:
            checked_name(name, "table")
            if (base, name) in self._entries and self.has_rows((base, name)):
                raise bad(f"Cannot replace table {name}: it has rows", EXISTS)
        made = {name: aito_tables.table_of(payload, api) for name, payload in payloads.items()}
        self._check({**self.tables(base), **made}, BAD_SCHEMA)
        entries = {(base, name): Entry(0, table) for name, table in made.items()}
        with self._transaction():
            self._forget(entries)
            numbered = {key: self._create(key, entry.table) for key, entry in entries.items()}
            self._index({**self._entries, **numbered})
        self._entries.update(numbered)
        return made

    def drop(self, base: str, names: Iterable[str]) -> list[str]:
        """Forget tables and their rows; which."""
        gone = [(base, name) for name in names]
        for key in gone:
            self.entry(key)
        left = {name: t for name, t in self.tables(base).items() if (base, name) not in gone}
        self._check(left, BAD_SCHEMA)
        with self._transaction():
            self._forget(gone)
        for key in gone:
            del self._entries[key]
        return [name for _, name in gone]

    def put_column(self, key: Key, column: Column) -> None:
        """Add a column, or replace its namesake where that is allowed."""
        table = self.entry(key).table
        self._change(key, aito_tables.changed(table, column, has_rows=self.has_rows(key)))

    def drop_column(self, key: Key, name: str) -> None:
        """Forget a column and its values."""
        self.column(key, name)
        self._change(key, self.entry(key).table.without(name))

    def _change(self, key: Key, table: Table) -> None:
        base, name = key
        old = self.entry(key)
        self._check({**self.tables(base), name: table}, BAD_COLUMN)
        before, after = ({c.slot for c in t.columns.values()} for t in (old.table, table))
        changed = Entry(old.number, table)
        with self._transaction():
            for slot in sorted(after - before):
                self._db.execute(f"ALTER TABLE {old.rows} ADD COLUMN c{slot}")
            for slot in sorted(before - after):
                self._db.execute(f"DROP INDEX IF EXISTS {old.rows}_c{slot}")
                self._db.execute(f"ALTER TABLE {old.rows} DROP COLUMN c{slot}")
            update = f"UPDATE {CATALOGUE} SET definition = ? WHERE number = ?"  # noqa: S608 - ours
            self._db.execute(update, (_kept(table), old.number))
            self._index({**self._entries, key: changed})
        self._entries[key] = changed

    def _check(self, tables: Tables, code: str) -> None:
        for name, table in tables.items():
            problem = aito_tables.broken_link(table, tables)
            if problem:
                raise bad(f"table {shown(name)}: {problem}", code)

    def _create(self, key: Key, table: Table) -> Entry:
        insert = f"INSERT INTO {CATALOGUE} (db, name, definition) VALUES (?, ?, ?)"  # noqa: S608 - ours
        number = self._db.execute(insert, (*key, _kept(table))).lastrowid
        assert number is not None
        entry = Entry(number, table)
        slots = ", ".join(f"c{column.slot}" for column in table.columns.values())
        self._db.execute(f"CREATE TABLE {entry.rows} ({slots})")
        return entry

    def _forget(self, keys: Iterable[Key]) -> None:
        for entry in (self._entries[key] for key in keys if key in self._entries):
            self._db.execute(f"DROP TABLE {entry.rows}")
            self._db.execute(f"DELETE FROM {CATALOGUE} WHERE number = ?", (entry.number,))  # noqa: S608 - ours

    def _index(self, entries: Mapping[Key, Entry]) -> None:
        """An index on every column that a link leads to."""
        for (base, _), entry in entries.items():
            for column in entry.table.links():
                assert column.link is not None
                target = entries[base, column.link.table]
                slot = target.table.columns[column.link.column].slot
                name = f"{target.rows}_c{slot}"
                self._db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {target.rows} (c{slot})")


def _kept(table: Table) -> str:
    return orjson.dumps(aito_tables.stored(table)).decode()
