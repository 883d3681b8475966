"""Definitions: created, revised, described, refused."""

from typing import Any

import pytest

from ingest.sandbox.refusal import Refused
from ingest.sandbox.tables import COLUMNS, TYPES, Table, from_json, revised, widened

AGE = {"name": "age", "type": "Integer"}
COLUMN_PROPERTIES: dict[str, Any] = {
    "label": "Age", "max_length": 5, "length": 3, "help": "h", "editable": True, "required": True,
    "searchable": False, "indexed": True, "unique": True, "description": "d",
    "picklist_items": ["a"],
}  # fmt: skip
TABLE_PROPERTIES: dict[str, Any] = {
    "label": "People", "allow_create": True, "allow_delete": False, "enable_field_audit": True,
    "skip_audit_fields": True, "enable_search": False, "time_column": "day",
}  # fmt: skip
DAY = {"name": "day", "type": "Date", "indexed": True}


def made(*columns: dict[str, Any], **properties: Any) -> Table:
    """A new table."""
    return revised("t", None, {"name": "t", "columns": list(columns), **properties})


def names(table: Table) -> list[str]:
    """The users' columns."""
    return [column.name for column in table.columns]


def test_all_published_properties_come_back() -> None:
    """Of the table and of the column, as they were given."""
    described = made({**AGE, **COLUMN_PROPERTIES}, DAY, **TABLE_PROPERTIES).described()
    assert {**AGE, **COLUMN_PROPERTIES} in described["columns"]
    assert TABLE_PROPERTIES.items() <= described.items()
    assert described["name"] == "t"


def test_creating_is_idempotent_and_keeps_what_is_left_out() -> None:
    """The same request changes nothing; another adds and changes, and drops nothing."""
    table = made(AGE, label="L")
    again = revised("t", table, {"name": "t", "columns": [AGE], "label": "L"})
    more = revised("t", table, {"name": "t", "columns": [{"name": "b", "type": "Text"}]})
    changed = widened(table, [{"name": "age", "label": "Age", "indexed": True}])
    assert again == table
    assert names(more) == ["age", "b"]
    assert more.properties == {"label": "L"}
    assert changed.columns[0].described() == {**AGE, "label": "Age", "indexed": True}


def test_the_catalogue_gives_the_same_table_back() -> None:
    """What is kept as JSON is the whole definition."""
    table = made({**AGE, **COLUMN_PROPERTIES}, DAY, **TABLE_PROPERTIES)
    assert from_json(table.as_json()) == table


def test_system_columns_are_described() -> None:
    """An id always; the audit fields unless they are skipped."""
    audited = [c["name"] for c in made(AGE).described()["columns"]]
    plain = [c["name"] for c in made(AGE, skip_audit_fields=True).described()["columns"]]
    assert audited == ["age", "id", "created_at", "updated_at"]
    assert plain == ["age", "id"]


def test_a_system_column_named_again_changes_nothing() -> None:
    """With its own type; with another it is refused."""
    assert names(made({"name": "id", "type": "Bigint"})) == []
    with pytest.raises(Refused, match="can't change to Text"):
        made({"name": "id", "type": "Text"})


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_never_changes(kind: str) -> None:
    """Every type to every other is a 400; to itself is nothing."""
    own = {"name": "c", "type": kind, "length": 2, "picklist_items": ["a"]}
    table = made(own)
    assert widened(table, [own]) == table
    for other in TYPES:
        if other != kind:
            with pytest.raises(Refused, match=f"is {kind} and can't change to {other}"):
                widened(table, [{**own, "type": other}])


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ({"name": "c", "type": "Boolean"}, "there is no Boolean type; use Integer"),
        ({"name": "c", "type": "integer"}, "did you mean Integer"),
        ({"name": "c", "type": "quux"}, "the types are Integer, Bigint"),
        ({"name": "c"}, "null is no column type"),
        ({"name": "c", "type": ["Text"]}, "is no column type"),
        ({"type": "Text"}, "needs a name"),
        ({"name": ["c"], "type": "Text"}, "needs a name"),
        ({"name": "AGE", "type": "Integer"}, "differ only by case"),
        ({"name": "c", "type": "Text", "lenght": 5}, 'no property "lenght"'),
        ({"name": "c", "type": "Text", "max_length": 0}, "max_length can't be 0"),
        ({"name": "c", "type": "Text", "max_length": True}, "max_length can't be true"),
        ({"name": "c", "type": "Text", "unique": 1}, "unique can't be 1"),
        ({"name": "c", "type": "Text", "label": 1}, "label can't be 1"),
        ({"name": "c", "type": "Embedding"}, "needs its fixed length"),
        ({"name": "c", "type": "Picklist"}, "needs picklist_items"),
        ({"name": "c", "type": "Picklist", "picklist_items": []}, "needs picklist_items"),
        ({"name": "c", "type": "Picklist", "picklist_items": "ab"}, "picklist_items can't be"),
    ],
)
def test_columns_that_are_refused(column: dict[str, Any], words: str) -> None:
    """With words that name the column and what is wrong."""
    with pytest.raises(Refused, match=words) as refused:
        made(AGE, column)
    assert refused.value.status == 400


@pytest.mark.parametrize("columns", [None, {}, "x", [5], [[]]])
def test_columns_must_be_a_list_of_objects(columns: object) -> None:
    """Anything else is a 400."""
    with pytest.raises(Refused, match="must be a list of objects"):
        widened(made(), columns)


@pytest.mark.parametrize("column", [{**DAY, "indexed": False}, {**AGE, "indexed": True}, AGE])
def test_time_column_must_be_an_indexed_day_or_time(column: dict[str, Any]) -> None:
    """As the page says; a missing one is refused too."""
    with pytest.raises(Refused, match="indexed Date or Timestamp"):
        made(column, time_column=column["name"])
    with pytest.raises(Refused, match="indexed Date or Timestamp"):
        made(column, time_column="nothing")


def test_audit_fields_are_decided_at_creation() -> None:
    """They are columns: later neither added nor removed."""
    with pytest.raises(Refused, match="skip_audit_fields"):
        revised("t", made(AGE), {"skip_audit_fields": True})
    assert revised("t", made(skip_audit_fields=True), {"skip_audit_fields": True}).audit == ()


@pytest.mark.parametrize(("number", "fits"), [(0, True), (1, True), (COLUMNS - 3, True),
                                              (COLUMNS - 2, False)])  # fmt: skip
def test_the_number_of_columns_is_bounded(number: int, fits: bool) -> None:
    """System columns count."""
    columns = [{"name": f"c{i}", "type": "Text"} for i in range(number)]
    if fits:
        assert len(made(*columns).columns) == number
    else:
        with pytest.raises(Refused, match="1900 at most"):
            made(*columns)
