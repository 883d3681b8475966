"""Is this value what the column's type allows? Asked before SQLite sees it, a column at a time.

Why not let SQLite decide: it turns the text "12345.0" in an INTEGER column into 12345 and keeps
any text it can't turn, so a loader's mistake would look like a success. "Data types are validated
on write" is all the service's page says; the exact rules below are guesses where it is silent:

- Integer is 32 bits, Bigint and Lookup 64; JSON integers only, so neither 1.0 nor "1" nor true.
- Double is any finite JSON number, kept as it came (5 stays 5), as a double where it has a
  fraction or does not fit 64 bits.
- Date is YYYY-MM-DD; Timestamp is ISO 8601 with `T` or a space; seconds, fraction and zone are
  optional; both must exist in the calendar.
- Email is something@something.something; Text, Textarea and Email keep to `max_length`.
- Json is any JSON value; Embedding a list of exactly `length` finite numbers. Both are stored as
  JSON text.
- null is fine everywhere but in a required column.

Two forms of each rule: `fits` takes a whole column and is quick, `problem` takes one value and has
words for what is wrong. The law, held by a property test: a column fits exactly if none of its
values has a problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date, time
from math import isfinite
from typing import Any

from msgspec import Struct

from ingest.sandbox.tables import Column

Values = list[Any]
INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
EMAIL_CHARACTERS = 254

_ENCODE = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
).encode
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?"
    r"(?:Z|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)?",
    re.ASCII,
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")


class Check(Struct, frozen=True):
    """A column's rule: `fits` over a column, `problem` for one value, `stored` for the database."""

    name: str
    required: bool
    fits: Callable[[Values], bool]
    problem: Callable[[Any], str | None]
    stored: Callable[[Values], Sequence[Any]]


def compiled(column: Column) -> Check:
    """The check of one column, to be kept as long as the column's definition."""
    fits, problem = _RULES[column.type](column)
    required = column.required

    def column_fits(values: Values) -> bool:
        present = [v for v in values if v is not None] if None in values else values
        return (not required or len(present) == len(values)) and fits(present)

    def value_problem(value: Any) -> str | None:
        if value is None:
            return "is required, and null" if required else None
        return problem(value)

    return Check(column.name, required, column_fits, value_problem, _STORED.get(column.type, list))


_Rule = tuple[Callable[[Values], bool], Callable[[Any], str | None]]


def _integers(low: int, high: int) -> Callable[[Column], _Rule]:
    words = f"is not a JSON integer from {low} to {high}"

    def fits(values: Values) -> bool:
        if not values:
            return True
        return _only(values, int) and low <= min(values) and max(values) <= high

    return lambda _column: (fits, lambda value: None if fits([value]) else words)


def _doubles(_column: Column) -> _Rule:
    return _all_numbers, lambda value: None if _all_numbers([value]) else "is not a finite number"


def _all_numbers(values: Values) -> bool:
    try:
        return _only(values, int, float) and all(map(isfinite, values))
    except OverflowError:  # an integer beyond the largest double
        return False


def _texts(column: Column) -> _Rule:
    longest = column.number("max_length")

    def fits(values: Values) -> bool:
        if not _only(values, str):
            return False
        return longest is None or max(map(len, values), default=0) <= longest

    words = "is not a text" + (f" of at most {longest} characters" if longest else "")
    return fits, lambda value: None if fits([value]) else words


def _forms(is_right: Callable[[str], bool], words: str) -> Callable[[Column], _Rule]:
    """Texts of a certain form; each different text is looked at once."""

    def rule(column: Column) -> _Rule:
        text_fits, text_problem = _texts(column)

        def fits(values: Values) -> bool:
            return text_fits(values) and all(map(is_right, set(values)))

        def problem(value: Any) -> str | None:
            return text_problem(value) or (None if is_right(value) else words)

        return fits, problem

    return rule


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    return _parses(date.fromisoformat, match[1]) and _parses(time.fromisoformat, match[2])


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _is_email(text: str) -> bool:
    return len(text) <= EMAIL_CHARACTERS and _EMAIL.fullmatch(text) is not None


def _picklist(column: Column) -> _Rule:
    items = frozenset(column.properties["picklist_items"])

    def fits(values: Values) -> bool:
        return _only(values, str) and items.issuperset(values)

    words = "is not one of the column's picklist_items"
    return fits, lambda value: None if fits([value]) else words


def _json_values(_column: Column) -> _Rule:
    def fits(values: Values) -> bool:
        try:
            _as_json(values)
        except ValueError:
            return False
        return True

    return fits, lambda value: None if fits([value]) else "holds a number that is not finite"


def _embedding(column: Column) -> _Rule:
    length = column.number("length")

    def is_right(value: Any) -> bool:
        return type(value) is list and len(value) == length and _all_numbers(value)

    words = f"is not a list of exactly {length} finite numbers"
    return (
        lambda values: all(map(is_right, values)),
        lambda value: None if is_right(value) else words,
    )


def _only(values: Values, *kinds: type) -> bool:
    """Every value is of exactly one of `kinds`: a bool is no int here."""
    return set(map(type, values)) <= set(kinds)


def _as_json(values: Values) -> list[str | None]:
    return [None if value is None else _ENCODE(value) for value in values]


def _as_numbers(values: Values) -> Values:
    """SQLite holds integers of 64 bits; what is larger is a double, as it is for the service."""
    if int not in set(map(type, values)):
        return values
    low, high = INT64
    return [float(v) if type(v) is int and not low <= v <= high else v for v in values]


_RULES: dict[str, Callable[[Column], _Rule]] = {
    "Integer": _integers(*INT32),
    "Bigint": _integers(*INT64),
    "Lookup": _integers(*INT64),
    "Double": _doubles,
    "Text": _texts,
    "Textarea": _texts,
    "Date": _forms(_is_date, "is not a date of the form YYYY-MM-DD"),
    "Timestamp": _forms(_is_timestamp, "is not an ISO 8601 timestamp"),
    "Email": _forms(_is_email, "is not an e-mail address"),
    "Picklist": _picklist,
    "Json": _json_values,
    "Embedding": _embedding,
}
_STORED: dict[str, Callable[[Values], Sequence[Any]]] = {
    "Double": _as_numbers,
    "Json": _as_json,
    "Embedding": _as_json,
}
