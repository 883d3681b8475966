"""From evidence to a type, with what a person is told."""

from __future__ import annotations

import pytest

from tests.operations.made import AITO, decided


@pytest.mark.parametrize(
    ("values", "kind", "form"),
    [
        (["2024-01-31", ""], "date", ""),
        (["2024-01-31 10:00:00"], "timestamp", ""),
        (["31.01.2024"], "date", "%d.%m.%Y"),
        (["19580329", "19580405"], "date", "%Y%m%d"),
        (["12345678", "99999999"], "integer", ""),
        (["05:30", "17:00"], "string", ""),
        (["2024-01", "2024-02"], "string", ""),
        (["2013", "2014"], "integer", ""),
    ],
)
def test_dates(values: list[str], kind: str, form: str):
    """ISO needs no format; digits are a date only if each is one of a likely year."""
    found = decided(*values)
    assert (found.type, found.format) == (kind, form)


def test_an_ambiguous_date_is_never_guessed():
    """Text, and the comment says the two ways."""
    found = decided("03/04/2024", "05/06/2024")
    assert found.type == "string"
    assert '"%d/%m/%Y" or "%m/%d/%Y"' in found.doubts[0]


def test_a_thirteen_decides():
    """And it is said how many there are."""
    found = decided("03/04/2024", "13/04/2024", "14/05/2024")
    assert (found.type, found.format) == ("date", "%d/%m/%Y")
    assert "2 with 13 and more in the first place" in found.why


def test_years_of_two_digits_are_doubtful():
    """The century is a guess."""
    found = decided("31-Jan-24")
    assert (found.format, len(found.doubts)) == ("%d-%b-%y", 1)


@pytest.mark.parametrize(
    ("values", "true", "false"),
    [
        (("true", "false"), (), ()), (("TRUE",), (), ()), (("yes", "no"), ("yes",), ("no",)),
        (("Y", "N", "y"), ("Y", "y"), ("N",)), (("t", "f"), ("t",), ("f",)),
    ],
)  # fmt: skip
def test_truth(values: tuple[str, ...], true: tuple[str, ...], false: tuple[str, ...]):
    """A boolean where the service has such columns; the words are named if they are unusual."""
    found = decided(*values, holds=AITO)
    assert found.type == "boolean"
    assert (sorted(found.true), sorted(found.false)) == (sorted(true), sorted(false))


def test_truth_where_there_are_no_booleans():
    """An integer, with the words for 1 and 0; the usual ones however they are spelt."""
    found = decided("yes", "no")
    assert (found.type, found.true, found.false) == ("integer", ("yes",), ("no",))
    found = decided("TRUE", "False")
    assert (found.true, found.false) == (("true", "True", "TRUE"), ("false", "False", "FALSE"))


@pytest.mark.parametrize("values", [["y"], ["t", "x"], ["yes", "no", "maybe"], ["M", "F"]])
def test_what_is_no_truth(values: list[str]):
    """One letter alone, or a third word."""
    assert decided(*values, holds=AITO).type == "string"


def test_null_words_of_a_text_column_stay():
    """Namibia's NA is a country: it is told, and never made null."""
    found = decided(*["DE"] * 600, "NA")
    assert (found.type, found.nulls, found.doubts) == ("string", (), ())
    assert "kept as text: 'NA' (1)" in found.why
    assert len(decided("DE", "NA").doubts) == 1


def test_nearly_a_number():
    """What stood in the way is shown."""
    found = decided(*["5"] * 19, "five")
    assert found.type == "string"
    assert found.doubts == (
        "19 are numbers, 1 are not, like 'five': with type = \"integer\" these would be rejects",
    )


def test_nearly_a_date():
    """The same for dates."""
    assert "9 read as" in decided(*["2024-01-31"] * 9, "soon").doubts[0]


def test_the_others():
    """JSON, long texts, nothing at all."""
    assert decided('{"a": 1}', "").type == "json"
    assert decided("x\ny").type == "text"
    empty = decided("", "", "NA")
    assert (empty.type, empty.why) == ("string", "no value in 3 records, 'NA' (1)")
