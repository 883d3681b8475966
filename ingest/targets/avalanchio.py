"""Avalanchio: batches of records by `POST tables/{table}`, inserted or upserted.

Paths and bodies are the service's published ones; what an answer looks like is a guess that stands
in `avalanchio_types`. Guesses of this module: the byte limit (`LIMITS.size_bytes` is ours: the
service only says that a size limit may strike earlier); that a table that is not there is a 404;
that `select count(*)` counts all rows; that `=` holds for texts only where they are the same (case
and blanks, too). Whether an insert is all or nothing is not said, so nothing
here relies on it.

An upsert needs a key column that is indexed and unique: made so with the table, and required of a
live one, because without it the service could not find the record to change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from ingest.errors import SettingsError, TargetError
from ingest.model import Batch, Column, Limits, Schema, Verdict
from ingest.pack import MemoryEnvelope
from ingest.protocols import TableWish
from ingest.targets.avalanchio_types import (
    column_request,
    read_rows,
    read_schema,
    records_taken,
    table_request,
)
from ingest.targets.sql import quote_identifier, quote_literal
from ingest.wire import CallError, Secret, Wire, path_segment

LIMITS = Limits(records=10_000, size_bytes=6_000_000)
RANGES_A_QUERY = 100  # a condition's depth is limited: SQLite's to 1,000 terms, others' not said
_API = "/api/v1"


def request_headers(token: Secret) -> dict[str, str | Secret]:
    """What every request bears."""
    return {"Authorization": token.prefixed("Bearer ")}


class AvalanchioTarget:
    """One table of one Avalanchio service. `protocols.Target`."""

    def __init__(
        self, wire: Wire, table: str, limits: Limits = LIMITS, upsert_key: str | None = None
    ) -> None:
        """`limits` may only lower the service's own. With `upsert_key` batches are upserts."""
        self._wire = wire
        self._table = table
        self._upsert_key = upsert_key
        self._segment = path_segment(table)
        self._envelope = _envelope(limits, upsert_key)

    @property
    def envelope(self) -> MemoryEnvelope:
        """`{"records":[...]}`, with the limits in force."""
        return self._envelope

    @property
    def shown(self) -> str:
        """The target in a few words."""
        return f"avalanchio {self._wire.address.shown} table {self._table}"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold the connections open."""
        async with self._wire:
            yield

    async def describe(self) -> Schema | None:
        """The live table, or None."""
        try:
            answer = await self._wire.call("GET", f"{_API}/schema/describe-table/{self._segment}")
        except CallError as exc:
            if exc.status == 404:
                return None
            raise
        return read_schema(self._table, answer)

    async def ensure(self, wish: TableWish) -> Schema:
        """Create the table, or add the columns it lacks. Types that differ stay as they are."""
        live = await self.describe()
        if live is None:
            body = table_request(with_key(wish, self._upsert_key))
            await self._wire.call("POST", f"{_API}/schema/tables", json=body)
        else:
            live = await self._widened(live, with_key(wish, self._upsert_key, live))
        schema = live or await self.describe()
        if schema is None:
            raise TargetError(f"{self.shown}: still not there after it was created")
        check_upsert_key(schema, self._upsert_key)
        return schema

    async def send(self, batch: Batch) -> Verdict:
        """One attempt to insert or upsert the batch."""
        answer = await self._wire.post_batch(f"{_API}/tables/{self._segment}", batch)
        return Verdict(records_taken(answer.value))

    async def count(self) -> int | None:
        """Rows in the table now."""
        return await self._rows()

    async def count_where(self, column: str, value: str | int) -> int:
        """Rows whose `column` is `value`. Raises IngestError where that can't be asked safely."""
        return await self._rows_for(f"{quote_identifier(column)} = {quote_literal(value)}")

    async def count_range(self, column: str, low: int, high: int) -> int:
        """Rows whose `column` is an integer from `low` to `high`, both included."""
        return await self.count_ranges(column, ((low, high),))

    async def count_ranges(self, column: str, ranges: Sequence[tuple[int, int]]) -> int:
        """The same of several ranges, which must not overlap."""
        name, found = quote_identifier(column), 0
        for start in range(0, len(ranges), RANGES_A_QUERY):
            conditions = (
                f"{name} between {quote_literal(low)} and {quote_literal(high)}"
                for low, high in ranges[start : start + RANGES_A_QUERY]
            )
            found += await self._rows_for(" or ".join(conditions))
        return found

    async def query(self, statement: str) -> list[dict[str, Any]]:
        """The rows that a SELECT answers; TargetError where the answer is not all of them."""
        answer = await self._wire.call("POST", f"{_API}/query", json={"statement": statement})
        return read_rows(answer)

    async def tidy(self) -> str | None:
        """Nothing is to be done after a load."""
        return None

    async def _rows_for(self, condition: str) -> int:
        found = await self._rows(f" where {condition}")
        if found is None:
            raise TargetError(f"{self.shown}: a count was answered in an unknown shape")
        return found

    async def _rows(self, where: str = "") -> int | None:
        # Names and values are quoted by the two functions that may put them into SQL.
        statement = f"select count(*) as n from {quote_identifier(self._table)}{where}"  # noqa: S608
        rows = await self.query(statement)
        values = list(rows[0].values()) if rows else []
        return values[0] if values and type(values[0]) is int else None

    async def _widened(self, live: Schema, wish: TableWish) -> Schema:
        missing = [column for column in wish.columns if live.column(column.name) is None]
        if not missing:
            return live
        path = f"{_API}/schema/tables/{self._segment}/columns"
        await self._wire.call("POST", path, json={"columns": [column_request(c) for c in missing]})
        schema = await self.describe()
        lacking = [c.name for c in missing if schema is None or schema.column(c.name) is None]
        if schema is None or lacking:
            raise TargetError(f"{self.shown}: still lacks {', '.join(lacking)} after adding them")
        return schema


def with_key(wish: TableWish, key: str | None, live: Schema | None = None) -> TableWish:
    """The wish with its upsert key indexed and unique. SettingsError if the key is in neither."""
    if key is None or (live is not None and live.column(key)):
        return wish
    if key not in [column.name for column in wish.columns]:
        raise SettingsError(f"upsert_key {key!r} is no column of the table", _KEY_HINT)
    columns = tuple(_keyed(column) if column.name == key else column for column in wish.columns)
    return TableWish(wish.name, wish.properties, columns)


def check_upsert_key(schema: Schema, key: str | None) -> None:
    """Raises SettingsError if `key` is not an indexed and unique column of the live table."""
    if key is None:
        return
    column = schema.column(key)
    if column is None:
        raise SettingsError(f"upsert_key {key!r} is no column of {schema.table}", _KEY_HINT)
    if not (column.indexed and column.unique):
        lacks = " and ".join(f for f in ("indexed", "unique") if not getattr(column, f))
        raise SettingsError(f"upsert_key {key!r} of {schema.table} is not {lacks}", _KEY_HINT)


def _keyed(column: Column) -> Column:
    return Column(column.name, column.type, column.required, True, True, column.properties)


def _envelope(limits: Limits, upsert_key: str | None) -> MemoryEnvelope:
    key = b'],"upsert_key":%s}' % orjson.dumps(upsert_key) if upsert_key is not None else b"]}"
    lowered = Limits(min(limits.records, LIMITS.records), min(limits.size_bytes, LIMITS.size_bytes))
    return MemoryEnvelope(b'{"records":[', key, b",\n", lowered)


_KEY_HINT = "an upsert key must be a column that is indexed and unique"
