"""aito's `_query`: a page of one table's rows, in the order in which they were inserted.

Seen: `from`, `where`, `offset`, `limit` (10 unless told; 0 gives the total alone) and `select`
answer `{"offset", "total", "hits"}`, null fields left out; v1's client sends `"select": null`, v2
is strict about null, so there it is refused. Guesses: `select` names columns of the table itself,
since the sandbox follows no links; a limit beyond `MOST_HITS` gives that many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.sandbox import aito_types, aito_where
from ingest.sandbox.aito_catalogue import Catalogue, Entry
from ingest.sandbox.aito_refusal import NOT_FOUND, bad_query
from ingest.sandbox.aito_tables import Column, Table
from ingest.sandbox.query import timed
from ingest.sandbox.refusal import Refused, shown

HITS = 10
MOST_HITS = 100_000  # an answer is made in memory

_KEYS = frozenset({"from", "where", "offset", "limit", "select"})


class Query(Struct, frozen=True):
    """What is asked of which database ("" at the root) in which version."""

    base: str
    payload: Mapping[str, Any]
    api: str


def answer(db: sqlite3.Connection, catalogue: Catalogue, query: Query) -> dict[str, Any]:
    """`{"offset", "total", "hits"}`; on v2 perhaps `warnings`. Raises `Refused`."""
    _check(query)
    payload = query.payload
    entry = _opened(catalogue, query)
    lenient = query.api == "v2"
    condition = aito_where.compiled(payload.get("where"), entry.table, lenient=lenient)
    columns = _selected(payload.get("select"), entry.table)
    offset, limit = _count(payload, "offset", 0), min(_count(payload, "limit", HITS), MOST_HITS)
    slots = ", ".join(map(aito_where.slot, columns))
    source = f"FROM {entry.rows} WHERE {condition.sql}"
    page = f"SELECT {slots} {source} ORDER BY rowid LIMIT ? OFFSET ?"
    with timed(db):
        (total,) = db.execute(f"SELECT count(*) {source}", condition.values).fetchone()
        rows = db.execute(page, (*condition.values, limit, offset)).fetchall()
    hits = [_hit(columns, row) for row in rows]
    return {"offset": offset, "total": total, "hits": hits} | _warnings(condition.unknown)


def table_name(value: object) -> str:
    """`value` if it may be the name of a table in a request's body."""
    if not isinstance(value, str):
        raise bad_query(f"expected the name of a table, not {shown(value)}")
    return value


def _opened(catalogue: Catalogue, query: Query) -> Entry:
    """The table, whose absence a query says in words of its own (seen)."""
    name = table_name(query.payload.get("from"))
    try:
        return catalogue.entry((query.base, name))
    except Refused:
        if query.api == "v2":
            raise Refused(404, f"{name[:200]} not found", code=NOT_FOUND) from None
        raise bad_query(f"failed to open '{name[:200]}'") from None


def _check(query: Query) -> None:
    unknown = query.payload.keys() - _KEYS
    if unknown:
        raise bad_query(f"the sandbox does not know {shown(min(unknown))} in a query")
    nulls = [key for key, value in query.payload.items() if value is None]
    if nulls and query.api == "v2":
        raise bad_query(f"{nulls[0]} can't be null: leave it out")


def _count(payload: Mapping[str, Any], name: str, default: int) -> int:
    value = payload.get(name)
    if value is None:
        return default
    if type(value) is not int or not 0 <= value <= aito_types.INT64[1]:
        raise bad_query(f"{name} must be an integer of 0 or more, not {shown(value)}")
    return value


def _selected(select: object, table: Table) -> Sequence[Column]:
    if select is None:
        return list(table.columns.values())
    if not isinstance(select, list) or not select:
        raise bad_query(f'"select" must be a list of columns, not {shown(select)}')
    for name in select:
        if not isinstance(name, str) or name not in table.columns:
            raise bad_query(f"field {shown(name)} not found")
    return [table.columns[name] for name in select]


def _hit(columns: Sequence[Column], row: Sequence[Any]) -> dict[str, Any]:
    return {
        column.name: aito_types.answered(column.type, value)
        for column, value in zip(columns, row, strict=True)
        if value is not None
    }


def _warnings(unknown: Sequence[str]) -> dict[str, Any]:
    warnings = [
        {"code": "where.unknown_field", "message": f"no field {name[:200]}", "field": name[:200]}
        for name in unknown
    ]
    return {"warnings": warnings} if warnings else {}
