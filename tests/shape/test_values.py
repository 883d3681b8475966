"""What single values mean: numbers, truth words, texts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import values
from ingest.shape.values import INT64, BadValue, IntegerRange
from tests.shape.helpers import numbers_and_noise

DIGITS = st.text("0123456789", max_size=25)


def refusal(scalar: Callable[[str], str], text: str) -> str:
    """The reason for which the value is refused."""
    with pytest.raises(BadValue) as caught:
        scalar(text)
    assert caught.value.message
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("0", "0"),
        ("12345", "12345"),
        ("-5", "-5"),
        ("+5", "5"),
        ("-0", "0"),
        ("00100", "100"),
        (" \t7 ", "7"),
        ("12345.0", "12345"),
        ("12345.000", "12345"),
        ("5.", "5"),
        ("1.5E3", "1500"),
        ("1.5e+3", "1500"),
        ("1200e-2", "12"),
        ("0e999999999999999999999", "0"),
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9.223372036854775807e18", "9223372036854775807"),
    ],
)
def test_whole_numbers_are_exact(text: str, whole: str) -> None:
    """Signs, leading zeros, a whole-valued fraction or exponent: the number itself comes out."""
    assert values.integer(text) == whole


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_an_integer"),
        ("-", "not_an_integer"),
        (".", "not_an_integer"),
        ("e5", "not_an_integer"),
        ("1_000", "not_an_integer"),
        ("1,000", "not_an_integer"),
        ("١٢٣", "not_an_integer"),
        ("１２", "not_an_integer"),
        ("0x10", "not_an_integer"),
        ("1 2", "not_an_integer"),
        ("\u00a05", "not_an_integer"),
        ("5\n", "not_an_integer"),
        ("5\0", "not_an_integer"),
        ("--5", "not_an_integer"),
        ("infinity", "not_an_integer"),
        ("NaN", "not_an_integer"),
        ("12345.5", "not_whole"),
        ("0.1", "not_whole"),
        ("15e-1", "not_whole"),
        ("1e-999999999999", "not_whole"),
        ("9223372036854775808", "out_of_range"),
        ("-9223372036854775809", "out_of_range"),
        ("18446744073709551616", "out_of_range"),
        ("1e400", "out_of_range"),
        ("1e999999999999", "out_of_range"),
    ],
)
def test_what_is_no_whole_number_is_refused(text: str, reason: str) -> None:
    """What Python's `int` and `float` would take too kindly is refused, with its reason."""
    assert refusal(values.integer, text) == reason


def test_long_exponents_and_digits_are_read_to_their_end() -> None:
    """An exponent of thousands of digits is no crash, and one that a million digits make up for
    is not taken for another."""
    far = "1e" + "0" * 5000 + "1"
    assert values.integer(far) == "10"
    assert refusal(values.integer, "1" + "0" * 1_000_001 + "e-1000002") == "not_whole"
    assert values.integer("1" + "0" * 1_000_001 + "e-1000001") == "1"
    assert refusal(values.integer, "9" * 5000) == "out_of_range"


@given(st.sampled_from(["", "+", "-"]), DIGITS, DIGITS, st.integers(-40, 40))
@settings(max_examples=300)
def test_an_integer_is_its_number_or_refused(sign: str, whole: str, part: str, power: int) -> None:
    """Against exact arithmetic: whole and of 64 bits, or refused."""
    text = f"{sign}{whole}.{part}e{power}"
    if not whole + part:
        assert refusal(values.integer, text) == "not_an_integer"
        return
    exact = Fraction(Decimal(f"{sign}{whole or 0}.{part}")) * Fraction(10) ** power
    if exact.denominator != 1:
        assert refusal(values.integer, text) == "not_whole"
    elif not -(2**63) <= exact < 2**63:
        assert refusal(values.integer, text) == "out_of_range"
    else:
        assert values.integer(text) == str(int(exact))


@given(st.integers(-(10**11), 10**11), st.sampled_from(["", ".0", "e0"]), st.integers(0, 40))
@settings(max_examples=200)
def test_an_integer_is_within_its_bounds_or_refused(number: int, end: str, bits: int) -> None:
    """Any range around 0: both ends are in it, what lies beyond is refused in the range's words."""
    bounds = IntegerRange(-(2**bits), 2**bits - 1, "the column n")
    text = f"{number}{end}"
    if number in range(bounds.least, bounds.most + 1):
        assert values.integer(text, bounds=bounds) == str(number)
    else:
        assert refusal(lambda t: values.integer(t, bounds=bounds), text) == "out_of_range"


def test_a_range_of_integers_has_its_ends() -> None:
    """They belong to it, and the refusal of the next one names the range."""
    bounds = IntegerRange(-5, 12, "the column n")
    for number in (-5, 0, 12):
        assert values.integer(str(number), bounds=bounds) == str(number)
    for number in (-6, 13, 2**70):
        with pytest.raises(BadValue, match=f"'{number}' does not fit into the column n"):
            values.integer(str(number), bounds=bounds)


@pytest.mark.parametrize("ends", [(1, 5), (-5, -1), (-(2**63) - 1, 0), (0, 2**63)])
def test_a_range_holds_zero_and_fits_64_bits(ends: tuple[int, int]) -> None:
    """Patterns and casts rely on both."""
    with pytest.raises(ValueError, match="range of integers"):
        IntegerRange(*ends, "words")
    assert 0 in INT64


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("1.50", "1.50"),
        ("1E5", "1E5"),
        ("-0.0", "-0.0"),
        ("+1.5", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("00100.5", "100.5"),
        ("000", "0"),
        (" 1.5\t", "1.5"),
        ("1e-400", "1e-400"),
        ("1e308", "1e308"),
        ("9007199254740993", "9007199254740993"),
    ],
)
def test_a_decimal_travels_as_written(text: str, spelt: str) -> None:
    """Digits stay as they are where JSON allows them."""
    assert values.decimal_number(text) == spelt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("infinity", "not_a_number"),
        ("inf", "not_a_number"),
        ("NaN", "not_a_number"),
        ("1_000.5", "not_a_number"),
        ("١.٥", "not_a_number"),
        ("1,5", "not_a_number"),
        ("1.2.3", "not_a_number"),
        ("", "not_a_number"),
        ("1.5\n", "not_a_number"),
        ("1e400", "out_of_range"),
        ("-1e400", "out_of_range"),
        ("9" * 400, "out_of_range"),
    ],
)
def test_what_is_no_finite_number_is_refused(text: str, reason: str) -> None:
    """No infinity, no NaN, and nothing beyond a double."""
    assert refusal(values.decimal_number, text) == reason


@given(numbers_and_noise())
@settings(max_examples=300)
def test_a_decimal_is_json_of_the_same_number(text: str) -> None:
    """What is accepted is valid JSON and the number that was written."""
    try:
        spelt = values.decimal_number(text)
    except BadValue:
        return
    assert float(orjson.loads(spelt)) == float(text)
    assert Decimal(spelt) == Decimal(text.strip(" \t"))


def test_a_decimal_comma_takes_no_point() -> None:
    """With `decimal = ","` a comma is the mark, and a point is a mistake."""
    assert values.decimal_number("1,5", ",") == "1.5"
    assert values.integer("12345,0", ",") == "12345"
    for scalar in (values.integer, values.decimal_number):
        for text in ("1.5", "1.000,5", "1,2,3"):
            with pytest.raises(BadValue):
                scalar(text, ",")


def test_truth_words_are_the_fields_own() -> None:
    """Exactly the words given count, blanks around them or not."""
    assert values.boolean(" Y\t", ("Y",), ("N",)) == "true"
    assert values.boolean("N", ("Y",), ("N",)) == "false"
    for text in ("y", "true", "1", "", "Y N"):
        with pytest.raises(BadValue, match="none of Y, N"):
            values.boolean(text, ("Y",), ("N",))


@given(st.text())
def test_a_string_is_its_json(text: str) -> None:
    """Any text comes back from its JSON."""
    assert orjson.loads(values.string(text)) == text


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_a_string_has_a_greatest_length(length: int) -> None:
    """Characters count, not bytes; the limit itself is allowed."""
    assert orjson.loads(values.string("ä" * length, max_length=length)) == "ä" * length
    assert refusal(lambda t: values.string(t, max_length=length), "ä" * (length + 1)) == "too_long"


def test_a_string_is_one_of_its_choices() -> None:
    """No other text, not even one with a blank behind it."""
    assert values.string("a", choices=("a", "b")) == '"a"'
    assert refusal(lambda t: values.string(t, choices=("a", "b")), "a ") == "not_a_choice"


def test_a_long_value_is_cut_in_a_message() -> None:
    """Messages stay short and show no control character."""
    with pytest.raises(BadValue) as caught:
        values.integer("\x1b[31m" + "x" * 10_000)
    assert len(caught.value.message) < 200
    assert "\x1b" not in caught.value.message
