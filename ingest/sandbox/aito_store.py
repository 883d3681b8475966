"""aito's rows: inserted, asked for, changed and deleted, in the one file and on the one thread.

A batch and a stream are one transaction each; `insert_each` is a file's best effort. Rows come back
in the order in which they were inserted.

Guesses: a linked value that the other table does not have is refused, in words that name no row;
rows that others link to may be deleted all the same. `_modify` on v1 is the client's insert, update
(with `upsert`) and delete (seen); what an upsert inserts, the equalities of its `where` and its
`set`, is a guess. v2's `_modify` changes tables, not rows (seen); of its operations only `optimize`
is here.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from msgspec.structs import replace

from ingest.sandbox import aito_query, aito_records, aito_where
from ingest.sandbox.aito_catalogue import Catalogue, Key, Transaction
from ingest.sandbox.aito_jobs import Jobs
from ingest.sandbox.aito_query import Query
from ingest.sandbox.aito_records import Columns, Rows
from ingest.sandbox.aito_refusal import BAD_JSON, UNSUPPORTED, bad, missing_link
from ingest.sandbox.aito_tables import Table
from ingest.sandbox.query import timed
from ingest.sandbox.refusal import Refused, shown

Parse = Callable[[bytes, Table], Rows]
Json = Mapping[str, Any]


class AitoStore:
    """Rows of every table. Every method may raise `Refused`."""

    def __init__(self, db: sqlite3.Connection, transaction: Transaction) -> None:
        self._db = db
        self._transaction = transaction
        self.catalogue = Catalogue(db, transaction)
        self.jobs = Jobs()

    def insert(self, key: Key, content: bytes, parse: Parse) -> int:
        """Store the rows of a body, all or none; how many there were."""
        entry = self.catalogue.entry(key)
        rows = parse(content, entry.table)
        with self._transaction():
            self._write(key, rows)
        return len(rows.records)

    def insert_each(self, key: Key, lines: Sequence[bytes]) -> list[tuple[int, str]]:
        """Store the good ones of these lines; (index, message) of the others, in order."""
        table = self.catalogue.entry(key).table
        try:
            rows = aito_records.of_stream(b"\n".join(lines), table)
            if len(rows.records) == len(lines):
                with self._transaction():
                    self._write(key, rows)
                return []
        except Refused:
            pass  # which of them, only one by one can tell
        with self._transaction():
            refusals = [(index, self._refusal(key, line)) for index, line in enumerate(lines)]
        return [(index, words) for index, words in refusals if words is not None]

    def _refusal(self, key: Key, line: bytes) -> str | None:
        """Store one line, or say why not."""
        try:
            with self._transaction():
                self._write(key, aito_records.of_line(line, self.catalogue.entry(key).table))
        except Refused as refused:
            return refused.message
        return None

    def query(self, base: str, query: Json, api: str) -> dict[str, Any]:
        """Rows of one table: see `aito_query`."""
        return aito_query.answer(self._db, self.catalogue, Query(base, query, api))

    def delete(self, key: Key, where: object) -> int:
        """Delete rows; how many."""
        with self._transaction():
            return self._delete(key, where)

    def modify(self, base: str, query: Json, api: str) -> dict[str, int]:
        """Do the operations of a `_modify`, all or none."""
        operations = query.get("operations", [query])
        if not isinstance(operations, list) or not all(isinstance(o, dict) for o in operations):
            raise bad('"operations" must be a list of objects')
        counts = Counter({"modifiedCount": 0, "insertedCount": 0, "deletedCount": 0})
        with self._transaction():
            for operation in operations:
                counts.update(self._operate(base, operation, api))
        return dict(counts)

    def _operate(self, base: str, operation: Json, api: str) -> dict[str, int]:
        match operation:
            case {"optimize": table, **rest} if not rest:
                self.catalogue.entry((base, aito_query.table_name(table)))
                return {}
            case {"into": table, "insert": rows, **rest} if not rest and api == "v1":
                return {"insertedCount": self._insert((base, aito_query.table_name(table)), rows)}
            case {"from": table, "delete": where, **rest} if not rest and api == "v1":
                return {"deletedCount": self._delete((base, aito_query.table_name(table)), where)}
            case {"update": table, "where": dict(where), "set": dict(values), **rest} if (
                not rest.keys() - {"upsert"} and api == "v1"
            ):
                return self._update(
                    (base, aito_query.table_name(table)), where, values, rest.get("upsert")
                )
        raise bad(f"the sandbox does not know the operation {shown(operation)}", UNSUPPORTED)

    def _insert(self, key: Key, rows: object) -> int:
        records: Sequence[Any] = rows if isinstance(rows, list) else [rows]
        table = self.catalogue.entry(key).table
        self._write(key, aito_records.of_objects(records, table))
        return len(records)

    def _update(self, key: Key, where: Json, values: Json, upsert: object) -> dict[str, int]:
        entry = self.catalogue.entry(key)
        condition = aito_where.compiled(where, entry.table)
        named = {n: column for n, column in entry.table.columns.items() if n in values}
        changed = aito_records.checked(
            aito_records.of_objects([values], entry.table), replace(entry.table, columns=named)
        )
        sets = ", ".join(f"{aito_where.slot(named[name])} = ?" for name in changed)
        done = 0
        if sets:
            update = f"UPDATE {entry.rows} SET {sets} WHERE {condition.sql}"  # noqa: S608 - no text of the user's
            new = [column[0] for column in changed.values()]
            done = self._db.execute(update, (*new, *condition.values)).rowcount
            self._check_links(key, changed)
        if upsert is True and not done:
            return {"insertedCount": self._insert(key, {**where, **values})}
        return {"modifiedCount": done}

    def _delete(self, key: Key, where: object) -> int:
        entry = self.catalogue.entry(key)
        condition = aito_where.compiled(where, entry.table)
        delete = f"DELETE FROM {entry.rows} WHERE {condition.sql}"  # noqa: S608 - no text of the user's
        with timed(self._db):
            return self._db.execute(delete, condition.values).rowcount

    def _write(self, key: Key, rows: Rows) -> None:
        """Insert rows within a transaction."""
        entry = self.catalogue.entry(key)
        columns = aito_records.checked(rows, entry.table)
        slots = [aito_where.slot(entry.table.columns[name]) for name in columns]
        marks = ", ".join("?" * len(slots))
        insert = f"INSERT INTO {entry.rows} ({', '.join(slots)}) VALUES ({marks})"  # noqa: S608 - no text of the user's
        try:
            self._db.executemany(insert, zip(*columns.values(), strict=True))
        except sqlite3.DataError as error:  # longer than SQLite may hold
            raise bad(f"a row is too large: {error}") from error
        self._check_links(key, columns)

    def _check_links(self, key: Key, columns: Columns) -> None:
        """Asked after the insert: a row may link to one of its own table and request."""
        table = self.catalogue.entry(key).table
        for column in (column for column in table.links() if column.name in columns):
            assert column.link is not None
            target = self.catalogue.entry((key[0], column.link.table))
            slot = aito_where.slot(target.table.columns[column.link.column])
            find = f"SELECT 1 FROM {target.rows} WHERE {slot} = ?"  # noqa: S608 - no text of the user's
            for value in set(columns[column.name]) - {None}:
                if self._db.execute(find, (value,)).fetchone() is None:
                    raise bad(missing_link(column.name, str(column.link)))


def parsed(content: bytes) -> dict[str, Any]:
    """The JSON object that a request to anything but batch and stream holds."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad(f"malformed JSON: {error}", BAD_JSON) from error
    if not isinstance(value, dict):
        raise bad(f"the body must be a JSON object, not {shown(value)}")
    return value
