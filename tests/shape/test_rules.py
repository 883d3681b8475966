"""Column rules: their native steps say only what the reference says."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import rules
from ingest.shape.rules import PLAIN_INTEGER, SUGGESTING, Rule
from ingest.shape.values import INT64, IntegerRange
from tests.shape.helpers import ODD_TEXTS, any_text, integers_around, numbers_and_noise
from tests.shape.laws import assert_agrees, assert_typed

COLUMN = st.lists(st.one_of(st.none(), numbers_and_noise()), max_size=30)
WORDS = ("Y", "N", " y", "", "true", "1", "é", '"')
INT32 = IntegerRange(-(2**31), 2**31 - 1, "the column n of type Int")
RANGES = {
    "32 bits": INT32,
    "8 bits": IntegerRange(-128, 127, "8 bits"),
    "nearly two digits": IntegerRange(-98, 98, "98"),
    "two digits": IntegerRange(-99, 99, "99"),
    "two digits and one": IntegerRange(-100, 100, "100"),
    "one-sided": IntegerRange(0, 255, "255"),
    "odd": IntegerRange(-5, 12, "12"),
    "two": IntegerRange(-1, 1, "1"),
    "nothing but 0": IntegerRange(0, 0, "0"),
    "nearly 64 bits": IntegerRange(-(2**63), 2**63 - 2, "nearly"),
}
NUMBER_RULES = {
    "integer": rules.integer(),
    "integer with a comma": rules.integer(","),
    "integer of 32 bits": rules.integer(bounds=INT32),
    "integer of 32 bits with a comma": rules.integer(",", INT32),
    "decimal": rules.decimal_number(),
    "decimal with a comma": rules.decimal_number(","),
}
TEXT_RULES = {
    "string": rules.string(),
    "short string": rules.string(max_length=3),
    "string of no length": rules.string(max_length=0),
    "choice": rules.string(choices=("a", "é", 'a"b', "")),
    "short choice": rules.string(2, ("a", "ab", "abc")),
    "json": rules.json_value(),
    "boolean": rules.boolean((" Y ", "1", "é"), ("N", "", '"')),
    "flag": rules.boolean((" Y ", "1", "é"), ("N", "", '"'), as_number=True),
}
ALL_RULES = {**NUMBER_RULES, **TEXT_RULES}


@pytest.mark.parametrize("rule", ALL_RULES.values(), ids=ALL_RULES)
def test_odd_texts_mean_the_same_in_every_step(rule: Rule) -> None:
    """Each text of the list of faults, in one column and alone."""
    assert_agrees(rule, ODD_TEXTS)
    assert_agrees(rule, [])
    for text in ODD_TEXTS:
        assert_agrees(rule, [text, None])


@pytest.mark.parametrize("rule", NUMBER_RULES.values(), ids=NUMBER_RULES)
@given(COLUMN)
@settings(max_examples=60)
def test_numbers_mean_the_same_in_every_step(rule: Rule, texts: Sequence[str | None]) -> None:
    """Numbers, near numbers and noise."""
    assert_agrees(rule, texts)


@pytest.mark.parametrize("bounds", RANGES.values(), ids=RANGES)
@given(st.data())
@settings(max_examples=40)
def test_bounds_mean_the_same_in_every_step(bounds: IntegerRange, data: st.DataObject) -> None:
    """Integers around the ends, and around the numbers of one digit more."""
    borders = (bounds.least, bounds.most, 0, 10, 100, 10**9, 2 * 10**9, 10**18)
    column = st.lists(st.none() | integers_around(*borders) | numbers_and_noise(), max_size=20)
    assert_agrees(rules.integer(bounds=bounds), data.draw(column))


@pytest.mark.parametrize("bounds", RANGES.values(), ids=RANGES)
def test_bounds_are_exact_in_every_step(bounds: IntegerRange) -> None:
    """All integers of three digits, and both ends with their neighbours."""
    ends = [end + step for end in (bounds.least, bounds.most) for step in (-1, 0, 1)]
    assert_agrees(rules.integer(bounds=bounds), [str(n) for n in (*range(-300, 300), *ends)])


def test_bounds_cost_nothing_where_values_are_short() -> None:
    """Of 32 bits every number of nine digits is settled by its spelling, and so are seconds since
    1970; of 64 bits the spelling is the one that a rule without bounds has."""
    rule = rules.integer(bounds=INT32)
    short = ["0", "7", "-12", "999999999", "-999999999", "1700000000", "1999999999"]
    for texts in (short, [f"{text}.0" for text in short]):
        spelling = rule.spelling(texts[0])
        assert spelling is not None
        frame = pl.DataFrame({"c": texts})
        assert frame.select(spelling.holds(pl.col("c"))).to_series().all()
    assert rules.integer().spellings[0].pattern == PLAIN_INTEGER
    assert rules.integer(bounds=INT64).spellings[0].pattern == PLAIN_INTEGER


def test_bounds_are_settled_in_native_code() -> None:
    """What is in range but not surely so by its digits needs no reference, what is not does."""
    bulk = rules.integer(bounds=INT32).bulk
    assert bulk is not None
    frame = pl.DataFrame({"c": ["2147483647", "-2147483648", "2147483648", " 5 ", "2000000000.0"]})
    found = frame.select(bulk(pl.col("c"))).to_series().to_list()
    assert found == ["2147483647", "-2147483648", None, "5", "2000000000"]


@pytest.mark.parametrize("rule", TEXT_RULES.values(), ids=TEXT_RULES)
@given(st.lists(st.one_of(st.none(), any_text(), st.sampled_from((*WORDS, *ODD_TEXTS)))))
@settings(max_examples=60)
def test_texts_mean_the_same_in_every_step(rule: Rule, texts: Sequence[str | None]) -> None:
    """Quotes, backslashes, control characters and whatever Unicode has."""
    assert_agrees(rule, texts)


@pytest.mark.parametrize("name", ["integer", "decimal"])
@given(st.lists(numbers_and_noise(), max_size=30))
@settings(max_examples=60)
def test_typed_numbers_exist_for_all_that_is_accepted(name: str, texts: Sequence[str]) -> None:
    """SQL fields get a value for every number; none makes the block fail."""
    assert_typed(ALL_RULES[name], texts)


def test_typed_integers_keep_every_digit() -> None:
    """The ends of 64 bits are exact as typed values."""
    rule = rules.integer()
    ends = [str(-(2**63)), str(2**63 - 1), str(2**53 + 1)]
    assert rule.typed is not None
    typed = pl.DataFrame({"c": ends}).select(rule.typed(pl.col("c"))).to_series()
    assert typed.to_list() == [int(end) for end in ends]


def test_ordinary_values_need_no_reference() -> None:
    """The quick steps do settle what is usual, or they would be of no use."""
    usual = {
        "integer": ["0", "-5", "12345"],
        "integer with a comma": ["0", "-5", "12345"],
        "decimal": ["0.5", "-5", "1E5"],
        "decimal with a comma": ["0,5", "-5"],
        "string": ["a", "é", ""],
    }
    for name, texts in usual.items():
        rule = ALL_RULES[name]
        frame = pl.DataFrame({"c": texts})
        assert rule.bulk is not None
        assert frame.select(rule.bulk(pl.col("c"))).to_series().null_count() == 0
        spelling = rule.spelling(texts[0])
        assert spelling is not None
        assert frame.select(spelling.holds(pl.col("c"))).to_series().all()


def test_whole_numbers_with_a_point_are_one_spelling() -> None:
    """A column of `12345.0` is settled by its spelling, without the point."""
    spelling = rules.integer().spelling("12345.0")
    assert spelling is not None
    frame = pl.DataFrame({"c": ["12345.0", "-7.0", "0.0"]})
    _, inner, _ = spelling.pieces(pl.col("c"))
    assert frame.select(inner).to_series().to_list() == ["12345", "-7", "0"]
    assert frame.select(spelling.holds(pl.col("c"))).to_series().all()


@given(st.text(st.characters(max_codepoint=0x7F), max_size=20))
def test_escapes_are_json(text: str) -> None:
    """The native escaping of a text is JSON of that text."""
    rule = rules.string()
    assert rule.bulk is not None
    spelt = pl.DataFrame({"c": [text]}).select(rule.bulk(pl.col("c"))).item()
    assert orjson.loads(spelt) == text


@pytest.mark.parametrize("at", [SUGGESTING - 1, SUGGESTING, SUGGESTING + 1])
def test_a_long_text_is_looked_at_as_a_whole_where_it_counts(at: int) -> None:
    """Its beginning suggests a spelling, which a quote behind it must not keep."""
    texts = ["x" * at + '"', "y"]
    assert_agrees(rules.string(), texts)
    spelling = rules.string().spelling(texts[0])
    assert (spelling is None) is (at < SUGGESTING)
    if spelling is not None:
        assert not pl.DataFrame({"c": texts}).select(spelling.holds(pl.col("c"))).item(0, 0)
