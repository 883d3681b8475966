"""When are a record that was sent and the row that is there the same? Pure.

The rule, by the live column's type:

- *Double* and *Decimal* columns (and lists of them): both as 64-bit floating-point numbers, so 5,
  5.0 and 5e0 are one value, and so are two spellings of digits that no double tells apart: that is
  what such a column stores.
- *Timestamp* columns of a service that has them: the same moment, however it is spelt: `T` or a
  space, zeros at a fraction's end, a zone's offset. With a zone and without one are two values.
- *All others*: the same JSON value and type. 1, 1.0, "1" and true are four values, null and "" are
  two, and integers are exact up to 64 bits. The order of an object's keys says nothing. Beyond 64
  bits a JSON parser rounds, on both sides alike.
- A member that is absent is a null, on both sides (aito leaves nulls out).

`Columns.canonical` gives the same bytes for two records exactly if they are the same by this rule,
so one comparison of bytes does for a whole row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from msgspec import Struct

from ingest.model import Schema

Kind = Literal["exact", "float", "moment"]
Json = Mapping[str, Any]
_FLOATS = frozenset({"double", "decimal", "decimal[]", "embedding", "float"})
_INTEGERS = frozenset({"integer", "bigint", "int", "long"})
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


class Columns(Struct, frozen=True):
    """The columns that are compared, and how each is."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    numeric: tuple[str, ...] = ()

    @classmethod
    def of(cls, schema: Schema, wanted: Sequence[str]) -> Columns:
        """Of the live table those that are wanted and there. `numeric` can be added up."""
        words = {column.name: column.type.strip().lower() for column in schema.columns}
        names = tuple(name for name in dict.fromkeys(wanted) if name in words)
        numbers = _INTEGERS | {"double", "decimal"}
        return cls(
            names,
            tuple(_kind(words[name]) for name in names),
            tuple(name for name in names if words[name] in numbers),
        )

    def canonical(self, record: Json) -> bytes:
        """The cells as bytes: the same bytes are the same cells, and only they."""
        cells = [
            record.get(name) if kind == "exact" else _canonical(kind, record.get(name))
            for name, kind in zip(self.names, self.kinds, strict=True)
        ]
        return orjson.dumps(cells, option=orjson.OPT_SORT_KEYS)

    def differences(self, expected: Json, found: Json) -> list[tuple[str, Any, Any]]:
        """The cells that differ: column, expected, found."""
        return [
            (name, expected.get(name), found.get(name))
            for name, kind in zip(self.names, self.kinds, strict=True)
            if _one(kind, expected.get(name)) != _one(kind, found.get(name))
        ]

    def only(self, names: Sequence[str] | frozenset[str]) -> Columns:
        """Some of them."""
        pairs = [(n, k) for n, k in zip(self.names, self.kinds, strict=True) if n in names]
        return Columns(tuple(n for n, _ in pairs), tuple(k for _, k in pairs))


def read_record(line: bytes) -> dict[str, Any]:
    """A record as it was encoded, perhaps with a separator behind it."""
    found: dict[str, Any] = orjson.loads(line.rstrip(b", \t\r\n"))
    return found


def _kind(word: str) -> Kind:
    if word in _FLOATS:
        return "float"
    return "moment" if word == "timestamp" else "exact"


def _one(kind: Kind, value: Any) -> bytes:
    return orjson.dumps(_canonical(kind, value), option=orjson.OPT_SORT_KEYS)


def _canonical(kind: Kind, value: Any) -> Any:
    if kind == "float":
        return _as_float(value)
    return _as_moment(value) if kind == "moment" and isinstance(value, str) else value


def _as_float(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_float(one) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value) + 0.0  # -0.0 is 0.0


def _as_moment(text: str) -> str:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return text
    day, minute, second, fraction, zone = match.groups()
    moment = f"{day}T{minute}{second or ':00'}"
    tail = f".{fraction.rstrip('0')}".rstrip(".") if fraction else ""
    if zone is None:
        return moment + tail
    try:
        there = datetime.fromisoformat(moment + zone)
        return f"{there.astimezone(UTC).replace(tzinfo=None).isoformat()}{tail}Z"
    except (ValueError, OverflowError):
        return text
