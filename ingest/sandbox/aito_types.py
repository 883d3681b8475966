"""aito's column types: which JSON value each one takes, and how SQLite holds it.

Seen: the types' names; Int has 32 bits; Long is v2's; types are strict, so `1` and `"true"` are no
Boolean and `"3"` is no Int; null only where the column is nullable. Guesses: `12345.0` is no Int (a
number with a fraction part is a Decimal, whatever its digits); Decimal is any finite JSON number;
Json is any JSON value but null; elements of arrays are never null and follow their type's rule.

Values come back as they came, by JSON value and kind: a Decimal 5 stays 5 and 5.0 stays 5.0, as a
64-bit integer or a double; what SQLite's 64 bits can't hold becomes a double. Json and arrays are
kept as the very bytes that came, so no digit of theirs is lost.

As in `values`, each rule has a quick form for a whole column, `fits`; here the careful form is the
same function over one value, since the words for what is wrong never depend on the value's content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final

import orjson

Values = Sequence[Any]

LONG: Final = "Long"
TEXT: Final = "Text"
INT32: Final = (-(2**31), 2**31 - 1)
INT64: Final = (-(2**63), 2**63 - 1)


def fits(kind: str, values: Values) -> bool:
    """Whether a column of type `kind` takes all `values`, none of which is null."""
    return _RULES[kind](values)


def is_raw(kind: str) -> bool:
    """Columns of this type are stored as the JSON text that came."""
    return kind == "Json" or kind.endswith("[]")


def is_comparable(kind: str) -> bool:
    """Columns of this type can stand in a `where` and be linked."""
    return not is_raw(kind)


def stored(kind: str, values: Values, raw: Values) -> Values:
    """`values` as SQLite takes them; `raw` are the same values' JSON texts where `is_raw`."""
    if is_raw(kind):
        return [None if v is None else bytes(r).decode() for v, r in zip(values, raw, strict=True)]
    if kind == "Decimal":
        low, high = INT64
        return [float(v) if type(v) is int and not low <= v <= high else v for v in values]
    return values


def answered(kind: str, value: Any) -> Any:
    """A stored value that is not null as the JSON encoder shall see it."""
    if kind == "Boolean":
        return bool(value)
    return orjson.Fragment(value) if is_raw(kind) else value


def _integers(low: int, high: int) -> Callable[[Values], bool]:
    def rule(values: Values) -> bool:
        return not values or (_only(values, int) and low <= min(values) and max(values) <= high)

    return rule


def _decimals(values: Values) -> bool:
    try:
        return _only(values, int, float) and all(map(isfinite, values))
    except OverflowError:  # an integer beyond the largest double
        return False


def _arrays(of: Callable[[Values], bool]) -> Callable[[Values], bool]:
    def rule(values: Values) -> bool:
        return _only(values, list) and all(map(of, values))

    return rule


def _only(values: Values, *kinds: type) -> bool:
    """Every value is of exactly one of `kinds`: a bool is no int here."""
    return set(map(type, values)) <= set(kinds)


def _booleans(values: Values) -> bool:
    return _only(values, bool)


def _strings(values: Values) -> bool:
    return _only(values, str)


def _anything(_values: Values) -> bool:
    return True


_RULES: dict[str, Callable[[Values], bool]] = {
    "Boolean": _booleans,
    "Int": _integers(*INT32),
    LONG: _integers(*INT64),
    "Decimal": _decimals,
    "String": _strings,
    TEXT: _strings,
    "Json": _anything,
    "Boolean[]": _arrays(_booleans),
    "Int[]": _arrays(_integers(*INT32)),
    "Decimal[]": _arrays(_decimals),
    "String[]": _arrays(_strings),
}
TYPES: Final = tuple(_RULES)
