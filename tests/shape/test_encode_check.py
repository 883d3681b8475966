"""How columns are spelt, asked of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.shape import rules
from ingest.shape.encode_check import HEAD_ROWS, NOTHING_KNOWN, Known, check, is_null
from ingest.shape.plan import FieldPlan
from ingest.shape.rules import Rule
from tests.shape.helpers import numbers_and_noise

RULES: Sequence[Rule | None] = (
    None,
    rules.integer(),
    rules.decimal_number(),
    rules.string(max_length=3),
    rules.boolean(("Y",), ("N",)),
)


@given(
    st.lists(st.lists(st.none() | numbers_and_noise(), min_size=2, max_size=2), max_size=6),
    st.lists(st.sampled_from(RULES), min_size=2, max_size=2),
    st.sampled_from([(), ("",), ("", "NA", "0")]),
)
@settings(max_examples=200)
def test_a_clean_column_is_spelt_in_one_way(
    rows: list[list[str | None]], chosen: list[Rule | None], nulls: tuple[str, ...]
) -> None:
    """Asked together, each column gets the answer that its values give one by one."""
    frame = pl.DataFrame(
        {f"c{i}": pl.Series([r[i] for r in rows], dtype=pl.String) for i in (0, 1)}
    )
    fields = {i: FieldPlan(f"f{i}", rule=rule, nulls=nulls) for i, rule in enumerate(chosen)}
    found = check(frame, fields, {0: "c0", 1: "c1"}, NOTHING_KNOWN)
    for index, rule in enumerate(chosen):
        texts = [row[index] for row in rows]
        values = [text for text in texts if text is not None and text not in nulls]
        said = found[index]
        assert said.has_nulls == (len(values) < len(texts))
        if rule is None or said.spelling is None:
            assert not said.clean
            continue
        also = frame.select(rule.also(pl.col(f"c{index}"))).to_series() if rule.also else [True] * 9
        fits = {text: bool(ok) for text, ok in zip(texts, also, strict=False)}
        assert said.clean == all(said.spelling.suggests(v) and fits[v] for v in values)
        if values:
            assert said.spelling.suggests(values[0])


def test_what_was_checked_is_not_asked_again() -> None:
    """The answer stands beside those of the others."""
    fields = {i: FieldPlan(f"f{i}", rule=rules.integer()) for i in (0, 1)}
    before = check(pl.DataFrame({"c0": ["1"]}), fields, {0: "c0"}, NOTHING_KNOWN)
    frame = pl.DataFrame({"c0": ["x"], "c1": ["y"]})
    found = check(frame, fields, {0: "c0", 1: "c1"}, Known(checked=before))
    assert (found[0].clean, found[1].clean) == (True, False)


def test_what_is_known_is_not_asked() -> None:
    """Only whether there are nulls."""
    spelling = rules.string().spellings[0]
    fields = {0: FieldPlan("f", rule=rules.integer(), nulls=("NA",))}
    for texts, has_nulls in ((["x"], False), (["x", "NA"], True), ([], False)):
        frame = pl.DataFrame({"c": pl.Series(texts, dtype=pl.String)})
        (found,) = check(frame, fields, {0: "c"}, Known({0: spelling})).values()
        assert (found.spelling, found.clean, found.has_nulls) == (spelling, True, has_nulls)


def test_known_to_be_without_words_for_null() -> None:
    """Then only nulls of the column's own count."""
    fields = {0: FieldPlan("f", rule=rules.string(), nulls=("",))}
    for texts, has_nulls in ((["", "x"], False), ([None, "x"], True)):
        frame = pl.DataFrame({"c": pl.Series(texts, dtype=pl.String)})
        (found,) = check(frame, fields, {0: "c"}, Known(without_nulls={0})).values()
        assert found.has_nulls == has_nulls


@pytest.mark.parametrize(("nulls", "kind"), [(HEAD_ROWS - 1, 1), (HEAD_ROWS, 0)])
def test_the_first_value_is_looked_for_at_the_head(nulls: int, kind: int) -> None:
    """Behind too many nulls it suggests nothing, and the usual spelling is asked for."""
    rule = rules.integer()
    frame = pl.DataFrame({"c": [""] * nulls + ["7.0"]})
    fields = {0: FieldPlan("f", rule=rule, nulls=("",))}
    (found,) = check(frame, fields, {0: "c"}, NOTHING_KNOWN).values()
    assert found.spelling == rule.spellings[kind]
    assert found.clean == (kind == 1)


@pytest.mark.parametrize("words", [(), ("",), ("", "NA")])
def test_null_is_null_or_a_word_for_it(words: tuple[str, ...]) -> None:
    """Never null itself."""
    texts = [None, "", "NA", "x"]
    found = pl.DataFrame({"c": texts}).select(is_null("c", words)).to_series().to_list()
    assert found == [text is None or text in words for text in texts]
