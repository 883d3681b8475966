"""Avalanchio's words for things."""

from __future__ import annotations

from typing import get_args

import pytest

from ingest.errors import SettingsError, TargetError
from ingest.job import FieldType
from ingest.model import Column, Schema
from ingest.protocols import TableWish
from ingest.targets.avalanchio_types import (
    column_request,
    column_type,
    field_type,
    read_rows,
    read_schema,
    records_taken,
    table_request,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("string", "Text"), ("text", "Textarea"), ("integer", "Bigint"), ("decimal", "Double"),
     ("date", "Date"), ("timestamp", "Timestamp"), ("json", "Json")],
)  # fmt: skip
def test_every_type_has_a_column_type_and_comes_back(ours, theirs):
    """What a created table has is what a described one means."""
    assert column_type(ours) == theirs
    assert field_type(Column("c", theirs)) == ours


def test_boolean_is_refused_with_an_offer():
    """The service names no such type."""
    with pytest.raises(SettingsError) as caught:
        column_type("boolean")
    assert "integer" in caught.value.hint
    assert set(get_args(FieldType)) - {"boolean"} == {
        field_type(Column("c", column_type(t))) for t in get_args(FieldType) if t != "boolean"
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("Integer", "integer"), ("Lookup", "integer"), ("Email", "string"), ("Picklist", "string"),
     ("Embedding", "json"), ("bigint", "integer"), (" DATE ", "date"), ("Geometry", "string"),
     ("", "string")],
)  # fmt: skip
def test_live_types_have_a_field_type(theirs, ours):
    """In any case; what is not known is a string."""
    assert field_type(Column("c", theirs)) == ours


def test_a_column_is_asked_for_with_its_properties_and_flags():
    """Flags stand only where they are set; name and type can't be overridden by a property."""
    column = Column("c", "Text", indexed=True, properties={"max_length": 5, "type": "Date"})
    assert column_request(column) == {"name": "c", "type": "Text", "max_length": 5, "indexed": True}
    assert column_request(Column("d", "Date")) == {"name": "d", "type": "Date"}


def test_a_table_is_asked_for_with_its_properties():
    """Passed through as they are."""
    wish = TableWish("stock", {"skip_audit_fields": True, "name": "x"}, (Column("d", "Date"),))
    assert table_request(wish) == {
        "name": "stock",
        "skip_audit_fields": True,
        "columns": [{"name": "d", "type": "Date"}],
    }


COLUMNS = [{"name": "a", "type": "Email", "unique": True, "indexed": True, "label": "A"}]
SCHEMA = Schema("t", (Column("a", "Email", False, True, True, {"label": "A"}),), {"label": "T"})
DESCRIBED = {"name": "t", "label": "T", "columns": COLUMNS}


@pytest.mark.parametrize(
    "answer", [DESCRIBED, {"table": DESCRIBED}, {"data": DESCRIBED}, {"result": DESCRIBED}]
)
def test_a_described_table_is_read_bare_or_wrapped(answer):
    """The shape is a guess, so the likely ones are taken."""
    assert read_schema("t", answer) == SCHEMA


@pytest.mark.parametrize("answer", [None, {}, []])
def test_nothing_described_is_no_table(answer):
    """Some services say so with 200."""
    assert read_schema("t", answer) is None


@pytest.mark.parametrize(
    "answer",
    [{"columns": "a"}, {"fields": []}, ["x"], 5, {"columns": ["a"]}, {"columns": [{"type": "x"}]},
     {"table": 5}],
)  # fmt: skip
def test_an_unknown_shape_is_an_error_not_an_empty_table(answer):
    """And shows what was answered."""
    with pytest.raises(TargetError, match="unknown"):
        read_schema("t", answer)


@pytest.mark.parametrize(
    "answer",
    [
        {"columns": ["a", "b"], "rows": [{"a": 1, "b": 2}]},
        {"columns": ["a", "b"], "rows": [[1, 2]]},
        {"columns": [{"name": "a"}, {"name": "b"}], "rows": [[1, 2]], "truncated": False},
        {"records": [{"a": 1, "b": 2}]},
        {"data": [{"a": 1, "b": 2}]},
        [{"a": 1, "b": 2}],
    ],
)
def test_rows_are_read_from_objects_or_arrays(answer):
    """One place knows the shapes."""
    assert read_rows(answer) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize("answer", [{"columns": ["a"], "rows": []}, []])
def test_no_rows_are_no_rows(answer):
    """An empty answer is an answer."""
    assert read_rows(answer) == []


@pytest.mark.parametrize(
    "answer", [None, 5, {}, {"rows": 5}, {"columns": ["a"], "rows": [[1, 2]]}, {"rows": [5]}]
)
def test_unknown_rows_are_an_error(answer):
    """Never an empty result by mistake."""
    with pytest.raises(TargetError, match="unknown shape"):
        read_rows(answer)


def test_rows_that_were_cut_short_are_an_error():
    """A part of the rows is not the answer."""
    with pytest.raises(TargetError, match="cut short"):
        read_rows({"rows": [{"a": 1}], "truncated": True})


@pytest.mark.parametrize(
    ("answer", "taken"),
    [({"count": 0}, 0), ({"count": 1}, 1), ({"count": 10_000}, 10_000), ({"records": [{}, {}]}, 2),
     ({"records": 2}, 2), ({"ids": [1, 2, 3]}, 3), ({"inserted": 2, "updated": 3}, 5),
     ({"inserted": 2}, 2), ({"count": True}, None), ({"count": -1}, None), ({"count": "5"}, None),
     ({}, None), (None, None), ([], None), ({"discarded": True}, None), ({"status": "ok"}, None)],
)  # fmt: skip
def test_the_number_taken_is_read_where_it_is_said(answer, taken):
    """None is no claim: the engine then counts what it sent."""
    assert records_taken(answer) == taken
