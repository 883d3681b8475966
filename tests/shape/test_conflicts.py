"""What does not go together, as sentences; `test_plan` has those that both services know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ingest.model import Column, Schema
from ingest.shape.conflicts import Named, near, of_names, of_settings, of_table
from ingest.shape.service import Meeting, ServiceTypes
from tests.shape.helpers import LENIENT, STRICT, job_of


def meeting_of(
    types: ServiceTypes,
    *live: Column,
    fields: Mapping[str, Any] | None = None,
    guessed: Mapping[str, Any] | None = None,
    create: bool = False,
) -> Meeting:
    """A meeting of these fields with a live table of these columns, or with none."""
    job = job_of(fields=fields or {}, target={"create": create})
    return Meeting(job, Schema("t", live) if live else None, types, guessed or {})


def named(*names: str, read: Sequence[str] = (), rest: bool = False) -> Named:
    """Fields without a type."""
    return Named(dict.fromkeys(names), {*names, *read}, rest)


@pytest.mark.parametrize("nullable", ["false", 1, None])
def test_nullable_is_true_or_false(nullable: Any) -> None:
    """Where it means something; elsewhere it is the service's own word."""
    fields = {"a": {"column": {"nullable": nullable}}, "b": {"column": {"nullable": True}}, "c": {}}
    (sentence,) = of_settings(meeting_of(STRICT, fields=fields))
    assert sentence == "fields.a.column.nullable: must be true or false"
    assert of_settings(meeting_of(LENIENT, fields=fields)) == []


def test_required_and_nullable_exclude_each_other() -> None:
    """A column can't be both; to be neither is fine."""
    fields = {
        "a": {"column": {"nullable": True, "required": True}},
        "b": {"column": {"nullable": False, "required": False}},
    }
    (sentence,) = of_settings(meeting_of(STRICT, fields=fields))
    assert sentence.startswith("fields.a.column.nullable: ")


def test_names_that_no_column_can_have() -> None:
    """A field is renamed by the one who named it; for the source's own a line to paste is given."""
    meeting = meeting_of(STRICT, fields={"my day": {}})
    own, odd, blank = of_names(named("my day", "ok", 'Close "x" %', " "), meeting)
    assert own == "fields.my day: 'my day' can't be a column's name: it holds a blank"
    assert odd == (
        "the source's 'Close \"x\" %' can't be a column's name: it holds a blank; give it another"
        ' one: [fields] Close_x = { from = "Close \\"x\\" %" }'
    )
    assert blank.endswith(' one: [fields] column = { from = " " }')
    assert of_names(named("my day"), meeting_of(LENIENT)) == []


def test_keys_that_would_become_columns_have_names_too() -> None:
    """Of JSON, where they travel on and no field reads them."""
    meeting = meeting_of(STRICT, guessed={"a b": "string", "c d": "string", "ok": "string"})
    (sentence,) = of_names(named("x", read=("c d",), rest=True), meeting)
    assert sentence.startswith("the source's 'a b'")
    assert of_names(named("x"), meeting) == []


def test_a_live_column_has_a_good_name() -> None:
    """Whatever we think of it."""
    assert of_names(named("a b"), meeting_of(STRICT, Column("a b", "String"))) == []


def test_members_that_every_record_must_have() -> None:
    """Of a table that refuses null: what no field gives may come with the record, unless a field
    takes it away."""
    live = [Column(name, "String", required=True) for name in ("a", "b", "c", "id")]
    live.append(Column("n", "String"))
    meeting = meeting_of(STRICT, *live)
    assert of_table(named("a", rest=True), meeting) == ([], ("b", "c", "id"))
    found, must = of_table(named("a", read=("b",), rest=True), meeting)
    assert found == ["the table 't' requires 'b', and no field gives it"]
    assert must == ("c", "id")
    found, must = of_table(named("a"), meeting)
    assert found == [
        f"the table 't' requires {name!r}, and no field gives it" for name in ("b", "c", "id")
    ]
    assert must == ()


def test_a_service_that_fills_in_what_is_absent_is_left_to_judge() -> None:
    """No record is asked for members, and a table's own column is nobody's duty."""
    live = [Column(name, "Text", required=True) for name in ("a", "b", "id")]
    assert of_table(named("a", read=("b",), rest=True), meeting_of(LENIENT, *live)) == ([], ())
    found, _ = of_table(named("a"), meeting_of(LENIENT, *live))
    assert found == ["the table 't' requires 'b', and no field gives it"]


def test_an_id_is_a_column_like_any_other_where_the_service_gives_none() -> None:
    """Then a table without one has no such column."""
    live = Column("x", "String")
    (sentence,) = of_table(named("id"), meeting_of(STRICT, live))[0]
    assert "has no column 'id'" in sentence
    assert of_table(named("id"), meeting_of(STRICT, live, create=True)) == ([], ())
    assert of_table(named("id"), meeting_of(LENIENT, live)) == ([], ())


@pytest.mark.parametrize(
    ("kind", "live", "fits"),
    [
        ("integer", "Int", True),
        ("integer", "Long", True),
        ("integer", "Decimal", True),
        ("integer", "String", False),
        ("decimal", "Int", False),
        ("boolean", "Boolean", True),
        ("boolean", "Int", False),
        ("string", "Text", True),
        ("date", "String", True),
        ("timestamp", "Text", True),
        ("json", "Json", True),
        ("json", "Int[]", True),
        ("string", "Json", False),
    ],
)
def test_types_that_go_into_strict_columns(kind: Any, live: str, fits: bool) -> None:
    """A strict service takes no text for a number and no number for a text."""
    fields = Named({"v": kind}, {"v"}, rest=False)
    found, _ = of_table(fields, meeting_of(STRICT, Column("v", live)))
    assert (found == []) is fits


def test_the_nearest_name_or_all_there_is() -> None:
    """Upper and lower case don't count; without names there is nothing to say."""
    assert near("PRICE", ["price", "x"]) == "; did you mean 'price'?"
    assert near("qqq", ["a", "b"]) == "; it has 'a', 'b'"
    assert near("qqq", []) == ""
