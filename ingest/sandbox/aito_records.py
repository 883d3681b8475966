"""From the bytes of a batch, a stream or a file's lines to checked columns. Pure.

A batch is a JSON array of objects (documented); a stream is NDJSON, one object a line, blank lines
ignored, in order (documented; that it is all or nothing is the page's "single operation"). Lines
are cut at `\\n` alone and parsed one by one, so two objects on a line are no record.

Both are refused whole for one bad row, in words that name none (see `aito_refusal`). A missing
field is null; of a key that stands twice the last counts (guess).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
import orjson
from msgspec import Struct

from ingest.sandbox import aito_refusal, aito_types
from ingest.sandbox.aito_refusal import BAD_JSON, bad
from ingest.sandbox.aito_tables import Column, Table

T = TypeVar("T")

Record = Mapping[str, Any]
Columns = dict[str, Sequence[Any]]

_RAW_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_NO_OBJECT = "expected a JSON object for each row"
_NO_ARRAY = "Expected JSON array for import"  # the engine's own words, seen in its client


class Rows(Struct, frozen=True):
    """Parsed records, and the JSON text of their values where a column keeps it."""

    records: Sequence[Record]
    raw: Sequence[Mapping[str, msgspec.Raw]] = ()


def of_batch(content: bytes, table: Table) -> Rows:
    """The rows of a JSON array. Raises `Refused` (400)."""
    records = _parsed(lambda: orjson.loads(content))
    if not isinstance(records, list):
        raise bad(_NO_ARRAY)
    if not set(map(type, records)) <= {dict}:
        raise bad(_NO_OBJECT)
    return Rows(records, _parsed(lambda: _RAW_ROWS.decode(content)) if _keeps_raw(table) else ())


def of_stream(content: bytes, table: Table) -> Rows:
    """The rows of NDJSON. Raises `Refused` (400)."""
    lines = [line for line in content.split(b"\n") if line and not line.isspace()]
    records = _parsed(lambda: list(map(orjson.loads, lines)))
    if not set(map(type, records)) <= {dict}:
        raise bad(_NO_OBJECT)
    if not _keeps_raw(table):
        return Rows(records)
    return Rows(records, _parsed(lambda: list(map(_RAW_ROW.decode, lines))))


def of_objects(records: Sequence[Record], table: Table) -> Rows:
    """Rows that stood within another request (`_modify`), so their JSON is written anew."""
    if not all(isinstance(record, dict) for record in records):
        raise bad(_NO_OBJECT)
    raw = [{k: msgspec.Raw(orjson.dumps(v)) for k, v in record.items()} for record in records]
    return Rows(records, raw if _keeps_raw(table) else ())


def of_line(line: bytes, table: Table) -> Rows:
    """The one row of a file's line. Raises `Refused` (400) with words for this row."""
    rows = of_stream(line, table)
    if len(rows.records) != 1:
        raise bad(_NO_OBJECT)
    checked(rows, table)
    return rows


def checked(rows: Rows, table: Table) -> Columns:
    """Every column's values as the database takes them. Raises `Refused` (400)."""
    unknown = set[str]().union(*rows.records) - table.columns.keys()
    if unknown:
        raise bad(aito_refusal.unknown_field(min(unknown)))
    return {name: _checked(rows, column) for name, column in table.columns.items()}


def _parsed(parse: Callable[[], T]) -> T:
    """What `parse` gives. Both parsers bound the depth, the second a little earlier."""
    try:
        return parse()
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise bad(f"malformed JSON: {error}", BAD_JSON) from error


def _checked(rows: Rows, column: Column) -> Sequence[Any]:
    values = _column(rows.records, column.name)
    present = [v for v in values if v is not None] if None in values else values
    if len(present) < len(values) and not column.nullable:
        raise bad(aito_refusal.wrong_value(column.name, column.type, None))
    if not aito_types.fits(column.type, present):
        wrong = next(v for v in present if not aito_types.fits(column.type, [v]))
        raise bad(aito_refusal.wrong_value(column.name, column.type, wrong))
    raw = _column(rows.raw, column.name) if aito_types.is_raw(column.type) else ()
    return aito_types.stored(column.type, values, raw)


def _column(records: Sequence[Record], name: str) -> list[Any]:
    """The values of one column, null where a record does not name it."""
    try:
        return list(map(itemgetter(name), records))  # no Python per record
    except KeyError:
        return [record.get(name) for record in records]


def _keeps_raw(table: Table) -> bool:
    return any(aito_types.is_raw(column.type) for column in table.columns.values())
