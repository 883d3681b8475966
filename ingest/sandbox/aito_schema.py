"""aito's schema endpoints: `schema`, `schema/{table}` and `schema/{table}/{column}`.

Seen: the shapes of GET in v1, and v2's answer to a created table. v1's PUTs answer what was put,
as the client's response classes want. Guesses: v2's GETs have v1's shapes, collections apart; v2's
PUT of a column or of the whole schema answers as v1's; a DELETE answers the names that are gone.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ingest.sandbox import aito_tables, halves
from ingest.sandbox.aito_refusal import BAD_SCHEMA, bad
from ingest.sandbox.aito_request import asked
from ingest.sandbox.aito_store import parsed
from ingest.sandbox.answers import JsonAnswer
from ingest.sandbox.store import Store

Answer = dict[str, Any]


async def get_all(request: Request) -> Response:
    """GET schema: every table."""
    about = await asked(request)

    def work(store: Store) -> Answer:
        tables = store.aito.catalogue.tables(about.base)
        return {name: table.described(about.api) for name, table in tables.items()}

    return JsonAnswer({"schema": await halves.of(request).on_store(work)})


async def put_all(request: Request) -> Response:
    """PUT schema: several tables, which may link to one another."""
    about = await asked(request)
    payload = parsed(about.content)
    tables = payload.get("schema")
    if not isinstance(tables, dict) or len(payload) > 1:
        raise bad('the body must be {"schema": {table: ...}}', BAD_SCHEMA)
    made = await halves.of(request).on_store(
        lambda store: store.aito.catalogue.put(about.base, tables, about.api)
    )
    described = {name: table.described(about.api) for name, table in made.items()}
    return JsonAnswer({"schema": described})


async def delete_all(request: Request) -> Response:
    """DELETE schema: every table."""
    about = await asked(request)

    def work(store: Store) -> list[str]:
        catalogue = store.aito.catalogue
        return catalogue.drop(about.base, list(catalogue.tables(about.base)))

    return JsonAnswer({"deleted": await halves.of(request).on_store(work)})


async def get_table(request: Request) -> Response:
    """GET schema/{table}."""
    about = await asked(request)
    entry = await halves.of(request).on_store(
        lambda store: store.aito.catalogue.entry((about.base, about.table))
    )
    return JsonAnswer(entry.table.described(about.api))


async def put_table(request: Request) -> Response:
    """PUT schema/{table}: make it, or replace one without rows."""
    about = await asked(request)
    payload = parsed(about.content)
    made = await halves.of(request).on_store(
        lambda store: store.aito.catalogue.put(about.base, {about.table: payload}, about.api)
    )
    table = made[about.table]
    if about.api == "v2":
        return JsonAnswer({"status": "created", "table": about.table, "type": table.kind})
    return JsonAnswer(table.described(about.api))


async def delete_table(request: Request) -> Response:
    """DELETE schema/{table}."""
    about = await asked(request)
    gone = await halves.of(request).on_store(
        lambda store: store.aito.catalogue.drop(about.base, [about.table])
    )
    return JsonAnswer({"deleted": gone})


async def get_column(request: Request) -> Response:
    """GET schema/{table}/{column}."""
    about, name = await asked(request), request.path_params["column"]
    column = await halves.of(request).on_store(
        lambda store: store.aito.catalogue.column((about.base, about.table), name)
    )
    return JsonAnswer(column.described())


async def put_column(request: Request) -> Response:
    """PUT schema/{table}/{column}: add it, or change its namesake."""
    about, name = await asked(request), request.path_params["column"]
    column = aito_tables.column_of(name, parsed(about.content), about.api)
    await halves.of(request).on_store(
        lambda store: store.aito.catalogue.put_column((about.base, about.table), column)
    )
    return JsonAnswer(column.described())


async def delete_column(request: Request) -> Response:
    """DELETE schema/{table}/{column}."""
    about, name = await asked(request), request.path_params["column"]
    await halves.of(request).on_store(
        lambda store: store.aito.catalogue.drop_column((about.base, about.table), name)
    )
    return JsonAnswer({"deleted": [name]})
