"""Columns that are spelt in no one way: each value is its JSON or its refusal."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import encode_values, rules
from ingest.shape.encode_values import read_texts
from ingest.shape.rules import Rule
from ingest.shape.values import BadValue, IntegerRange
from tests.shape.helpers import integers_around, numbers_and_noise
from tests.shape.laws import scalar_or_none

RULES = {
    "integer": rules.integer(),
    "32 bits": rules.integer(bounds=IntegerRange(-(2**31), 2**31 - 1, "32 bits")),
    "decimal": rules.decimal_number(),
    "boolean": rules.boolean(("true",), ("false",)),
    "choice": rules.string(choices=("a", "0")),
    "json": rules.json_value(),
}
TEXTS = st.lists(st.none() | numbers_and_noise() | integers_around(2**31, -(2**31)), max_size=12)


@pytest.mark.parametrize("few", [0, 256])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@given(texts=TEXTS)
@settings(max_examples=60)
def test_each_value_is_what_the_reference_says(
    rule: Rule, few: int, texts: list[str | None]
) -> None:
    """Its JSON text, null for null; the rows of the others come with their reasons: in native steps
    and one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_values, "FEW", few)
        assert_as_the_reference(rule, texts)


def assert_as_the_reference(rule: Rule, texts: list[str | None]) -> None:
    """Raises AssertionError where `read_texts` says another thing than the rule's reference."""
    done, bad = read_texts(pl.Series(texts, dtype=pl.String), rule)
    for row, (text, found) in enumerate(zip(texts, done, strict=True)):
        assert found == (None if text is None else scalar_or_none(rule, text))
        assert (row in bad) == (text is not None and found is None)
    for row, trouble in bad.items():
        text = texts[row]
        assert text is not None
        with pytest.raises(BadValue) as caught:
            rule.scalar(text)
        assert caught.value.reason == trouble.reason


def test_a_value_that_stands_often_is_read_once() -> None:
    """The reference is asked once for each distinct value."""
    asked: list[str] = []

    def scalar(text: str) -> str:
        asked.append(text)
        if text == "b":
            raise BadValue("odd", "it is b")
        return f'"{text}"'

    texts = pl.Series(["a", "b", None] * 50, dtype=pl.String)
    done, bad = read_texts(texts, Rule(scalar))
    assert sorted(asked) == ["a", "b"]
    assert done.to_list() == ['"a"', None, None] * 50
    assert sorted(bad) == list(range(1, 150, 3))
