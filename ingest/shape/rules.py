"""How a column of texts becomes a column of JSON texts, in native code wherever it can.

A rule meets a column in up to three steps, each asked only for what the one before left open:

1. *Spelling.* The first value suggests how the whole column is spelt (`12345`, or `12345.0`); one
   regular expression asks whether every value is. If so, the text travels as it is but for a known
   prefix and suffix. Almost every column of almost every block ends here, without being parsed.
2. *Bulk.* An expression that gives the JSON text where it is sure, and null where it is not.
3. *Scalar.* The reference in `values`, once for each distinct value that is still open. It alone
   refuses a value, so a refusal always comes with its reason.

Steps 1 and 2 may only say what step 3 would say; `tests/shape/test_rules.py` holds them to it.
Patterns are written in the syntax that Python and Rust share.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

import polars as pl
from msgspec import Struct

from ingest.shape import values
from ingest.shape.json_read import json_value as read_json
from ingest.shape.values import INT64, IntegerRange, Scalar

Pieces = tuple[str, pl.Expr, str]
Transform = Callable[[pl.Expr], pl.Expr]

# Bounded exponents and digits: what matches is finite, so nothing needs to be parsed to know it.
WHOLE = r"0|-?[1-9][0-9]{0,17}"
PLAIN_INTEGER = f"^(?:{WHOLE})$"
SPELT_WHOLE = r"^[+-]?[0-9]{1,18}(?:\.0*)?$"
PLAIN_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?$"
COMMA_DECIMAL = PLAIN_DECIMAL.replace(r"\.", ",")
NEEDS_ESCAPE = r'["\\\x00-\x1f]'
# Characters of a value that suggest its spelling. Python's engine looks at 60 MB a second, and of
# what is suggested every value is asked anyway.
SUGGESTING = 1000
UNLIMITED = 2**32 - 1  # more characters than a block has


class Spelling(Struct, frozen=True):
    """One way in which a whole column may be spelt.

    `pattern` must match every value (or, with `inverted`, be found in none); then the JSON text is
    `prefix`, the value, `suffix`. Of a value that ends with `strip` that is left out, and the first
    of `swap`'s characters that it holds becomes the second; all of them are ASCII.
    """

    pattern: str
    prefix: str = ""
    suffix: str = ""
    strip: str = ""
    swap: tuple[str, str] | None = None
    inverted: bool = False

    @property
    def body(self) -> str:
        """The pattern without anchors, to be a part of another one."""
        return self.pattern.removeprefix("^").removesuffix("$")

    def suggests(self, text: str) -> bool:
        """Whether this value is spelt so."""
        if self.inverted:
            return not re.search(self.pattern, text)
        return re.fullmatch(self.pattern, text) is not None  # Python's $ would pass over a last LF

    def holds(self, column: pl.Expr) -> pl.Expr:
        """A Boolean a row: spelt so."""
        found = column.str.contains(self.pattern)
        return ~found if self.inverted else found

    def pieces(self, column: pl.Expr) -> Pieces:
        """Prefix, column of texts, suffix."""
        column = column.str.strip_suffix(self.strip) if self.strip else column
        column = column.str.replace(*self.swap, literal=True) if self.swap else column
        return self.prefix, column, self.suffix

    @property
    def respells(self) -> bool:
        """Whether values do not travel as they are."""
        return bool(self.strip or self.swap)


class Rule(Struct, frozen=True):
    """What a field's type does to a column: the three steps, and the typed value for SQL fields.

    `also` is a further condition that every value must meet for steps 1 and 2. `typed` turns
    the JSON texts into typed values; None leaves the source texts as they are. Where `any_text` is
    given, every text of at most so many characters is accepted, and travels as a JSON string.
    """

    scalar: Scalar
    spellings: tuple[Spelling, ...] = ()
    bulk: Transform | None = None
    also: Transform | None = None
    typed: Transform | None = None
    any_text: int | None = None

    def spelling(self, text: str) -> Spelling | None:
        """The spelling that this value suggests: of a long one its beginning does."""
        beginning = text[:SUGGESTING]
        return next((s for s in self.spellings if s.suggests(beginning)), None)


def integer(decimal: str = ".", bounds: IntegerRange = INT64) -> Rule:
    """Whole numbers within the bounds."""
    whole = _surely_within(bounds)

    def bulk(column: pl.Expr) -> pl.Expr:
        text = _point(column.str.strip_chars(values.BLANKS), decimal)
        number = text.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
        fits = text.str.contains(SPELT_WHOLE)
        if bounds != INT64:
            fits &= number.is_between(bounds.least, bounds.most)
        return pl.when(fits).then(number.cast(pl.String))

    pointed = Spelling(rf"^(?:{whole})\.0$", strip=".0")
    return Rule(
        scalar=functools.partial(values.integer, decimal=decimal, bounds=bounds),
        spellings=(Spelling(f"^(?:{whole})$"), *((pointed,) if decimal == "." else ())),
        bulk=bulk,
        typed=lambda column: column.cast(pl.Int128),  # `sql` says why so wide
    )


def _surely_within(bounds: IntegerRange) -> str:
    """A pattern of whole numbers that all fit: by their digits' number and the first of them.

    Of 32 bits these are all but a fourteenth, seconds since 1970 among them.
    """
    if bounds == INT64:
        return WHOLE
    beyond = min(bounds.most, -bounds.least) + 1
    digits = len(str(beyond)) - 1
    first = beyond // 10**digits
    parts = [f"[1-9][0-9]{{0,{digits - 1}}}"] if digits else []
    parts += [f"[1-{first - 1}][0-9]{{{digits}}}"] if first > 1 else []
    return f"0|-?(?:{'|'.join(parts)})" if parts else "0"


def decimal_number(decimal: str = ".") -> Rule:
    """Finite numbers, digits as written."""

    def bulk(column: pl.Expr) -> pl.Expr:
        text = _point(column.str.strip_chars(values.BLANKS), decimal)
        return pl.when(text.str.contains(PLAIN_DECIMAL)).then(text)

    comma = Spelling(COMMA_DECIMAL, swap=(",", "."))
    return Rule(
        scalar=functools.partial(values.decimal_number, decimal=decimal),
        spellings=(Spelling(PLAIN_DECIMAL) if decimal == "." else comma,),
        bulk=bulk,
        typed=lambda column: column.cast(pl.Float64),
    )


def _point(text: pl.Expr, decimal: str) -> pl.Expr:
    """The text with a point as decimal mark; null where a point stands besides the comma."""
    if decimal == ".":
        return text
    swapped = text.str.replace(decimal, ".", literal=True)
    return pl.when(~text.str.contains(".", literal=True)).then(swapped)


def boolean(true: Sequence[str], false: Sequence[str], *, as_number: bool = False) -> Rule:
    """Truth words, as true and false or as 1 and 0. Blanks around a word don't count, in the job as
    little as in the data."""
    holds, holds_not = ("1", "0") if as_number else ("true", "false")
    scalar = values.flag if as_number else values.boolean
    yes, no = ([word.strip(values.BLANKS) for word in words] for words in (true, false))

    def bulk(column: pl.Expr) -> pl.Expr:
        return (
            pl.when(column.is_in(yes))
            .then(pl.lit(holds))
            .when(column.is_in(no))
            .then(pl.lit(holds_not))
        )

    return Rule(
        scalar=functools.partial(scalar, true=tuple(yes), false=tuple(no)),
        bulk=bulk,
        typed=lambda column: column.cast(pl.Int128) if as_number else column == "true",
    )


def string(max_length: int | None = None, choices: Sequence[str] | None = None) -> Rule:
    """Texts, escaped only where a value needs it."""

    def bulk(column: pl.Expr) -> pl.Expr:
        # A quarter of what replacing the characters takes, and the same text.
        record = pl.struct(column.alias("s")).struct.json_encode()
        text = record.str.strip_prefix('{"s":').str.strip_suffix("}")
        meant = column.is_not_null() if also is None else also(column)
        return pl.when(meant).then(text)

    also = _string_condition(max_length, choices)
    words = None if choices is None else tuple(choices)
    return Rule(
        scalar=functools.partial(values.string, max_length=max_length, choices=words),
        spellings=(Spelling(NEEDS_ESCAPE, '"', '"', inverted=True),),
        bulk=bulk,
        also=also,
        any_text=None if words is not None else UNLIMITED if max_length is None else max_length,
    )


def _string_condition(max_length: int | None, choices: Sequence[str] | None) -> Transform | None:
    if max_length is None and choices is None:
        return None

    def holds(column: pl.Expr) -> pl.Expr:
        short = column.str.len_chars() <= (max_length if max_length is not None else 2**40)
        return short if choices is None else short & column.is_in(list(choices))

    return holds


def json_value() -> Rule:
    """JSON as written; every value is checked."""
    return Rule(scalar=read_json)
