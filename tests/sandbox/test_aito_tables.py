"""aito's definitions: described, refused, changed."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.sandbox import aito_tables
from ingest.sandbox.aito_tables import (
    Column,
    Table,
    broken_link,
    changed,
    column_of,
    from_stored,
    stored,
    table_of,
)
from ingest.sandbox.aito_types import TYPES
from ingest.sandbox.refusal import Refused

FULL: dict[str, Any] = {
    "id": {"type": "Int", "nullable": False},
    "owner": {"type": "String", "nullable": True, "link": "people.name"},
    "tags": {"type": "Text", "nullable": False, "analyzer": "Whitespace"},
    "text": {
        "type": "Text",
        "nullable": True,
        "analyzer": {"type": "delimiter", "delimiter": ",", "trimWhitespace": True},
    },
    "flags": {"type": "Boolean[]", "nullable": False},
}
BAD_COLUMNS = [
    ({"type": "int"}, "unknown type"),
    ({"type": "Date"}, "unknown type"),
    ({}, "unknown type null"),
    ({"type": ["Int"]}, "unknown type"),
    ({"type": "Long"}, "unknown type"),
    ({"type": "Int", "nullable": 1}, "nullable must be"),
    ({"type": "Int", "nullable": "true"}, "nullable must be"),
    ({"type": "Int", "indexed": True}, "must be an object with"),
    ("Int", "must be an object with"),
    (None, "must be an object with"),
    ({"type": "Int", "link": "people"}, "a link is"),
    ({"type": "Int", "link": "a.b.c"}, "a link is"),
    ({"type": "Int", "link": "a b.c"}, "a link is"),
    ({"type": "Int", "link": ".c"}, "a link is"),
    ({"type": "Int", "link": 5}, "a link is"),
    ({"type": "Json", "link": "a.b"}, "can't be a link"),
    ({"type": "String[]", "link": "a.b"}, "can't be a link"),
    ({"type": "String", "analyzer": "english"}, "only Text has an analyzer"),
    ({"type": "Text", "analyzer": 5}, "is no analyzer"),
    ({"type": "Text", "analyzer": {"type": "quux"}}, "is no analyzer"),
]


def table(**columns: dict[str, Any]) -> Table:
    """A table of v2."""
    return table_of({"type": "table", "columns": columns}, "v2")


def test_what_was_defined_is_described() -> None:
    """Exactly, in order: the client breaks on any key it does not know."""
    described = table_of({"type": "table", "columns": FULL}, "v1").described("v1")
    assert described == {"type": "table", "columns": FULL}
    assert list(described["columns"]) == list(FULL)


def test_what_is_left_out_is_said() -> None:
    """`nullable` is false unless set, a table is a table; null is as left out."""
    plain = {"type": "Int", "nullable": None, "link": None, "analyzer": None}
    assert table_of({"columns": {"a": plain}}, "v1").described("v1") == {
        "type": "table",
        "columns": {"a": {"type": "Int", "nullable": False}},
    }


def test_the_catalogue_gives_the_same_table_back() -> None:
    """Slots and collections included."""
    one = table_of({"type": "collection", "columns": {**FULL, "n": {"type": "Long"}}}, "v2")
    one = one.without("tags").with_column(Column("x", "Int", slot=77))
    assert from_stored(stored(one)) == one


def test_a_collection_is_v2s() -> None:
    """To v1 it is shown as a table, and there it can't be made."""
    payload = {"type": "collection", "columns": {"a": {"type": "Int"}}}
    one = table_of(payload, "v2")
    assert (one.described("v2")["type"], one.described("v1")["type"]) == ("collection", "table")
    with pytest.raises(Refused, match="the type of a table is table"):
        table_of(payload, "v1")


@pytest.mark.parametrize("kind", TYPES)
def test_types(kind: str) -> None:
    """All in v2; Long in v1 is unknown."""
    assert column_of("a", {"type": kind}, "v2").type == kind
    if kind != "Long":
        assert column_of("a", {"type": kind}, "v1").type == kind


@pytest.mark.parametrize(("payload", "words"), BAD_COLUMNS)
def test_columns_that_are_refused(payload: object, words: str) -> None:
    """With words that name the column."""
    with pytest.raises(Refused, match=f'column "c".*{words}') as refused:
        column_of("c", payload, "v1")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "payload",
    [None, [], {}, {"columns": {}}, {"columns": []}, {"type": "view", "columns": {"a": {}}},
     {"type": "table", "columns": {"a": {"type": "Int"}}, "label": "x"}],
)  # fmt: skip
def test_tables_that_are_refused(payload: object) -> None:
    """No columns, another type, an unknown key."""
    with pytest.raises(Refused) as refused:
        table_of(payload, "v2")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "name", ["", "a/b", 'a"b', "a.b", "a$b", "a b", "a\tb", "a\nb", "a\u00a0b"]
)
def test_names_that_are_refused(name: str) -> None:
    """`/ " . $` and white space of any kind."""
    with pytest.raises(Refused, match="the column name"):
        column_of(name, {"type": "Int"}, "v1")


@pytest.mark.parametrize("name", ["a", "A", "größe", "select", "c1", "a-b", "a'b", "rowid", "名"])
def test_names_of_any_other_kind(name: str) -> None:
    """Are taken."""
    assert column_of(name, {"type": "Int"}, "v1").name == name


@pytest.mark.parametrize(("number", "fits"), [(0, False), (1, True), (2, True), (1900, True),
                                              (1901, False)])  # fmt: skip
def test_the_number_of_columns_is_bounded(number: int, fits: bool) -> None:
    """By SQLite, and from below by the client, which wants one."""
    columns = {f"c{n}": {"type": "Int"} for n in range(number)}
    if fits:
        assert len(table(**columns).columns) == number
    else:
        with pytest.raises(Refused, match="1 to 1900 columns"):
            table(**columns)


def test_links_must_lead_to_a_column_of_the_same_type() -> None:
    """In any table there is, its own too."""
    people = table(name={"type": "String"}, age={"type": "Int"})
    for link, words in (
        ("people.name", None),
        ("me.boss", None),
        ("people.nick", "would not exist"),
        ("nobody.name", "would not exist"),
        ("people.age", "which is Int"),
    ):
        one = table(boss={"type": "String"}, who={"type": "String", "link": link})
        problem = broken_link(one, {"people": people, "me": one})
        assert (problem is None) == (words is None)
        assert words is None or words in str(problem)


def test_a_new_column_on_rows_must_be_nullable() -> None:
    """Without rows it may be anything."""
    one = table(a={"type": "Int"})
    with pytest.raises(Refused, match="it must be nullable"):
        changed(one, Column("b", "Int"), has_rows=True)
    assert list(changed(one, Column("b", "Int", nullable=True), has_rows=True).columns) == [
        "a",
        "b",
    ]
    assert list(changed(one, Column("b", "Int"), has_rows=False).columns) == ["a", "b"]


@pytest.mark.parametrize(
    ("new", "fits"),
    [
        (Column("a", "Text", nullable=True), True),
        (Column("a", "Text", nullable=True, analyzer="english"), True),
        (Column("a", "Text", nullable=False), False),
        (Column("a", "String", nullable=True), False),
        (Column("a", "Text", nullable=True, link=aito_tables.Link("t", "c")), False),
    ],
)
def test_what_may_change_on_rows(new: Column, fits: bool) -> None:
    """The analyzer; without rows everything."""
    one = table(a={"type": "Text", "nullable": True})
    assert changed(one, new, has_rows=False).columns["a"].type == new.type
    if fits:
        after = changed(one, new, has_rows=True).columns["a"]
        assert (after.analyzer, after.slot) == (new.analyzer, one.columns["a"].slot)
    else:
        with pytest.raises(Refused, match="has rows"):
            changed(one, new, has_rows=True)


def test_a_column_may_become_nullable_on_rows() -> None:
    """Not the other way, which the rows might contradict."""
    after = changed(table(a={"type": "Int"}), Column("a", "Int", nullable=True), has_rows=True)
    assert after.columns["a"].nullable


def test_the_last_column_stays() -> None:
    """A table without columns breaks the client."""
    one = table(a={"type": "Int"}, b={"type": "Int"}).without("a")
    assert list(one.columns) == ["b"]
    with pytest.raises(Refused, match="is the table's last"):
        one.without("b")


def test_slots_are_never_given_twice_to_living_columns() -> None:
    """Each column has its own, whatever came and went."""
    one = table(a={"type": "Int"}, b={"type": "Int"}).without("a")
    one = changed(one, Column("c", "Int"), has_rows=False)
    one = changed(one, Column("b", "String"), has_rows=False)
    slots = [column.slot for column in one.columns.values()]
    assert len(set(slots)) == len(slots) == 2
