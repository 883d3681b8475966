"""Blocks to evidence: columns by their name, and what can't be read only counted."""

from __future__ import annotations

import pytest

from ingest.operations.init_evidence import Kind
from ingest.operations.init_look import Look
from tests.operations.made import csv_block, json_block


def test_columns_are_known_by_name():
    """Another order, or a column less, in another file."""
    look = Look()
    look.take(csv_block(["a", "b"], "1,x", "2,y"))
    look.take(csv_block(["b", "a"], "z,3"))
    look.take(csv_block(["a"], "4"))
    assert look.records == 4
    assert look.columns["a"].counts == {Kind.WHOLE: 4}
    assert look.columns["b"].values == 3


def test_unreadable_records_teach_nothing():
    """They are counted, with the first reason."""
    look = Look()
    look.take(csv_block(["a", "b"], "1,x", "2", "3,y,z", "4,w"))
    assert (look.records, look.unreadable) == (2, 2)
    assert look.why
    lines = Look()
    lines.take(json_block({"a": 1}, "{", '{"a": 1, "a": 2}'))
    assert (lines.records, lines.unreadable) == (1, 2)
    assert lines.why


@pytest.mark.parametrize("most", [0, 1, 2, 3, 4, None])
def test_the_first_records_only(most: int | None):
    """As many as are asked for, if there are so many."""
    wanted = 3 if most is None else min(most, 3)
    assert Look().take(csv_block(["a"], "1", "2", "3"), most) == wanted
    assert Look().take(json_block({"a": 1}, {"a": 2}, {"b": 3}), most) == wanted


def test_keys_in_the_order_they_come():
    """The first record's first."""
    look = Look()
    look.take(json_block({"b": 1}, {"a": 2, "b": 3}))
    assert list(look.keys) == ["b", "a"]
    assert look.keys["b"].records == 2
