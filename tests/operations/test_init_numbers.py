"""Columns of numbers: integers, decimals, and what only looks so."""

from __future__ import annotations

import pytest

from tests.operations.made import AITO, decided

MANY = [f"{n}.0" for n in range(10)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "30"], "integer"),
        (["1", "2.0", "1.5E3"], "integer"),
        (["1", "2.5"], "decimal"),
        (["10.00", "250.00"], "decimal"),
        (["1.5e-3"], "decimal"),
        (["00100", "12345"], "string"),
        (["1", "x"], "string"),
        (["9223372036854775807", "-9223372036854775808"], "integer"),
        (["9223372036854775808"], "string"),
        (["1,234,567"], "string"),
        (["1.234,56"], "string"),
        (["infinity", "1.5"], "string"),
    ],
)
def test_types(values: list[str], kind: str):
    """A number only if every value is one."""
    assert decided(*values).type == kind


def test_spelt_with_a_point():
    """Enough different ones, or gaps, are integers; few without gaps are a round measure."""
    assert decided(*MANY).type == "integer"
    assert decided(*MANY[:9]).type == "decimal"
    assert decided("1.0", "0.0", "").type == "integer"


def test_pluses():
    """A code with a plus is text; a change up and down is a number."""
    phone = decided("+491", "+492")
    assert (phone.type, len(phone.doubts)) == ("string", 1)
    assert decided("+5", "-3").type == "integer"
    assert decided("+0.5", "0.1").type == "decimal"


def test_decimal_commas():
    """Three digits behind it may be thousands; anything else is a comma."""
    comma = decided("1,5", "12", "3,125")
    assert (comma.type, comma.decimal) == ("decimal", ",")
    either = decided("1,234", "5,678")
    assert (either.type, len(either.doubts)) == ("string", 1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("zip", "string"), ("ZipCode", "string"), ("home_phone", "string"),
        ("phone_count", "integer"), ("zipper", "integer"), ("number", "integer"),
    ],
)  # fmt: skip
def test_codes_by_their_name(name: str, kind: str):
    """Whole numbers that are no quantities: text, and a doubt that says why."""
    found = decided("12345", "98765", name=name)
    assert (found.type, len(found.doubts)) == (kind, int(kind == "string"))
    assert decided("1", "2", name=name).type == "integer"


def test_the_services_integers():
    """What passes 32 bits is a decimal there, and the way to more is said."""
    found = decided("2147483648", holds=AITO)
    assert found.type == "decimal"
    assert 'api = "v2"' in found.why
    assert decided("2147483647", "-2147483648", holds=AITO).type == "integer"
    assert decided(str(2**60), holds=AITO).type == "string"


def test_the_evidence_is_said():
    """How many, of which spelling, from where to where; what is empty and null."""
    found = decided("1", "1200.0", "", "NA", "NA", "-")
    assert found.why == (
        "2 of 2 values are whole numbers, 1 spelt like 1200.0, 1 to 1,200; 1 empty;"
        " null are '-' (1), 'NA' (2)"
    )
    assert found.nulls == ("-", "NA")
