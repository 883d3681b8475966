"""What the three ways into an aito table share: schema, count, query, optimize.

A way is one small file with an envelope and a `send`; `AitoTable` is the rest of its
`protocols.Target`. Paths and bodies are those of the published page and of a real client; what is
guessed about answers stands in `aito_types`. Guesses of this module: that v2 answers the same paths
as v1, that a plain value in a `where` is equality (published for a String; of an analyzed Text it
is not said), that the limits of a batch hold for a stream too (the page gives it none), and the
number of records in `LIMITS`, which is ours: the service limits bytes only.

The base URL may carry a path (`https://shared.aito.ai/db/<name>`): every path here comes behind it.

aito's defaults are not ours: a column is nullable here unless wished required, and a query has a
limit that is said when it cuts.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Struct

from ingest.errors import Ambiguous, Permanent, SettingsError, TargetError
from ingest.model import Batch, Column, Limits, Schema, Verdict
from ingest.pack import MemoryEnvelope
from ingest.protocols import TableWish
from ingest.targets.aito_types import (
    Api,
    as_meant,
    bounded,
    check_added,
    check_name,
    check_wish,
    column_request,
    doubt_about,
    read_hits,
    read_query,
    read_schema,
    read_total,
    records_taken,
    table_request,
)
from ingest.wire import Answer, CallError, Secret, Wire, path_segment

LIMITS = Limits(records=10_000, size_bytes=6_000_000)
_API_PATH = re.compile(r"/api(/v\d+)?$")


class AitoSettings(Struct, frozen=True):
    """Which version of the API is asked, and whether `tidy` merges the table's segments."""

    api: Api = "v1"
    optimize: bool = False


DEFAULTS = AitoSettings()


def request_headers(key: Secret) -> dict[str, str | Secret]:
    """What every request to the API bears (a signed upload URL gets none of it)."""
    return {"x-api-key": key}


def lowered(limits: Limits) -> Limits:
    """`limits`, nowhere above the service's own."""
    return Limits(min(limits.records, LIMITS.records), min(limits.size_bytes, LIMITS.size_bytes))


class AitoTable:
    """One table of one aito instance: all of a target but `envelope` and `send`."""

    via: ClassVar[str] = "batch"

    def __init__(self, wire: Wire, table: str, settings: AitoSettings = DEFAULTS) -> None:
        """Raises SettingsError for a name that no table can have, and a base URL with `/api`."""
        check_name(table, "the table name")
        if _API_PATH.search(wire.address.url):
            raise SettingsError(
                f"base_url: {wire.address.url} holds the API's own path",
                "leave out what begins with /api",
            )
        self.wire = wire
        self.table = table
        self.settings = settings
        self._api = f"/api/{settings.api}"
        self._segment = path_segment(table)

    @property
    def shown(self) -> str:
        """The target in a few words."""
        place = self.wire.address.shown + urlsplit(self.wire.address.url).path
        return f"aito {place} table {self.table} via {self.via}"

    def path(self, suffix: str) -> str:
        """A data path of the table, such as `/api/v1/data/<table>/batch`."""
        return f"{self._api}/data/{self._segment}/{suffix}"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold the connections open."""
        async with self.wire:
            yield

    async def post(self, suffix: str, batch: Batch, content_type: str) -> Answer:
        """One attempt to send the batch's bytes to a data path.

        Raises `Trouble` as the wire does, and also NotFound for a missing table, which the service
        answers with 400, and Ambiguous for a 2xx answer that is not one of the service's.
        """
        try:
            answer = await self.wire.post_batch(self.path(suffix), batch, content_type=content_type)
        except Permanent as trouble:
            raise as_meant(trouble, self.table) from None
        if doubt := doubt_about(answer.value):
            raise Ambiguous(doubt, status=answer.status)
        return answer

    async def describe(self) -> Schema | None:
        """The live table, or None."""
        try:
            answer = await self.wire.call("GET", self._schema_path())
        except CallError as exc:
            if exc.status == 404:
                return None
            raise
        return read_schema(self.table, answer)

    async def ensure(self, wish: TableWish) -> Schema:
        """Create the table, or add the columns it lacks. Types that differ stay as they are."""
        check_wish(wish)
        live = await self.describe()
        if live is None:
            body = table_request(wish, self.settings.api)
            await self.wire.call("PUT", self._schema_path(), json=body)
            lacking = list(wish.columns)
        else:
            lacking = [column for column in wish.columns if live.column(column.name) is None]
            check_added(self.shown, lacking)
            for column in lacking:
                await self._add(column)
        return live if live and not lacking else await self._made(lacking)

    async def count(self) -> int | None:
        """Rows in the table now."""
        return read_total(await self._ask({"from": self.table, "limit": 0}))

    async def count_where(self, column: str, value: str | int) -> int:
        """Rows whose `column` is `value`. Raises IngestError where the service can't tell."""
        return await self._total({column: value})

    async def count_any(self, column: str, values: Sequence[str | int]) -> int:
        """Rows whose `column` is one of `values`, which are at least one. Raises as above."""
        return await self._total({"$or": [{column: value} for value in values]})

    async def query(self, statement: str) -> list[dict[str, Any]]:
        """The rows that a query answers: JSON like `{"where": {"name": "x"}, "limit": 5}`.

        It asks this table unless it has a `from`. Raises IngestError for a text that is no query,
        TargetError where the answer is cut by a limit that the query did not set.
        """
        query = read_query(statement)
        return read_hits(await self._ask(bounded(query, self.table)), limited="limit" in query)

    async def tidy(self) -> str | None:
        """Merge the table's storage segments if the job asks for it, else say that one could."""
        if not self.settings.optimize:
            return (
                f"each request left a storage segment of its own in {self.table}:"
                " [target] optimize = true merges them after a load, which makes queries quicker"
            )
        await self.wire.call("POST", self.path("optimize"), json={})
        return f"merged the storage segments of {self.table}"

    async def _total(self, where: dict[str, Any]) -> int:
        found = read_total(await self._ask({"from": self.table, "where": where, "limit": 0}))
        if found is None:
            raise TargetError(f"{self.shown}: a query was answered without a total")
        return found

    async def _ask(self, query: dict[str, Any]) -> Any:
        return await self.wire.call("POST", f"{self._api}/_query", json=query)

    async def _add(self, column: Column) -> None:
        path = f"{self._schema_path()}/{path_segment(column.name)}"
        await self.wire.call("PUT", path, json=column_request(column))

    async def _made(self, columns: list[Column]) -> Schema:
        """The table after a change that should have brought these columns."""
        schema = await self.describe()
        if schema is None:
            raise TargetError(f"{self.shown}: still not there after it was created")
        if lacking := [c.name for c in columns if schema.column(c.name) is None]:
            raise TargetError(f"{self.shown}: still lacks {', '.join(lacking)} after adding them")
        return schema

    def _schema_path(self) -> str:
        return f"{self._api}/schema/{self._segment}"


class AitoRequests(AitoTable):
    """A way whose bodies are requests: each lands whole or not at all. `protocols.Target`.

    A way says its path's end (`via`), its content type, and what stands around and behind records.
    """

    content_type: ClassVar[str]
    frame: ClassVar[tuple[bytes, bytes, bytes]]

    def __init__(
        self,
        wire: Wire,
        table: str,
        limits: Limits = LIMITS,
        settings: AitoSettings = DEFAULTS,
    ) -> None:
        """`limits` may only lower the service's own."""
        super().__init__(wire, table, settings)
        self._envelope = MemoryEnvelope(*self.frame, lowered(limits))

    @property
    def envelope(self) -> MemoryEnvelope:
        """The way's framing, with the limits in force."""
        return self._envelope

    async def send(self, batch: Batch) -> Verdict:
        """One attempt to insert the body."""
        answer = await self.post(self.via, batch, self.content_type)
        return Verdict(records_taken(answer.value))
