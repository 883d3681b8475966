"""What is asked of columns while they are read."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Layout
from ingest.shape import rules, time_rules
from ingest.shape.csv_asked import Asked
from ingest.shape.encode_check import NOTHING_KNOWN, check
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import Rule

RULES: Sequence[Rule | None] = (
    None,
    rules.integer(),
    rules.decimal_number(),
    rules.decimal_number(","),
    rules.string(),
    rules.string(max_length=3),
    rules.boolean(("Y",), ("N",)),
    rules.json_value(),
    time_rules.date_value(),
    time_rules.timestamp(),
)
COLUMNS = {0: "c0", 1: "c2"}
SPELT = ["7", "-1.50", "1,5", "x", "Y", "2024-02-29", "2024-02-29T12:00:00Z"]


def asked_by(chosen: Sequence[Rule | None], nulls: tuple[str, ...] = ()) -> Asked:
    """What is asked for two fields, by the first column and by the third."""
    fields = tuple(FieldPlan(f"f{i}", rule=rule, nulls=nulls) for i, rule in enumerate(chosen))
    return Asked(ShapePlan(Layout("csv"), fields), COLUMNS)


@given(
    st.lists(
        st.lists(st.sampled_from([*SPELT, "", "x\ny", "\n", "NA\n"]), min_size=3, max_size=3),
        max_size=4,
    ),
    st.lists(st.sampled_from(RULES), min_size=2, max_size=2),
    st.sampled_from([(), ("",), ("", "NA\n")]),
)
@settings(max_examples=300)
def test_one_liners_hold_no_line_end(
    rows: list[list[str]], chosen: list[Rule | None], nulls: tuple[str, ...]
) -> None:
    """Whatever the fields' rules and null words; a column that no field reads is none."""
    frame = pl.DataFrame(
        {f"c{i}": pl.Series([r[i] for r in rows], dtype=pl.String) for i in (0, 1, 2)}
    )
    found = asked_by(chosen, nulls).one_liners(frame)
    assert set(found) <= {"c0", "c2"}
    for name in found:
        assert not any("\n" in text for text in frame.get_column(name))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule and rule.spellings])
def test_no_spelling_has_room_for_a_line_end(rule: Rule) -> None:
    """At the end, too, where a `$` may look past it."""
    texts = [text[:at] + "\n" + text[at:] for text in SPELT for at in range(len(text) + 1)]
    for spelling in rule.spellings:
        held = pl.Series("c", texts).to_frame().select(spelling.holds(pl.col("c"))).to_series()
        assert not held.any()


def test_spelt_columns_are_one_liners() -> None:
    """So that the laws above are about something."""
    frame = pl.DataFrame({"c0": ["1", "2"], "c1": ["a", "b"], "c2": ["x", "y"]})
    assert asked_by((rules.integer(), rules.string())).one_liners(frame) == {"c0", "c2"}


def test_answers_hold_for_the_frame_that_was_asked() -> None:
    """Another may have been read instead."""
    frame = pl.DataFrame({"c0": ["1", "2"], "c1": ["a", "b"], "c2": ["x", 'y"']})
    asked = asked_by((rules.integer(), rules.string()))
    assert asked.known_of(frame) is NOTHING_KNOWN
    asked.one_liners(frame)
    fields = {
        i: FieldPlan(f"f{i}", rule=rule) for i, rule in enumerate((rules.integer(), rules.string()))
    }
    wanted = check(frame, fields, COLUMNS, NOTHING_KNOWN)
    assert [one.clean for one in asked.known_of(frame).checked.values()] == [True, False]
    assert [one.clean for one in wanted.values()] == [True, False]
    assert asked.known_of(frame.clone()) is NOTHING_KNOWN
