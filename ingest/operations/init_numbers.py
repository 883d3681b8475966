"""Columns whose values are all spelt like numbers: integers, decimals, and what looks so. Pure.

- An integer only if every value is a whole number that the service's columns can hold. `12345.0`
  and `1.5E3` are whole; where all values are spelt `3.0`, there must be gaps (a table program's way
  to write integers) or enough different ones not to be a measure that happens to be round.
- `00100` and a column of `+49...` are text, and so are whole numbers under a name like `zip`.
- A decimal comma is one only if a value has not three digits behind it: `1,234` may be thousands.
"""

from __future__ import annotations

import re

from ingest.operations.init_decided import Decided, Holds, as_text, every
from ingest.operations.init_evidence import Evidence, Kind
from ingest.shape.guessed import EXACT_DOUBLE
from ingest.shape.values import shown

CODE_WORDS = frozenset(
    {"zip", "zipcode", "postal", "postcode", "plz", "phone", "telephone", "tel", "fax", "mobile"}
    | {"isbn", "issn", "ean", "upc", "gtin", "ssn", "iban", "fips"}
)
NO_CODE_WORDS = frozenset({"count", "total", "sum", "avg", "mean", "num", "share", "rate", "pct"})
CODE_DIGITS = 4
ENOUGH_DIFFERENT = 10
_WHOLE = (Kind.WHOLE, Kind.POINT_ZERO, Kind.WHOLE_EXPONENT)
NUMBERS = (*_WHOLE, Kind.FRACTION, Kind.EXPONENT, Kind.PLUS)
_SPELT = (*NUMBERS, Kind.PADDED, Kind.COMMA, Kind.COMMA_OR_GROUP, Kind.GROUPED)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")


def number(name: str, seen: Evidence, holds: Holds) -> Decided | None:
    """What a column of this name is whose values are all spelt like numbers; else None."""
    if seen.of(*_SPELT) != seen.values:
        return None
    if seen.counts[Kind.PADDED]:
        example = shown(seen.examples[Kind.PADDED])
        return as_text(seen, f"digits, but {example} begins with a zero that must stay")
    if seen.of(*NUMBERS) != seen.values:
        return _with_commas(seen)
    fractions = seen.of(Kind.FRACTION, Kind.EXPONENT)
    if seen.counts[Kind.PLUS] and not fractions and (seen.least or 0) >= 0:
        example = shown(seen.examples[Kind.PLUS])
        doubt = 'if it is a number and no code, set type = "integer"'
        return as_text(seen, f"digits, but {example} begins with a plus", doubt)
    if fractions or _is_round_measure(seen):
        return Decided("decimal", f"{every(seen)} are numbers{_fractions(seen)}")
    return _whole(name, seen, holds)


def _is_round_measure(seen: Evidence) -> bool:
    """Few different values, all spelt `3.0`: a measure that happens to be round."""
    few = seen.few is not None and len(seen.few) < ENOUGH_DIFFERENT
    return few and seen.counts[Kind.POINT_ZERO] == seen.values and not seen.without


def _fractions(seen: Evidence) -> str:
    for kind in (Kind.FRACTION, Kind.EXPONENT, Kind.POINT_ZERO):
        if seen.counts[kind]:
            return f", {seen.counts[kind]:,} like {seen.examples[kind].strip()}"
    return ""


def _whole(name: str, seen: Evidence, holds: Holds) -> Decided:
    least, most = seen.least or 0, seen.most or 0
    spelt = seen.of(Kind.POINT_ZERO, Kind.WHOLE_EXPONENT)
    kind = Kind.POINT_ZERO if seen.counts[Kind.POINT_ZERO] else Kind.EXPONENT
    how = f", {spelt:,} spelt like {seen.examples[kind].strip()}" if spelt else ""
    why = f"{every(seen)} are whole numbers{how}, {least:,} to {most:,}"
    if _is_code(name) and len(str(most)) >= CODE_DIGITS:
        doubt = 'text by its name alone: if it is a number, set type = "integer"'
        return as_text(seen, why, doubt)
    low, high = holds.integers
    if low <= least and most <= high:
        return Decided("integer", why)
    if max(-least, most) <= EXACT_DOUBLE:
        wider = f"; with {holds.wider} it can be an integer" if holds.wider else ""
        return Decided("decimal", f"{why}: more than the service's integers hold{wider}")
    return as_text(seen, f"{why}: more than an integer column holds")


def _is_code(name: str) -> bool:
    words = {word.casefold() for word in _WORDS.findall(name)}
    return bool(words & CODE_WORDS) and not words & NO_CODE_WORDS


def _with_commas(seen: Evidence) -> Decided:
    """Numbers with commas in them, or with marks between thousands."""
    comma = (*_WHOLE[:1], Kind.COMMA, Kind.COMMA_OR_GROUP)
    if seen.counts[Kind.COMMA] and seen.of(*comma) == seen.values:
        example = seen.examples[Kind.COMMA]
        why = f"{every(seen)} are numbers with a decimal comma, like {example}"
        return Decided("decimal", why, decimal=",")
    marked = (Kind.GROUPED, Kind.COMMA_OR_GROUP, Kind.COMMA)
    kind = next(kind for kind in marked if seen.counts[kind])
    example = shown(seen.examples[kind])
    if kind is Kind.COMMA_OR_GROUP:
        said = "may have a decimal comma or a mark between thousands"
        doubt = 'if it is a decimal comma: type = "decimal", decimal = ","'
        return as_text(seen, f"{every(seen)} are numbers, but {example} {said}", doubt)
    said = "marks between thousands are not understood"
    return as_text(seen, f"{every(seen)} are numbers, but {example}: {said}")
