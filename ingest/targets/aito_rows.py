"""aito's rows asked back, added up and deleted: `protocols.Rows` by queries. (seen and guess)

Seen: `_query` with `from`, `where`, `select`, `offset` and `limit` answers `hits` and the `total`
of what matches; `_delete` takes `from` and `where`. *Guess*, and only here: that rows come in the
same order from page to page while nobody writes (a total that changes between two pages is an error
here), and that `$gte` and `$lt` compare texts by their characters. The latter is only trusted for
finding stamps; a deletion is by equality with one whole stamp.

There are no sums here: numbers are read page by page and added up.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from ingest.errors import TargetError
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
from ingest.targets.aito_types import Api, read_hits, read_total
from ingest.wire import Wire, path_segment

SUM_PAGE_ROWS = 5000


class AitoRows:
    """The rows of one table. `protocols.Rows`; the wire is open as long as its target is."""

    has_ids = False

    def __init__(self, wire: Wire, table: str, api: Api = "v1") -> None:
        self._wire = wire
        self._table = table
        self._api = f"/api/{api}"

    def can_ask(self, value: str | int) -> bool:  # noqa: ARG002 - of the protocol
        """Values are JSON: every one can be asked for."""
        return True

    async def count(self, scope: Scope) -> int:
        """How many rows."""
        return self._total(await self._ask(scope, {"limit": 0}))

    async def pages(
        self, scope: Scope, columns: Sequence[str], page_rows: int
    ) -> AsyncGenerator[list[Row], None]:
        """All of them, in the service's order. TargetError if their number changes meanwhile."""
        offset, total = 0, None
        while total is None or offset < total:
            page = {"offset": offset, "limit": page_rows, "select": list(columns)}
            answer = await self._ask(scope, page)
            found, now = read_hits(answer, limited=True), self._total(answer)
            if total not in (None, now) or (not found and offset < now):
                raise TargetError(
                    f"table {self._table}: its rows changed while they were read",
                    "others write to it: ask again when they have ended",
                )
            total = now
            if found:
                yield found
            offset += len(found)

    async def at(self, scope: Scope, columns: Sequence[str], offset: int, limit: int) -> list[Row]:
        """Some of them, in the service's order."""
        page = {"offset": offset, "limit": limit, "select": list(columns)}
        return read_hits(await self._ask(scope, page), limited=True)

    async def sums(self, scope: Scope, columns: Sequence[str]) -> dict[str, Sum]:
        """Sums by reading all values."""
        totals = {name: Sum(0, 0) for name in columns}
        if not columns:
            return totals
        async for rows in self.pages(scope, columns, SUM_PAGE_ROWS):
            for name, known in totals.items():
                numbers = [row[name] for row in rows if row.get(name) is not None]
                totals[name] = Sum(known.count + len(numbers), known.total + sum(numbers))
        return totals

    async def stamps(self, scope: OfStamps) -> dict[str, int]:
        """The stamps of a run."""
        found: dict[str, int] = {}
        async for rows in self.pages(scope, [scope.column], SUM_PAGE_ROWS):
            for row in rows:
                stamp = str(row[scope.column])
                found[stamp] = found.get(stamp, 0) + 1
        return dict(sorted(found.items()))

    async def delete(self, these: TheseIds | ThisStamp) -> None:
        """By `_delete`, all rows of one stamp. Raises TargetError for ids: rows have none."""
        if isinstance(these, TheseIds):
            raise TargetError(f"table {self._table}: aito's rows have no ids", "this is a defect")
        body = {"from": self._table, "where": {these.column: these.stamp}}
        await self._wire.call("POST", f"{self._api}/data/_delete", json=body)

    async def drop(self) -> None:
        """Delete the table from the schema."""
        await self._wire.call("DELETE", f"{self._api}/schema/{path_segment(self._table)}")

    async def _ask(self, scope: Scope, page: dict[str, Any]) -> Any:
        query = {"from": self._table, **page}
        if where := where_of(scope):
            query["where"] = where
        return await self._wire.call("POST", f"{self._api}/_query", json=query)

    def _total(self, answer: Any) -> int:
        found = read_total(answer)
        if found is None:
            raise TargetError(f"table {self._table}: a query was answered without a total")
        return found


def where_of(scope: Scope) -> dict[str, Any]:
    """The scope as a `where`; empty for the whole table. TargetError for ids: rows have none."""
    match scope:
        case OfTable():
            return {}
        case OfIds():
            raise TargetError("aito's rows have no ids", "this is a defect")
        case OfStamps(column, _, str() as stamp):
            return {column: stamp}
        case OfStamps(column, run):
            return {column: {"$gte": f"{run}:", "$lt": f"{run};"}}
        case OfValues(column, values):
            return {"$or": [{column: value} for value in values]}
