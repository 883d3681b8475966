"""Avalanchio's rows asked back, summed and deleted: `protocols.Rows` by SQL. (doc and guess)

Documented: `POST query` takes a SELECT; `DELETE tables/{t}/delete-by-query?q=<SQL where>`; `DELETE
schema/drop-table/{t}`; every row has an `id`. *Guess*, and only here: that the SQL knows `between`,
`order by`, `limit`, `offset`, `group by`, `count` and `sum` (SQLite and PostgreSQL do), and that
texts are ordered by their characters, so that `between` finds the stamps of a run. That is only
trusted for finding: what it finds is held against the form of a stamp before anything is done.

Pages go by the id (`id > last`), so rows that come or go meanwhile shift nothing. An answer that
the service cuts short is asked for again in smaller pages. What is deleted is written as the ids
themselves, neighbours as one `between`, in addresses of two or three kilobytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from ingest.errors import TargetError
from ingest.protocols import (
    ID,
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
from ingest.targets.avalanchio import RANGES_A_QUERY
from ingest.targets.avalanchio_types import read_rows
from ingest.targets.sql import quote_identifier, quote_literal
from ingest.wire import CallError, Wire, path_segment

TERMS_A_DELETION = 40
STAMPS_A_PAGE = 2000
_API = "/api/v1"


class AvalanchioRows:
    """The rows of one table. `protocols.Rows`; the wire is open as long as its target is."""

    has_ids = True

    def __init__(self, wire: Wire, table: str) -> None:
        self._wire = wire
        self._table = table
        self._segment = path_segment(table)

    def can_ask(self, value: str | int) -> bool:
        """A text with a backslash or a NUL can't be asked for safely."""
        try:
            quote_literal(value)
        except TargetError:
            return False
        return True

    async def count(self, scope: Scope) -> int:
        """How many rows."""
        found = 0
        for condition in conditions(scope):
            rows = await self._selected("count(*) as n", condition)
            found += _integer(rows[0].get("n") if rows else None)
        return found

    async def pages(
        self, scope: Scope, columns: Sequence[str], page_rows: int
    ) -> AsyncGenerator[list[Row], None]:
        """All of them, by id, each with its id."""
        names = _listed((ID, *columns))
        for condition in conditions(scope):
            last: int | None = None
            while True:
                after = condition if last is None else f"({condition}) and id > {int(last)}"
                try:
                    rows = await self._selected(names, after, f"order by id limit {page_rows}")
                except CallError:
                    raise
                except TargetError:
                    if page_rows == 1:
                        raise
                    page_rows = (page_rows + 1) // 2
                    continue
                if rows:
                    yield rows
                    last = _integer(rows[-1].get(ID))
                if len(rows) < page_rows:
                    break

    async def at(self, scope: Scope, columns: Sequence[str], offset: int, limit: int) -> list[Row]:
        """Some of them, in the order of their ids. Of a scope of one condition only."""
        (condition,) = conditions(scope)
        page = f"order by id limit {int(limit)} offset {int(offset)}"
        return await self._selected(_listed((ID, *columns)), condition, page)

    async def sums(self, scope: Scope, columns: Sequence[str]) -> dict[str, Sum]:
        """Sums by SQL. Raises IngestError where the service can't, as for sums beyond 64 bits."""
        totals = {name: Sum(0, 0) for name in columns}
        if not columns:
            return totals
        parts = []
        for index, name in enumerate(columns):
            quoted = quote_identifier(name)
            parts.append(f"count({quoted}) as n{index}, sum({quoted}) as s{index}")
        for condition in conditions(scope):
            (row,) = await self._selected(", ".join(parts), condition)
            for index, name in enumerate(columns):
                known, more = totals[name], row.get(f"s{index}")
                number = more if isinstance(more, int | float) else 0  # null: there is none
                count = known.count + _integer(row.get(f"n{index}"))
                totals[name] = Sum(count, known.total + number)
        return totals

    async def stamps(self, scope: OfStamps) -> dict[str, int]:
        """The stamps of a run, in their order."""
        found: dict[str, int] = {}
        name = quote_identifier(scope.column)
        (condition,) = conditions(scope)
        tail = f"group by {name} order by {name} limit {STAMPS_A_PAGE}"
        while True:
            last = f" and {name} > {quote_literal(max(found))}" if found else ""
            rows = await self._selected(f"{name} as s, count(*) as n", condition + last, tail)
            found |= {str(row["s"]): _integer(row.get("n")) for row in rows}
            if len(rows) < STAMPS_A_PAGE:
                return found

    async def delete(self, these: TheseIds | ThisStamp) -> None:
        """By `delete-by-query`; the condition is made of the ids or the stamp, and nothing else."""
        path = f"{_API}/tables/{self._segment}/delete-by-query"
        for condition in deletions(these):
            await self._wire.call("DELETE", path, params={"q": condition})

    async def drop(self) -> None:
        """Drop the table."""
        await self._wire.call("DELETE", f"{_API}/schema/drop-table/{self._segment}")

    async def _selected(self, what: str, condition: str, tail: str = "") -> list[Row]:
        # Names and values are quoted by the two functions that may put them into SQL.
        table = quote_identifier(self._table)
        statement = f"select {what} from {table} where {condition} {tail}"  # noqa: S608
        return read_rows(
            await self._wire.call("POST", f"{_API}/query", json={"statement": statement})
        )


def conditions(scope: Scope) -> Iterator[str]:
    """The scope as SQL conditions, which no row fulfils twice."""
    match scope:
        case OfTable():
            yield "1 = 1"
        case OfIds(ranges):
            for start in range(0, len(ranges), RANGES_A_QUERY):
                yield _any_of(ranges[start : start + RANGES_A_QUERY])
        case OfStamps(column, _, str() as stamp):
            yield f"{quote_identifier(column)} = {quote_literal(stamp)}"
        case OfStamps(column, run):
            low, high = quote_literal(f"{run}:0"), quote_literal(f"{run}:~")
            yield f"{quote_identifier(column)} between {low} and {high}"
        case OfValues(column, values):
            listed = ", ".join(map(quote_literal, values))
            yield f"{quote_identifier(column)} in ({listed})"


def deletions(these: TheseIds | ThisStamp) -> Iterator[str]:
    """The conditions that delete these rows and no other."""
    if isinstance(these, ThisStamp):
        yield f"{quote_identifier(these.column)} = {quote_literal(these.stamp)}"
        return
    runs = list(consecutive(sorted(set(these.ids))))
    for start in range(0, len(runs), TERMS_A_DELETION):
        yield _any_of(runs[start : start + TERMS_A_DELETION])


def consecutive(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as runs of neighbours: first and last."""
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last


def _any_of(ranges: Iterable[tuple[int, int]]) -> str:
    terms = (
        f"id = {quote_literal(low)}"
        if low == high
        else f"id between {quote_literal(low)} and {quote_literal(high)}"
        for low, high in ranges
    )
    return " or ".join(terms)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quote_identifier, dict.fromkeys(names)))


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TargetError(f"the query answered {str(value)[:80]!r} where a number was asked for")
    return value
