"""aito's words for things: types, columns, tables, queries, answers. Pure.

Seen in a real client, so not guessed: the requests, the names of types, that a table knows only
`type` and `columns` and a column only `type`, `nullable`, `link` and `analyzer`, which names are
forbidden, and that a query answers `{"offset", "total", "hits"}`.

*Guess*, and only here:

- how many records a batch took is read from v2's `{"status": "inserted", "count": N}` alone. v1's
  answer is published nowhere, and a number that meant something else would turn batches that landed
  into doubtful ones;
- a missing table is known by the words of `_MISSING`, at the start of a 400's message. The service
  says so of a schema (404) and of a query (400); of data paths it is assumed;
- v2 takes `collection` for the `type` of a table that is made, and columns one by one as v1 does;
- arrays and types not known here are no texts of ours: arrays pass as JSON, the unknown as strings.

Dates and timestamps are Strings, because there is no date type.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import orjson

from ingest.errors import IngestError, NotFound, SettingsError, TargetError, Trouble
from ingest.job import FieldType
from ingest.model import Column, Schema
from ingest.protocols import TableWish
from ingest.wire import safe_words

Api = Literal["v1", "v2"]

QUERY_ROWS = 1_000
_MISSING = r"no such table: {table}(?=$|[\s./\"$])|failed to open '{table}'"
_TO_SERVICE: dict[FieldType, str] = {
    "string": "String",
    "text": "Text",
    "integer": "Int",
    "decimal": "Decimal",
    "boolean": "Boolean",
    "date": "String",
    "timestamp": "String",
    "json": "Json",
}
_FROM_SERVICE: dict[str, FieldType] = {
    "int": "integer",
    "long": "integer",
    "decimal": "decimal",
    "boolean": "boolean",
    "string": "string",
    "text": "text",
    "json": "json",
}
_INTEGER_BITS = {"int": 32, "long": 64}
_TABLE_TYPES: dict[Api, str] = {"v1": "table", "v2": "collection"}
_COLUMN_KEYS = ("type", "nullable", "link", "analyzer")
_NO_NAME = re.compile(r'[/".$\s]')


def column_type(field_type: FieldType, api: Api = "v1") -> str:
    """The column type for one of our field types; integers are 64 bits wide on v2 only."""
    return "Long" if field_type == "integer" and api == "v2" else _TO_SERVICE[field_type]


def field_type(column: Column) -> FieldType:
    """Our field type for a live column; a type that is not known is taken as a string."""
    word = column.type.strip().lower()
    return "json" if word.endswith("[]") else _FROM_SERVICE.get(word, "string")


def integer_range(type_word: str) -> tuple[int, int] | None:
    """The least and the greatest value of an integer column; None for any other type."""
    bits = _INTEGER_BITS.get(type_word.strip().lower())
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if bits else None


def check_name(name: str, what: str) -> None:
    """Raises SettingsError for a name that no table or column of aito can have."""
    found = _NO_NAME.search(name)
    if found or not name:
        raise SettingsError(
            f"aito: {what} {name!r} {f'holds {found[0]!r}' if found else 'is empty'}",
            'names hold no / " . $ and no white space: name it otherwise in the job',
        )


def check_wish(wish: TableWish) -> None:
    """Raises SettingsError for what aito's tables and columns do not know."""
    check_name(wish.name, "the table name")
    if wish.properties:
        raise SettingsError(
            f"[table] {', '.join(wish.properties)}: aito's tables have no properties, only columns",
            "leave it out; what a column shall have stands in its field's `column`",
        )
    for column in wish.columns:
        check_name(column.name, "the column name")
        _check_column(column)


def column_request(column: Column) -> dict[str, Any]:
    """A column as the service wants it: nullable unless wished required.

    aito's own default is the opposite; by it one missing value would refuse a whole batch.
    """
    extra = {key: value for key, value in column.properties.items() if key in _COLUMN_KEYS}
    return {**extra, "type": column.type, "nullable": _nullable(column)}


def table_request(wish: TableWish, api: Api = "v1") -> dict[str, Any]:
    """The body that creates a table."""
    columns = {column.name: column_request(column) for column in wish.columns}
    return {"type": _TABLE_TYPES[api], "columns": columns}


def check_added(table: str, columns: list[Column]) -> None:
    """Raises SettingsError if one can't be added to a table: its rows have no value for it."""
    for column in columns:
        if not _nullable(column):
            raise SettingsError(
                f"{table}: the new column {column.name!r} can't be required: the rows that are"
                " there would have no value for it",
                "leave `required` out of the field's `column`, or make the table anew",
            )


def read_schema(table: str, answer: Any) -> Schema:
    """The live table in a schema answer. Raises TargetError for an answer of another shape."""
    columns = answer.get("columns") if isinstance(answer, dict) else None
    if not isinstance(columns, dict):
        raise TargetError(f"{table}: the schema came in an unknown shape: {_seen(answer)}")
    properties = {k: v for k, v in answer.items() if k not in ("columns", "type")}
    found = tuple(_read_column(table, name, entry) for name, entry in columns.items())
    return Schema(table, found, properties)


def read_query(statement: str) -> dict[str, Any]:
    """The query in a text. Raises IngestError for a text that is none, saying what one is like."""
    try:
        query = orjson.loads(statement)
    except orjson.JSONDecodeError as exc:
        raise IngestError(f"the query is no JSON: {exc}", _QUERY) from None
    if not isinstance(query, dict):
        raise IngestError("the query is no JSON object", _QUERY)
    return query


def bounded(query: dict[str, Any], table: str) -> dict[str, Any]:
    """The query with `from` and `limit`, where it names none (the service's own limit is 10)."""
    return {"from": table, "limit": QUERY_ROWS, **query}


def read_hits(answer: Any, *, limited: bool) -> list[dict[str, Any]]:
    """The rows of a query's answer; fields that are null are left out, as the service does.

    Raises TargetError for another shape, for warnings (v2's word for having answered another
    question) and, unless the asker set the limit himself, where there is more than was answered.
    """
    hits = answer.get("hits") if isinstance(answer, dict) else None
    if not isinstance(hits, list) or not all(isinstance(hit, dict) for hit in hits):
        raise TargetError(f"the query answered in an unknown shape: {_seen(answer)}")
    total, offset = read_total(answer), answer.get("offset")
    if not limited and total is not None and total > len(hits) + (_count(offset) or 0):
        raise TargetError(
            f"{total:,} rows match, more than the {len(hits):,} that were answered",
            f'set a limit of your own, for example "limit": {total}, or ask for fewer rows',
        )
    return hits


def read_total(answer: Any) -> int | None:
    """How many rows match a query; None where the answer does not say."""
    if not isinstance(answer, dict):
        return None
    _check_warnings(answer)
    return _count(answer.get("total"))


def records_taken(answer: Any) -> int | None:
    """How many records the service says it took; None where it does not say. (guess)"""
    if isinstance(answer, dict) and answer.get("status") == "inserted":
        return _count(answer.get("count"))
    return None


def doubt_about(answer: Any) -> str:
    """Why a 2xx answer to a batch is no success, in words; empty where it is one.

    Every 2xx answer of the service is an object (seen), so another one is somebody else's.
    """
    if answer is None:  # 204
        return ""
    if not isinstance(answer, dict):
        return f"a success, but the answer is no JSON object: {_seen(answer)}"
    if answer.get("kind") == "error":
        return f"a success by its status, but the answer is an error: {_seen(answer)}"
    return ""


def as_meant(trouble: Trouble, table: str) -> Trouble:
    """The trouble, as NotFound where it is a 400 that means a missing table. (guess)"""
    missing = _MISSING.format(table=re.escape(table))
    if trouble.status == 400 and re.match(missing, trouble.message, re.IGNORECASE):
        return NotFound(trouble.message, status=400, retry_after_s=trouble.retry_after_s)
    return trouble


def _nullable(column: Column) -> bool:
    return bool(column.properties.get("nullable", not column.required))


def _check_column(column: Column) -> None:
    place = f"fields.{column.name}.column"
    for flag in ("unique", "indexed"):
        if getattr(column, flag):
            raise SettingsError(f"{place}: {flag} = true: aito's columns have no such property")
    for key in column.properties:
        if key not in _COLUMN_KEYS:
            known = ", ".join(_COLUMN_KEYS)
            raise SettingsError(f"{place}: {key}: aito's columns have only {known}")
    nullable = column.properties.get("nullable", not column.required)
    if not isinstance(nullable, bool) or (nullable and column.required):
        raise SettingsError(
            f"{place}: nullable must be true or false, and not true where required is"
        )


def _read_column(table: str, name: str, entry: Any) -> Column:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise TargetError(f"{table}: the column {name!r} is of an unknown kind: {_seen(entry)}")
    properties = {k: v for k, v in entry.items() if k not in ("type", "nullable") and v is not None}
    required = entry.get("nullable") is not True
    return Column(name, entry["type"], required, properties=properties)


def _check_warnings(answer: dict[str, Any]) -> None:
    if warnings := answer.get("warnings"):
        raise TargetError(f"the service answered another query than ours: {_seen(warnings)}")


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _seen(value: Any) -> str:
    return safe_words(orjson.dumps(value))[:200]


_QUERY = 'a query looks like {"from": "t", "where": {"name": "x"}, "limit": 5}'
