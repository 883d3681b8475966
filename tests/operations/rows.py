"""A table in memory and records that are made by hand, for what compares and what undoes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import orjson

from ingest.model import Column, Schema
from ingest.operations.verify_cells import Columns
from ingest.operations.verify_claims import FileClaim
from ingest.operations.verify_expected import Compared, Part
from ingest.operations.verify_findings import Findings
from ingest.protocols import (
    OfIds,
    OfStamps,
    OfTable,
    OfValues,
    Row,
    Scope,
    Sum,
    TheseIds,
    ThisStamp,
)

SCHEMA = Schema("t", (Column("k", "Bigint"), Column("v", "Text"), Column("x", "Double")))
START = 1000


@dataclass
class Table:
    """`protocols.Rows` over a list."""

    rows: list[Row]
    has_ids: bool = True
    deleted: list[TheseIds | ThisStamp] = field(default_factory=list)

    def can_ask(self, value: str | int) -> bool:
        return value != "\\"

    def _of(self, scope: Scope) -> list[Row]:
        match scope:
            case OfTable():
                return list(self.rows)
            case OfIds(ranges):
                return [r for r in self.rows if any(a <= r["id"] <= b for a, b in ranges)]
            case OfStamps(column, run, None):
                return [r for r in self.rows if str(r.get(column)).startswith(f"{run}:")]
            case OfStamps(column, _, stamp):
                return [r for r in self.rows if r.get(column) == stamp]
            case OfValues(column, values):
                return [r for r in self.rows if r.get(column) in values]

    async def count(self, scope: Scope) -> int:
        return len(self._of(scope))

    async def pages(
        self, scope: Scope, columns: Sequence[str], page_rows: int
    ) -> AsyncGenerator[list[Row], None]:
        found = sorted(self._of(scope), key=lambda row: row["id"])
        for start in range(0, len(found), page_rows):
            yield found[start : start + page_rows]

    async def at(self, scope: Scope, columns: Sequence[str], offset: int, limit: int) -> list[Row]:
        return self._of(scope)[offset : offset + limit]

    async def sums(self, scope: Scope, columns: Sequence[str]) -> dict[str, Sum]:
        found = {}
        for name in columns:
            values = [row[name] for row in self._of(scope) if row.get(name) is not None]
            found[name] = Sum(len(values), sum(values))
        return found

    async def stamps(self, scope: OfStamps) -> dict[str, int]:
        stamps = [row[scope.column] for row in self._of(scope)]
        return {stamp: stamps.count(stamp) for stamp in sorted(set(stamps))}

    async def delete(self, these: TheseIds | ThisStamp) -> None:
        self.deleted.append(these)
        if isinstance(these, TheseIds):
            self.rows = [row for row in self.rows if row["id"] not in these.ids]
        else:
            self.rows = [row for row in self.rows if row.get(these.column) != these.stamp]

    async def drop(self) -> None:
        self.rows = []


@dataclass
class Records:
    """`Expected`: records of one file, in parts of so many."""

    lines: list[Row]
    size: int = 3

    async def parts(self) -> AsyncGenerator[Part, None]:
        for start in range(0, len(self.lines), self.size):
            chunk = self.lines[start : start + self.size]
            numbers = range(start + 1, start + len(chunk) + 1)
            lines = [orjson.dumps(one) for one in chunk]
            yield Part("a", numbers[0], numbers[-1], numbers, lines, lambda n: n + 1)


def record(number: int, value: str | None = None) -> Row:
    """One that is like no other."""
    return {"k": number, "v": f"v{number}" if value is None else value, "x": number / 2}


def records(number: int) -> list[Row]:
    """So many."""
    return [record(n) for n in range(1, number + 1)]


def rows(lines: list[Row]) -> list[Row]:
    """Their rows, with derived ids."""
    return [{"id": START + n, **line} for n, line in enumerate(lines, 1)]


def compared(lines: list[Row], claim: FileClaim | None = None) -> Compared:
    """All of them are claimed to be there, unless it is said otherwise."""
    claim = claim or FileClaim("a", len(lines))
    return Compared(Records(lines), {"a": claim}, Columns.of(SCHEMA, ("k", "v", "x")), Findings())
