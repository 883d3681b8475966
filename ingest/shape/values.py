"""What one value means: the reference that the column code must agree with.

Each function takes a value's text and gives the JSON text it travels as, or raises `BadValue` with
a short fixed reason and a sentence. They are slow and plain on purpose: columns go through
`ingest.shape.rules`, which settles almost every value in native code and asks here only for what it
is not sure of, so these functions are the one place where a value is refused and explained. A
property test holds that both agree.

Rules: no guess, no silent rounding. Only ASCII digits are digits (`int()` takes Arabic ones and
`1_000`). Whole numbers are exact or refused. A decimal's digits travel as written where JSON allows
them. Blanks around a number, a date or a truth word are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import orjson
from msgspec import Struct

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?\Z")
BLANKS = " \t"
FAR = 10**18
SHOWN_CHARACTERS = 60
TRUE_WORDS = ("true", "True", "TRUE", "1")
FALSE_WORDS = ("false", "False", "FALSE", "0")

Scalar = Callable[[str], str]


class IntegerRange(Struct, frozen=True):
    """The whole numbers from `least` to `most`, both included, 0 between them, within 64 bits.

    `words` name them where a number is refused.
    """

    least: int
    most: int
    words: str

    def __post_init__(self) -> None:
        if not INT64_MIN <= self.least <= 0 <= self.most <= INT64_MAX:
            raise ValueError(f"{self.least} to {self.most} is no range of integers around 0")

    def __contains__(self, number: int) -> bool:
        return self.least <= number <= self.most


INT64 = IntegerRange(INT64_MIN, INT64_MAX, "64 bits")


class BadValue(ValueError):  # noqa: N818 - it names the value, as data
    """A value that can't travel. `reason` is a fixed word, the argument a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def shown(text: str) -> str:
    """A value for a message: quoted, and cut where it is long."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return repr(cut)


def quoted(text: str) -> str:
    """The JSON string of a text."""
    return orjson.dumps(text).decode()


def integer(text: str, decimal: str = ".", bounds: IntegerRange = INT64) -> str:
    """A whole number within the bounds: `12345.0` and `1.5E3` are whole, `12345.5` is refused."""
    kind = ("not_an_integer", "a whole number")
    sign, whole, fraction, exponent = _number_parts(text, kind, decimal)
    digits = (whole + fraction).lstrip("0")
    shift = exponent - len(fraction)
    if not digits:
        return "0"
    if shift < 0:
        digits, lost = digits[:shift] or "0", digits[shift:]
        if lost.strip("0"):
            raise BadValue("not_whole", f"{shown(text)} is no whole number")
        shift = 0
    too_long = len(digits) + shift > 19  # asked first: a billion zeros must not be written out
    if too_long or int(sign + digits + "0" * shift) not in bounds:
        raise BadValue("out_of_range", f"{shown(text)} does not fit into {bounds.words}")
    return str(int(sign + digits + "0" * shift))


def decimal_number(text: str, decimal: str = ".") -> str:
    """A finite number; digits that are valid JSON travel as written, others are respelt exactly."""
    sign, whole, fraction, _ = _number_parts(text, ("not_a_number", "a number"), decimal)
    exponent = re.search(r"[eE]([+-]?[0-9]+)$", text.strip(BLANKS))
    spelt = "-" if sign == "-" else ""
    spelt += whole.lstrip("0") or "0"
    spelt += f".{fraction}" if fraction else ""
    spelt += exponent[0] if exponent else ""
    if math.isinf(float(spelt)):
        raise BadValue("out_of_range", f"{shown(text)} is beyond the range of a double")
    return spelt


def _number_parts(text: str, kind: tuple[str, str], decimal: str) -> tuple[str, str, str, int]:
    """Sign ("-" or none), whole digits, digits of the fraction, exponent."""
    reason, name = kind
    stripped = text.strip(BLANKS)
    if decimal != ".":
        if "." in stripped:
            point = f"{shown(text)} has a point where the decimal mark is {decimal!r}"
            raise BadValue(reason, point)
        stripped = stripped.replace(decimal, ".")
    match = NUMBER.match(stripped)
    if match is None or not (match[2] or match[3]):
        raise BadValue(reason, f"{shown(text)} is not {name}")
    return match[1].replace("+", ""), match[2], match[3] or "", _exponent(match[4] or "0")


def _exponent(text: str) -> int:
    """The exponent; one that no text could be long enough to make up for is cut short."""
    digits = text.lstrip("+-").lstrip("0")
    size = int(digits or "0") if len(digits) <= 18 else FAR
    return -size if text.startswith("-") else size


def boolean(text: str, true: Sequence[str], false: Sequence[str]) -> str:
    """A truth word; which words count is said by the field."""
    word = text.strip(BLANKS)
    if word in true:
        return "true"
    if word in false:
        return "false"
    words = ", ".join((*true, *false))
    raise BadValue("not_a_boolean", f"{shown(text)} is none of {words}")


def flag(text: str, true: Sequence[str], false: Sequence[str]) -> str:
    """A truth word as 1 or 0."""
    return "1" if boolean(text, true, false) == "true" else "0"


def string(text: str, max_length: int | None = None, choices: Sequence[str] | None = None) -> str:
    """A text of at most `max_length` characters that is one of `choices`, where they are given."""
    if max_length is not None and len(text) > max_length:
        raise BadValue("too_long", f"{len(text)} characters, where the column takes {max_length}")
    if choices is not None and text not in choices:
        words = ", ".join(choices)
        raise BadValue("not_a_choice", f"{shown(text)} is none of {words[:200]}")
    return quoted(text)
