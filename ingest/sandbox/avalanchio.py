"""Avalanchio's REST API, as its published page describes it.

Source: the service's page "Avalanchio REST API". The paths, the request bodies and the limits are
documented. These things are not, and stand here as guesses, all in this one place:

- Success bodies are plain JSON objects: the current user; `{"tables": [...]}`; the described table
  after a change; `{"count": n}` for an insert; `{"id", "deleted": 1}` and `{"deleted": n}` for
  deletes; `{"name", "dropped": true}`; `query`'s columns and rows (rows as objects).
- Describe answers `name`, the table's properties and `columns: [{name, type, ...}]`.
- An insert is all or nothing; a broken unique column is a 400; an unknown table a 404.
- A repeated `id` updates the row (see `rows`); deleting an id that is not there is a 404.
- A body may be gzip (Content-Encoding); a Content-Type, if there is one, must be JSON (415 else).
"""

from __future__ import annotations

import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.sandbox import answers, body, halves
from ingest.sandbox.answers import JsonAnswer
from ingest.sandbox.halves import ApiHalf
from ingest.sandbox.refusal import Refused, bad, shown
from ingest.sandbox.values import INT64

PREFIX = "/api/v1"

_RECORDS_PATH = re.compile(PREFIX + r"/tables/[^/]+")
_ROW_ID = re.compile(r"-?\d{1,19}", re.ASCII)
_USER = {"id": 1, "name": "Sandbox", "email": "sandbox@sandbox.invalid", "active": True}


def carries_records(method: str, path: str) -> bool:
    """An insert or upsert: POST to a table."""
    return method == "POST" and _RECORDS_PATH.fullmatch(path) is not None


async def current_user(_request: Request) -> Response:
    """GET users/current: who the token belongs to."""
    return JsonAnswer(_USER)


async def list_tables(request: Request) -> Response:
    """GET schema/tables: every table without its columns."""
    tables = await halves.of(request).on_store(lambda store: store.tables())
    return JsonAnswer({"tables": [{"name": t.name, **t.properties} for t in tables]})


async def define_table(request: Request) -> Response:
    """POST schema/tables: create a table, or change its properties and columns."""
    payload = await _json(request)
    name = payload.get("name")
    if not isinstance(name, str):
        raise bad(f'"name" must be the name of the table, not {shown(name)}')
    table = await halves.of(request).on_store(lambda store: store.define(name, payload))
    return JsonAnswer(table.described())


async def define_columns(request: Request) -> Response:
    """POST schema/tables/{table}/columns: add columns or change their properties."""
    payload = await _json(request)
    if payload.keys() != {"columns"}:
        raise bad('the body must be {"columns": [...]}, nothing else')
    table = await halves.of(request).on_store(
        lambda store: store.widen(_table(request), payload["columns"])
    )
    return JsonAnswer(table.described())


async def describe_table(request: Request) -> Response:
    """GET schema/describe-table/{table}: its properties and columns."""
    table = await halves.of(request).on_store(lambda store: store.table(_table(request)))
    return JsonAnswer(table.described())


async def drop_table(request: Request) -> Response:
    """DELETE schema/drop-table/{table}."""
    await halves.of(request).on_store(lambda store: store.drop(_table(request)))
    return JsonAnswer({"name": _table(request), "dropped": True})


async def insert(request: Request) -> Response:
    """POST tables/{table}: insert or upsert records, all or none."""
    shared = halves.of(request)
    content, encoding = await _content(request), _encoding(request)
    count = await shared.on_store(
        lambda store: store.insert(_table(request), body.unpacked(content, encoding))
    )
    shared.stats.accepted(count)
    return JsonAnswer({"count": count})


async def delete_row(request: Request) -> Response:
    """DELETE tables/{table}/{id}."""
    text = request.path_params["id"]
    low, high = INT64
    if not _ROW_ID.fullmatch(text) or not low <= int(text) <= high:
        raise bad(f"{shown(text)} is no id: an id is a Bigint")
    await halves.of(request).on_store(lambda store: store.delete(_table(request), int(text)))
    return JsonAnswer({"id": int(text), "deleted": 1})


async def delete_by_query(request: Request) -> Response:
    """DELETE tables/{table}/delete-by-query?q=<SQL condition>."""
    condition = request.query_params.get("q", "")
    count = await halves.of(request).on_store(
        lambda store: store.delete_where(_table(request), condition)
    )
    return JsonAnswer({"deleted": count})


async def run_query(request: Request) -> Response:
    """POST query: one SELECT."""
    payload = await _json(request)
    if payload.keys() != {"statement"}:
        raise bad('the body must be {"statement": "select ..."}, nothing else')
    answer = await halves.of(request).on_store(lambda s: s.select(payload["statement"]))
    return JsonAnswer(answer)


def _table(request: Request) -> str:
    name = request.path_params["table"]
    assert isinstance(name, str)
    return name


async def _json(request: Request) -> dict[str, Any]:
    content, encoding = await _content(request), _encoding(request)
    return await run_in_threadpool(lambda: body.parsed(body.unpacked(content, encoding)))


async def _content(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, f"Content-Type {shown(kind)} is not known; send application/json")
    return await request.body()


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "").strip().lower()


HALF = ApiHalf(
    claims=lambda _path, _headers: True,  # what no other half claims
    routes=(
        Route(PREFIX + "/users/current", current_user, methods=["GET"]),
        Route(PREFIX + "/schema/tables", list_tables, methods=["GET"]),
        Route(PREFIX + "/schema/tables", define_table, methods=["POST"]),
        Route(PREFIX + "/schema/tables/{table}/columns", define_columns, methods=["POST"]),
        Route(PREFIX + "/schema/describe-table/{table}", describe_table, methods=["GET"]),
        Route(PREFIX + "/schema/drop-table/{table}", drop_table, methods=["DELETE"]),
        Route(PREFIX + "/tables/{table}", insert, methods=["POST"]),
        Route(PREFIX + "/tables/{table}/delete-by-query", delete_by_query, methods=["DELETE"]),
        Route(PREFIX + "/tables/{table}/{id}", delete_row, methods=["DELETE"]),
        Route(PREFIX + "/query", run_query, methods=["POST"]),
    ),
    admit=halves.admit_bearer,
    refuse=answers.refusal,
    carries_records=carries_records,
)
