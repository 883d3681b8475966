"""From a request's records to SQL writes: validated by columns, planned in the order they came.

Pure. `planned` refuses the whole request at the first value that is wrong (in record order), or
gives writes: one statement with many rows each. Most requests are one write: an `executemany` over
a zip of columns, so nothing here runs per record but C loops, unless a value is wrong and has to be
found.

How a record finds its row (the page's rules, and where it is silent, guesses):

- With an `id`, it is that row: overwritten if it exists, else made. A given id takes precedence
  over the upsert key.
- Else, with an `upsert_key` and a value for it, the row with that value is updated, or one is made.
- Else a row is made with the next id.
- Where a row exists, the columns that the record names are replaced and the others keep their value
  (guess, for both cases). Two records for one row: the later wins, because writes keep the order.
- Required columns must have a value in every record, updates included (guess).
- `created_at` and `updated_at` are the server's; a record that names them is refused (guess).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

from msgspec import Struct

from ingest.sandbox import values
from ingest.sandbox.names import quoted
from ingest.sandbox.refusal import Refused, bad, shown
from ingest.sandbox.tables import ID, Table

Records = Sequence[Mapping[str, Any]]
Stored = Mapping[str, Sequence[Any]]


class Write(Struct, frozen=True):
    """One statement over the rows from record `first` (counted from 0) on."""

    sql: str
    rows: Iterator[tuple[Any, ...]]
    first: int


class Writer(Struct, frozen=True):
    """A table with the checks of its columns compiled; made anew when the table changes."""

    table: Table
    checks: Mapping[str, values.Check]

    @classmethod
    def of(cls, table: Table) -> Writer:
        """Compile the checks of every column that a record may name."""
        return cls(table, {c.name: values.compiled(c) for c in (ID, *table.columns)})

    @property
    def keeps_json(self) -> bool:
        """A column holds JSON whose numbers must keep their digits."""
        return any(column.type == "Json" for column in self.table.columns)

    def planned(self, records: Records, upsert_key: str | None, now: str) -> Iterator[Write]:
        """The writes for `records`, all validated before the first is given."""
        self._check_upsert_key(upsert_key)
        stored = self._stored(records)
        for first, last, by, names in _groups(records, upsert_key):
            part = {name: stored[name][first:last] for name in names}
            part.setdefault("id", [None] * (last - first))
            yield self._write(part, by, now, first)

    def _check_upsert_key(self, key: str | None) -> None:
        if key is None or key == ID.name:
            return
        column = self.table.column(key)
        if column is None:
            raise bad(f"upsert_key {shown(key)} is no column of table {shown(self.table.name)}")
        if not (column.indexed and column.unique):
            raise bad(f"upsert_key {shown(key)} must be an indexed and unique column", column=key)

    def _stored(self, records: Records) -> Stored:
        """Every named column's values as the database takes them; refuses the first bad value."""
        if not records:
            return {}
        named = set[str]().union(*records)
        required = {check.name for check in self.checks.values() if check.required}
        if not named <= self.checks.keys() or not required <= named:
            raise self._first_problem(records)
        columns = {name: _column(records, name) for name in named}
        if not all(self.checks[name].fits(column) for name, column in columns.items()):
            raise self._first_problem(records)
        return {name: self.checks[name].stored(column) for name, column in columns.items()}

    def _first_problem(self, records: Records) -> Refused:
        for index, record in enumerate(records):
            for name in record:
                if name not in self.checks:
                    return self._unknown(index, name)
            for check in self.checks.values():
                problem = check.problem(record.get(check.name))
                if problem is not None:
                    return _wrong(index, check.name, record.get(check.name), problem)
        raise AssertionError("a column does not fit though none of its values has a problem")

    def _unknown(self, index: int, name: str) -> Refused:
        known = self.table.column(name)
        why = "is kept by the server: leave it out" if known else "does not exist: add it first"
        table = shown(self.table.name)
        message = f"record {index} (from 0): column {shown(name)} of table {table} {why}"
        return bad(message, record=index, column=name[:200])

    def _write(self, part: Stored, by: str | None, now: str, first: int) -> Write:
        audit = [column.name for column in self.table.audit]
        names = [*part, *audit]
        sql = (
            f"INSERT INTO {quoted(self.table.name)} ({_listed(names)}) "  # noqa: S608 - quoted
            f"VALUES ({', '.join('?' * len(names))})" + _on_conflict(by, names)
        )
        return Write(sql, zip(*part.values(), *(repeat(now) for _ in audit), strict=False), first)


def _wrong(index: int, column: str, value: object, problem: str) -> Refused:
    cut = shown(value)
    message = f"record {index} (from 0), column {shown(column)}: {cut} {problem}"
    return bad(message, record=index, column=column, value=cut)


def _column(records: Records, name: str) -> list[Any]:
    """The values of one column, null where a record does not name it."""
    try:
        return list(map(itemgetter(name), records))  # no Python per record
    except KeyError:
        return [record.get(name) for record in records]


Group = tuple[int, int, str | None, Sequence[str]]


def _groups(records: Records, upsert_key: str | None) -> Iterator[Group]:
    """Runs of records that one statement serves: (first, last + 1, found by, columns named).

    Without ids and upsert key every record makes a row, so absent and null are the same thing and
    all records are one run. Else an absent column must not be touched, so a run ends where the set
    of named columns changes or where an id appears or is missing.
    """
    if upsert_key is None and not any("id" in record for record in records):
        yield 0, len(records), None, sorted(set[str]().union(*records))
        return
    first = 0
    for (names, by), run in groupby(records, lambda record: _kind(record, upsert_key)):
        last = first + sum(1 for _ in run)
        yield first, last, by, sorted(names)
        first = last


def _kind(record: Mapping[str, Any], upsert_key: str | None) -> tuple[frozenset[str], str | None]:
    if record.get("id") is not None:
        return frozenset(record), "id"
    named = upsert_key is not None and record.get(upsert_key) is not None
    return frozenset(record), upsert_key if named else None


def _on_conflict(by: str | None, names: Sequence[str]) -> str:
    if by is None:
        return ""
    changed = [name for name in names if name not in {"id", by, "created_at"}]
    if not changed:
        return f" ON CONFLICT ({quoted(by)}) DO NOTHING"
    sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in changed)
    return f" ON CONFLICT ({quoted(by)}) DO UPDATE SET {sets}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))
