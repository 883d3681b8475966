"""What aito's POSTs do: functions of the store and the request, so that a job can do them as well.

An operation runs on the store's thread; what it gives is the JSON object that its endpoint answers,
and that a job's `result` answers later.

Documented: v2's answer to a batch. Guesses: v1's, both answers to a stream, and those to `_delete`
and `optimize`, of which only is known that they are objects. Optimizing changes nothing here, since
SQLite has no segments to merge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ingest.sandbox import aito_records
from ingest.sandbox.aito_refusal import bad
from ingest.sandbox.aito_store import Parse, parsed
from ingest.sandbox.refusal import Refused, shown
from ingest.sandbox.store import Store

Answer = dict[str, Any]


class Asked(Struct, frozen=True):
    """A request: its database ("" at the root), version ("v1" or "v2"), table ("" if its path
    names none) and body."""

    base: str
    api: str
    table: str
    content: bytes


Operation = Callable[[Store, Asked], Answer]


def insert_batch(store: Store, asked: Asked) -> int:
    """Insert a JSON array of rows, all or none; how many."""
    return _insert(store, asked, aito_records.of_batch)


def insert_stream(store: Store, asked: Asked) -> int:
    """Insert NDJSON rows, all or none; how many."""
    return _insert(store, asked, aito_records.of_stream)


def inserted(asked: Asked, count: int) -> Answer:
    """What a batch and a stream answer."""
    if asked.api == "v2":
        return {"status": "inserted", "count": count}
    return {"entries": count, "status": "ok"}


def batch(store: Store, asked: Asked) -> Answer:
    """`insert_batch` with its answer."""
    return inserted(asked, insert_batch(store, asked))


def query(store: Store, asked: Asked) -> Answer:
    """Rows of a table."""
    return store.aito.query(asked.base, parsed(asked.content), asked.api)


def delete(store: Store, asked: Asked) -> Answer:
    """Delete rows of a table: `{"from", "where"}`."""
    payload = parsed(asked.content)
    table = payload.get("from")
    if not isinstance(table, str) or payload.keys() - {"from", "where"}:
        raise bad(f'the body must be {{"from": table, "where": {{...}}}}, not {shown(payload)}')
    return {"total": store.aito.delete((asked.base, table), payload.get("where"))}


def modify(store: Store, asked: Asked) -> Answer:
    """Several changes, all or none."""
    return store.aito.modify(asked.base, parsed(asked.content), asked.api)


def optimize(store: Store, asked: Asked) -> Answer:
    """Nothing, to a table that must exist."""
    parsed(asked.content or b"{}")
    store.aito.catalogue.entry((asked.base, asked.table))
    return {"status": "ok", "table": asked.table}


def job_of(path: str, asked: Asked) -> Callable[[Store], Answer]:
    """The operation that `POST jobs/<path>` asks for. Raises `Refused` (404)."""
    match = next(filter(None, (form.fullmatch(path) for form in _JOBS)), None)
    if match is None:
        raise Refused(404, f"there is no job {path[:200]}")
    operation, named = _JOBS[match.re], replace(asked, table=match.groupdict().get("table", ""))
    return lambda store: operation(store, named)


def _insert(store: Store, asked: Asked, parse: Parse) -> int:
    return store.aito.insert((asked.base, asked.table), asked.content, parse)


_JOBS: dict[re.Pattern[str], Operation] = {
    re.compile("_query|_search"): query,
    re.compile("data/_delete"): delete,
    re.compile("data/_modify"): modify,
    re.compile("data/(?P<table>[^/]+)/optimize"): optimize,
    re.compile("data/(?P<table>[^/]+)/batch"): batch,
}
