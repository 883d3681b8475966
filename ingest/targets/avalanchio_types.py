"""Avalanchio's words for things: types, columns, tables, answers. Pure.

Documented are the requests and the names of types and properties. *Guess*, and only here: the
shapes of the answers (the service publishes none). So every reader takes the likely spellings and
refuses the rest with what it saw, instead of taking silence for a table without columns.

The width of Integer is not documented and real data passes 2^31, so integers become Bigint;
Boolean is named nowhere, so it is refused with the offer of integer.
"""

from __future__ import annotations

from typing import Any

import orjson

from ingest.errors import SettingsError, TargetError
from ingest.job import FieldType
from ingest.model import Column, Schema
from ingest.protocols import TableWish
from ingest.wire import safe_words

_TO_SERVICE: dict[FieldType, str] = {
    "string": "Text",
    "text": "Textarea",
    "integer": "Bigint",
    "decimal": "Double",
    "date": "Date",
    "timestamp": "Timestamp",
    "json": "Json",
}
_FROM_SERVICE: dict[str, FieldType] = {
    "integer": "integer",
    "bigint": "integer",
    "lookup": "integer",
    "double": "decimal",
    "date": "date",
    "timestamp": "timestamp",
    "text": "string",
    "email": "string",
    "picklist": "string",
    "textarea": "text",
    "json": "json",
    "embedding": "json",
}
_FLAGS = ("required", "unique", "indexed")
_COLUMN_KEYS = frozenset({"name", "type", *_FLAGS})
_WRAPPERS = ("table", "data", "result")
_ROW_KEYS = ("rows", "records", "data", "result")
# Sums where several stand (an upsert inserts some and updates others), else the first one found.
_TAKEN_SUMS = ("inserted", "updated")
_TAKEN_KEYS = ("count", "records", "inserted_count", "record_count", "ids")


def column_type(field_type: FieldType) -> str:
    """The column type for one of our field types. Raises SettingsError for boolean."""
    try:
        return _TO_SERVICE[field_type]
    except KeyError:
        raise SettingsError(
            "avalanchio has no boolean columns",
            'use type = "integer" with true = ["yes"] and false = ["no"] (1 and 0), or "string"',
        ) from None


def field_type(column: Column) -> FieldType:
    """Our field type for a live column; a type that is not known is taken as a string."""
    return _FROM_SERVICE.get(column.type.strip().lower(), "string")


def column_request(column: Column) -> dict[str, Any]:
    """A column as the service wants it in a request; flags stand only where they are set."""
    flags = {flag: True for flag in _FLAGS if getattr(column, flag)}
    own = {"name": column.name, "type": column.type}
    return {**own, **column.properties, **own, **flags}


def table_request(wish: TableWish) -> dict[str, Any]:
    """The body that creates a table."""
    columns = [column_request(column) for column in wish.columns]
    return {**wish.properties, "name": wish.name, "columns": columns}


def read_schema(table: str, answer: Any) -> Schema | None:
    """The live table in a describe answer; None if it says that there is none. (guess)"""
    if not answer:
        return None
    described = _unwrapped(answer)
    if described is None:
        raise TargetError(f"{table}: describe answered in an unknown shape: {_seen(answer)}")
    columns = tuple(_read_column(table, entry) for entry in described["columns"])
    properties = {k: v for k, v in described.items() if k not in ("columns", "name")}
    return Schema(table, columns, properties)


def read_rows(answer: Any) -> list[dict[str, Any]]:
    """The rows of a query's answer, as objects. Raises TargetError if cut or unknown. (guess)"""
    if isinstance(answer, dict) and answer.get("truncated"):
        raise TargetError("the query's answer was cut short by the service", "ask for fewer rows")
    rows, columns = answer, []
    if isinstance(answer, dict):
        rows = next((answer[key] for key in _ROW_KEYS if isinstance(answer.get(key), list)), None)
        columns = [_column_name(entry) for entry in answer.get("columns") or ()]
    if not isinstance(rows, list):
        raise TargetError(f"the query answered in an unknown shape: {_seen(answer)}")
    return [_read_row(row, columns) for row in rows]


def records_taken(answer: Any) -> int | None:
    """How many records the service says it took; None where it does not say. (guess)"""
    if not isinstance(answer, dict):
        return None
    parts = [_count(answer.get(key)) for key in _TAKEN_SUMS]
    if any(part is not None for part in parts):
        return sum(part or 0 for part in parts)
    counts = (_count(answer.get(key)) for key in _TAKEN_KEYS)
    return next((count for count in counts if count is not None), None)


def _unwrapped(answer: Any) -> dict[str, Any] | None:
    candidates = [answer, *(answer.get(k) for k in _WRAPPERS)] if isinstance(answer, dict) else []
    return next(
        (c for c in candidates if isinstance(c, dict) and isinstance(c.get("columns"), list)), None
    )


def _read_column(table: str, entry: Any) -> Column:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise TargetError(f"{table}: describe lists an unknown kind of column: {_seen(entry)}")
    flags = [entry.get(flag) is True for flag in _FLAGS]
    properties = {key: value for key, value in entry.items() if key not in _COLUMN_KEYS}
    required, unique, indexed = flags
    return Column(entry["name"], str(entry.get("type", "")), required, unique, indexed, properties)


def _column_name(entry: Any) -> str:
    return str(entry.get("name", "")) if isinstance(entry, dict) else str(entry)


def _read_row(row: Any, columns: list[str]) -> dict[str, Any]:
    if isinstance(row, dict):
        return row
    if isinstance(row, list) and len(row) == len(columns):
        return dict(zip(columns, row, strict=True))
    raise TargetError(f"the query answered a row of an unknown shape: {_seen(row)}")


def _count(value: Any) -> int | None:
    """A number of records, or the length of a list of them."""
    if isinstance(value, list):
        return len(value)
    return value if type(value) is int and value >= 0 else None


def _seen(value: Any) -> str:
    return safe_words(orjson.dumps(value))[:200]
