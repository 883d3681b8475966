"""Definitions in the database: made, replaced, widened, linked, gone, and there again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.sandbox.aito_catalogue import Catalogue
from ingest.sandbox.aito_records import of_batch
from ingest.sandbox.aito_tables import Column, column_of
from ingest.sandbox.refusal import Refused
from ingest.sandbox.store import FILE_NAME, Store

INT, STRING = {"type": "Int"}, {"type": "String"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of this test's own."""
    one = Store(tmp_path)
    yield one
    one.close()


@pytest.fixture
def catalogue(store: Store) -> Catalogue:
    """Its definitions."""
    return store.aito.catalogue


def put(catalogue: Catalogue, base: str = "", **tables: dict[str, Any]) -> None:
    """Tables by their columns."""
    payloads = {name: {"columns": columns} for name, columns in tables.items()}
    catalogue.put(base, payloads, "v2")


def insert(store: Store, table: str, *rows: object) -> None:
    """Rows at the root."""
    store.aito.insert(("", table), orjson.dumps(rows), of_batch)


def hits(store: Store, table: str) -> Any:
    """Its first rows."""
    return store.aito.query("", {"from": table}, "v1")["hits"]


def test_a_table_with_rows_is_not_replaced(store: Store, catalogue: Catalogue) -> None:
    """Not even by itself; without rows it may become anything."""
    put(catalogue, t={"n": INT})
    put(catalogue, t={"s": STRING, "n": STRING})
    insert(store, "t", {"s": "x", "n": "y"})
    with pytest.raises(Refused, match="Cannot replace table t") as refused:
        put(catalogue, t={"s": STRING, "n": STRING})
    assert refused.value.status == 400
    assert hits(store, "t") == [{"s": "x", "n": "y"}]
    store.aito.delete(("", "t"), {})
    put(catalogue, t={"n": INT})
    assert list(catalogue.entry(("", "t")).table.columns) == ["n"]


def test_several_tables_are_made_or_none(store: Store, catalogue: Catalogue) -> None:
    """One wrong among them leaves everything as it was; others are kept."""
    put(catalogue, kept={"n": INT}, full={"n": INT})
    insert(store, "full", {"n": 1})
    for wrong in ({"n": {"type": "quux"}}, {"n": {"type": "Int", "link": "x.y"}}):
        with pytest.raises(Refused):
            put(catalogue, kept={"s": STRING}, wrong=wrong)
    with pytest.raises(Refused):
        put(catalogue, kept={"s": STRING}, full={"s": STRING})
    assert list(catalogue.tables("")) == ["kept", "full"]
    assert list(catalogue.entry(("", "kept")).table.columns) == ["n"]
    insert(store, "kept", {"n": 1})


def test_tables_of_one_request_may_link_to_each_other(catalogue: Catalogue) -> None:
    """In any order, and to themselves."""
    put(
        catalogue,
        a={"b": {**STRING, "link": "b.name"}},
        b={"name": STRING, "boss": {**STRING, "link": "b.name"}},
    )
    assert list(catalogue.tables("")) == ["a", "b"]


def test_what_others_link_to_stays(catalogue: Catalogue) -> None:
    """Neither the table nor the column goes, nor changes its type; with the linker both go."""
    put(catalogue, people={"name": STRING, "age": INT})
    put(catalogue, orders={"who": {**STRING, "link": "people.name"}})
    for change in (
        lambda: catalogue.drop("", ["people"]),
        lambda: catalogue.drop_column(("", "people"), "name"),
        lambda: catalogue.put_column(("", "people"), Column("name", "Text")),
        lambda: put(catalogue, people={"age": INT}),
    ):
        with pytest.raises(Refused, match=r'table "orders": column "who".*links to people\.name'):
            change()
    catalogue.drop_column(("", "people"), "age")
    assert catalogue.drop("", ["people", "orders"]) == ["people", "orders"]
    assert catalogue.tables("") == {}


def test_a_link_does_not_leave_its_database(catalogue: Catalogue) -> None:
    """A table of that name in another one is none."""
    put(catalogue, people={"name": STRING})
    with pytest.raises(Refused, match="would not exist"):
        put(catalogue, "one", orders={"who": {**STRING, "link": "people.name"}})


def test_columns_come_and_go(store: Store, catalogue: Catalogue) -> None:
    """Rows keep what they have; a new column is null in them, a returned one too."""
    key = ("", "t")
    put(catalogue, t={"a": INT, "b": INT})
    insert(store, "t", {"a": 1, "b": 2})
    catalogue.put_column(key, column_of("c", {**STRING, "nullable": True}, "v1"))
    insert(store, "t", {"a": 3, "b": 4, "c": "x"})
    catalogue.drop_column(key, "b")
    catalogue.put_column(key, column_of("b", {**INT, "nullable": True}, "v1"))
    assert hits(store, "t") == [{"a": 1}, {"a": 3, "c": "x"}]
    insert(store, "t", {"a": 5, "b": 6})
    assert hits(store, "t")[2] == {"a": 5, "b": 6}
    with pytest.raises(Refused, match="it must be nullable"):
        catalogue.put_column(key, column_of("d", INT, "v1"))


def test_without_rows_a_column_becomes_another(store: Store, catalogue: Catalogue) -> None:
    """The table's only one, too."""
    put(catalogue, t={"a": INT})
    catalogue.put_column(("", "t"), column_of("a", STRING, "v1"))
    insert(store, "t", {"a": "x"})
    assert hits(store, "t") == [{"a": "x"}]


def test_what_is_not_there(catalogue: Catalogue) -> None:
    """404, in the words of the schema."""
    put(catalogue, t={"a": INT})
    for ask in (
        lambda: catalogue.entry(("", "nowhere")),
        lambda: catalogue.drop("", ["nowhere"]),
        lambda: catalogue.drop("", ["t", "nowhere"]),
        lambda: catalogue.put_column(("", "nowhere"), Column("a", "Int")),
        lambda: catalogue.entry(("one", "t")),
    ):
        with pytest.raises(Refused, match="No such table: ") as refused:
            ask()
        assert refused.value.status == 404
    with pytest.raises(Refused, match=r"No such column: t\.b"):
        catalogue.column(("", "t"), "b")
    assert list(catalogue.tables("")) == ["t"]


def test_everything_is_there_again(tmp_path: Path) -> None:
    """Definitions, order, links with their lookups; each database's own."""
    first = Store(tmp_path)
    put(first.aito.catalogue, z={"name": STRING}, a={"who": {**STRING, "link": "z.name"}})
    put(first.aito.catalogue, "one", z={"n": {"type": "Long"}})
    tables = first.aito.catalogue.tables("")
    insert(first, "z", {"name": "x"})
    first.close()
    second = Store(tmp_path)
    assert second.aito.catalogue.tables("") == tables
    assert list(tables) == ["z", "a"]
    assert list(second.aito.catalogue.tables("one")["z"].columns) == ["n"]
    insert(second, "a", {"who": "x"})
    with pytest.raises(Refused, match="failed to link"):
        insert(second, "a", {"who": "y"})
    second.close()


def test_a_linked_column_has_an_index(tmp_path: Path) -> None:
    """Each value is looked up, which must not walk over the table; also after a replacement."""
    store = Store(tmp_path)
    put(store.aito.catalogue, people={"age": INT, "name": STRING})
    put(store.aito.catalogue, orders={"who": {**STRING, "link": "people.name"}})
    put(store.aito.catalogue, people={"name": STRING})
    rows = store.aito.catalogue.entry(("", "people")).rows
    store.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {rows} WHERE c1 = ?", ("x",))
        assert "USING COVERING INDEX" in plan.fetchone()[-1]
