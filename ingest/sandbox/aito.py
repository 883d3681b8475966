"""aito's data API, v1 and v2, at the root and under `/db/{name}`, as far as a loader meets it.

Source: the service's page and its published client (`aito.md` grades every fact). The modules:
`aito_answers` (key and error shapes), `aito_schema` (definitions), `aito_operations` (what the
POSTs do), `aito_jobs`, `aito_file` (file uploads); below them `aito_store`, `aito_query` and
`aito_catalogue` over SQLite, and the pure `aito_where`, `aito_records`, `aito_tables`, `aito_types`
and `aito_refusal`. Each lists the guesses of its own matter at its head.

Here: a multitenant database is a database of its own, without file upload and without `/version`,
which is at the root alone (seen). A body holds at most 6 MB (documented for the batch; the page
gives the stream no limit, so it has the batch's). Guesses: every `/db/{name}` exists and has the
sandbox's one key; a stream is `application/x-ndjson` or `application/json`, a batch the latter.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingest.sandbox import aito_answers, aito_file, aito_operations, aito_schema, halves
from ingest.sandbox.aito_operations import Asked, Operation
from ingest.sandbox.aito_request import asked, check_form
from ingest.sandbox.answers import JsonAnswer
from ingest.sandbox.halves import ApiHalf
from ingest.sandbox.refusal import Refused
from ingest.sandbox.store import Store

VERSION = "sandbox"
APIS = ("v1", "v2")

_RECORDS = re.compile(r"(?:/db/[^/]+)?/api/v[12]/data/[^/]+/(?:batch|stream)")
_JSON, _NDJSON = "application/json", "application/x-ndjson"

Endpoint = Callable[[Request], Awaitable[Response]]


def carries_records(method: str, path: str) -> bool:
    """A batch or a stream."""
    return method == "POST" and _RECORDS.fullmatch(path) is not None


async def version(_request: Request) -> Response:
    """GET /version, and v2's own."""
    return JsonAnswer({"version": VERSION})


async def batch(request: Request) -> Response:
    """POST data/{table}/batch: a JSON array of rows, all or none."""
    check_form(request, _JSON)
    return await _inserted(request, aito_operations.insert_batch)


async def stream(request: Request) -> Response:
    """POST data/{table}/stream: NDJSON rows, all or none."""
    check_form(request, _NDJSON, _JSON)
    return await _inserted(request, aito_operations.insert_stream)


async def create_job(request: Request) -> Response:
    """POST jobs/<path>: do what `<path>` would do, and keep its answer."""
    work = aito_operations.job_of(request.path_params["path"], await asked(request))
    job = await halves.of(request).on_store(lambda s: s.aito.jobs.run(lambda: work(s)))
    return JsonAnswer(job.created())


async def job_status(request: Request) -> Response:
    """GET jobs/{id}."""
    job_id = request.path_params["id"]
    job = await halves.of(request).on_store(lambda store: store.aito.jobs.get(job_id))
    return JsonAnswer(job.status())


async def job_result(request: Request) -> Response:
    """GET jobs/{id}/result."""
    job_id = request.path_params["id"]
    job = await halves.of(request).on_store(lambda store: store.aito.jobs.get(job_id))
    return JsonAnswer(job.result())


async def no_file_upload(_request: Request) -> Response:
    """Anything about files in a multitenant database."""
    raise Refused(404, "File upload is not supported in multitenant databases: use batch")


async def _inserted(request: Request, insert: Callable[[Store, Asked], int]) -> Response:
    shared, about = halves.of(request), await asked(request)
    count = await shared.on_store(lambda store: insert(store, about))
    shared.stats.accepted(count)
    return JsonAnswer(aito_operations.inserted(about, count))


def _doing(operation: Operation) -> Endpoint:
    """The endpoint of an operation."""

    async def endpoint(request: Request) -> Response:
        about = await asked(request)
        answer = await halves.of(request).on_store(lambda store: operation(store, about))
        return JsonAnswer(answer)

    return endpoint


_PATHS: dict[str, dict[str, Endpoint]] = {
    "schema": {
        "GET": aito_schema.get_all, "PUT": aito_schema.put_all, "DELETE": aito_schema.delete_all,
    },
    "schema/{table}": {
        "GET": aito_schema.get_table, "PUT": aito_schema.put_table,
        "DELETE": aito_schema.delete_table,
    },
    "schema/{table}/{column}": {
        "GET": aito_schema.get_column, "PUT": aito_schema.put_column,
        "DELETE": aito_schema.delete_column,
    },
    "_query": {"POST": _doing(aito_operations.query)},
    "_search": {"POST": _doing(aito_operations.query)},
    "data/_delete": {"POST": _doing(aito_operations.delete)},
    "data/_modify": {"POST": _doing(aito_operations.modify)},
    "data/{table}/optimize": {"POST": _doing(aito_operations.optimize)},
    "data/{table}/batch": {"POST": batch},
    "data/{table}/stream": {"POST": stream},
    "jobs/{id}": {"GET": job_status},
    "jobs/{id}/result": {"GET": job_result},
    "jobs/{path:path}": {"POST": create_job},
}  # fmt: skip


def _routes() -> Iterator[Route]:
    yield Route(aito_answers.VERSION_PATH, version, methods=["GET"])
    for api in APIS:
        for base in (f"/api/{api}", f"/db/{{db}}/api/{api}"):
            for path, endpoints in _PATHS.items():
                for method, endpoint in endpoints.items():
                    yield Route(f"{base}/{path}", endpoint, methods=[method])
        for path in ("file", "file/{id}"):
            yield Route(
                f"/db/{{db}}/api/{api}/data/{{table}}/{path}",
                no_file_upload,
                methods=["GET", "POST"],
            )
    for base in ("", "/db/{db}"):
        yield Route(f"{base}/api/v2/_version", version, methods=["GET"])


HALF = ApiHalf(
    claims=aito_answers.claims,
    routes=(*_routes(), *aito_file.ROUTES),
    admit=aito_answers.admit,
    refuse=aito_answers.refuse,
    carries_records=carries_records,
)
