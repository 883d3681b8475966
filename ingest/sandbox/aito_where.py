"""A `where` as SQL: a condition with its values apart, so nothing of it is ever part of the text.

The forms: `{"field": value}` is equality, `null` included; `{"field": {"$gt": v, "$lt": w}}` with
`$gt $gte $lt $lte $is` and, over such forms, `$and $or` (lists) and `$not`; the same three also at
the top, over whole conditions; several keys of an object all hold. An empty object holds for all.
Everything else (links followed by a dot, `$match`, `$has`, ...) the sandbox does not know and
refuses by name.

Guesses: nothing but equality holds for null, so `$not` of anything else does; a value whose type
can't be the column's is refused; a field that the table does not have is a 400 on v1, while on v2
the term is left out and a warning says so (seen: the code `where.unknown_field`, and that the
engine then "answered a different query"); for deletes and updates it is refused in both, since a
rehearsal should not delete more than was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from ingest.sandbox import aito_types
from ingest.sandbox.aito_refusal import bad_query, unknown_field
from ingest.sandbox.aito_tables import Column, Table
from ingest.sandbox.refusal import shown

DEPTH = 20  # SQLite's parser has a stack of 100, of which each level here takes several
_COMPARED = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_NUMBERS = frozenset({"Int", "Long", "Decimal"})


class Condition(Struct):
    """SQL, the values for its question marks in order, and the fields that had to be left out."""

    sql: str = "TRUE"
    values: list[Any] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def compiled(where: object, table: Table, *, lenient: bool = False) -> Condition:
    """The condition that `where` means for rows of `table`. Raises `Refused` (400).

    `lenient`: a field that the table does not have holds for all rows and is noted.
    """
    condition = Condition()
    if where is not None:
        condition.sql = _Compiler(table, condition, lenient).whole(where, DEPTH)
    return condition


def slot(column: Column) -> str:
    """The column's name in the database."""
    return f"c{column.slot}"


class _Compiler(Struct, frozen=True):
    table: Table
    condition: Condition
    lenient: bool

    def whole(self, where: object, depth: int) -> str:
        """A condition on rows: an object of fields and of operators over conditions."""
        if not isinstance(where, Mapping):
            raise bad_query(f'"where" must be an object, not {shown(where)}')
        _check_depth(depth)
        return _all([self._term(key, value, depth - 1) for key, value in where.items()])

    def _term(self, key: str, value: object, depth: int) -> str:
        if key.startswith("$"):
            return _operator(key, value, lambda inner: self.whole(inner, depth))
        column = self.table.columns.get(key)
        if column is not None:
            return self._of(column, value, depth)
        if not self.lenient:
            raise bad_query(unknown_field(key))
        self.condition.unknown.append(key)
        return "TRUE"

    def _of(self, column: Column, spec: object, depth: int) -> str:
        """A condition on one column: a value, or an object of operators."""
        _check_depth(depth)
        if not isinstance(spec, Mapping):
            return self._compared(column, "IS", spec)
        terms = []
        for key, value in spec.items():
            if key == "$is":
                terms.append(self._compared(column, "IS", value))
            elif key in _COMPARED:
                terms.append(f"{self._compared(column, _COMPARED[key], value)} IS TRUE")
            else:
                inner = lambda spec: self._of(column, spec, depth - 1)  # noqa: E731 - of this column
                terms.append(_operator(key, value, inner))
        return _all(terms)

    def _compared(self, column: Column, sign: str, value: object) -> str:
        if value is not None and not _matches(column.type, value):
            message = f"field {shown(column.name)} is {column.type}: it can't be {shown(value)}"
            raise bad_query(message)
        self.condition.values.append(value)
        return f"({slot(column)} {sign} ?)"


def _operator(key: str, value: object, inner: Callable[[object], str]) -> str:
    if key == "$not":
        return f"(NOT {inner(value)})"
    if key not in {"$and", "$or"}:
        raise bad_query(f"the sandbox does not know the operator {shown(key)} here")
    if not isinstance(value, list):
        raise bad_query(f"{key} needs a list, not {shown(value)}")
    terms = list(map(inner, value))
    return _all(terms) if key == "$and" else _balanced(terms, "OR", "FALSE")


def _all(terms: Sequence[str]) -> str:
    return _balanced(terms, "AND", "TRUE")


def _balanced(terms: Sequence[str], sign: str, empty: str) -> str:
    """`a OR b OR ...` as a tree as flat as can be: SQLite's limit is on depth."""
    if len(terms) <= 1:
        return terms[0] if terms else empty
    half = len(terms) // 2
    left, right = (_balanced(part, sign, empty) for part in (terms[:half], terms[half:]))
    return f"({left} {sign} {right})"


def _matches(kind: str, value: object) -> bool:
    """Whether a column of type `kind` might hold `value`."""
    if not aito_types.is_comparable(kind):
        return False
    return aito_types.fits("Decimal" if kind in _NUMBERS else kind, [value]) and _fits_64(value)


def _fits_64(value: object) -> bool:
    low, high = aito_types.INT64
    return not isinstance(value, int) or low <= value <= high


def _check_depth(depth: int) -> None:
    if depth < 0:
        raise bad_query(f'"where" is nested deeper than {DEPTH}')
