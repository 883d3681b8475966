"""What is stored comes back equal, survives, and stays whole."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox.refusal import Refused
from ingest.sandbox.store import FILE_NAME, Store

NUMBERS = count()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.booleans() | st.integers() | DOUBLES | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Integer": st.integers(-(2**31), 2**31 - 1),
    "Bigint": st.integers(-(2**63), 2**63 - 1),
    "Lookup": st.integers(-(2**63), 2**63 - 1),
    "Double": DOUBLES | st.integers(-(2**63), 2**63 - 1),
    "Text": TEXT,
    "Textarea": TEXT,
    "Date": st.dates().map(str),
    "Timestamp": st.datetimes().map(lambda moment: moment.isoformat()),
    "Email": st.emails(domains=st.sampled_from(["a.org", "b.c.de"])),
    "Picklist": st.sampled_from(["a", "b"]),
    "Json": JSON,
    "Embedding": st.lists(DOUBLES, min_size=2, max_size=2),
}
COLUMNS = [
    {"name": kind.lower(), "type": kind}
    | ({"picklist_items": ["a", "b"]} if kind == "Picklist" else {})
    | ({"length": 2} if kind == "Embedding" else {})
    for kind in VALUES
]
RECORDS = st.lists(
    st.fixed_dictionaries({}, optional={k.lower(): st.none() | v for k, v in VALUES.items()}),
    max_size=5,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of this thread."""
    with opened(tmp_path_factory.mktemp("store")) as one:
        yield one


@contextmanager
def opened(directory: Path) -> Iterator[Store]:
    """A store for the time of the block."""
    one = Store(directory)
    yield one
    one.close()


def made(store: Store, *columns: dict[str, Any], **properties: Any) -> str:
    """A new table."""
    name = f"t{next(NUMBERS)}"
    store.define(name, {"name": name, "columns": list(columns), **properties})
    return name


def insert(store: Store, table: str, records: object, **rest: Any) -> int:
    """Records as a request's body."""
    return store.insert(table, json.dumps({"records": records, **rest}).encode())


def rows(store: Store, table: str) -> list[dict[str, Any]]:
    """Rows as a client reads them, but with every digit."""
    answer = orjson.dumps(store.select(f"select * from {table} order by id")["rows"])
    found: list[dict[str, Any]] = json.loads(answer)
    return found


@given(RECORDS, st.sampled_from([None, "id", "key"]))
def test_what_is_stored_comes_back_equal(
    store: Store, records: list[dict[str, Any]], way: str | None
) -> None:
    """Every type, every digit, null for what is absent: inserted, by id and by upsert key."""
    key = {"name": "key", "type": "Bigint", "indexed": True, "unique": True}
    table = made(store, *COLUMNS, key, skip_audit_fields=True)
    marked = [record | ({way: n} if way else {}) for n, record in enumerate(records, 1)]
    rest = {"upsert_key": "key"} if way == "key" else {}
    for _ in range(2 if way else 1):  # with an id or a key, sending again changes nothing
        assert insert(store, table, marked, **rest) == len(records)
    empty = dict.fromkeys([*(kind.lower() for kind in VALUES), "key"])
    expected = [empty | record for record in marked]
    found = rows(store, table)
    for row, record in zip(found, expected, strict=True):
        assert {name: row[name] for name in record} == record
        assert [type(row[name]) for name in record] == [type(v) for v in record.values()]
    store.drop(table)


def test_large_numbers(store: Store) -> None:
    """Beyond 64 bits a Double is a double, and Json keeps all digits."""
    table = made(store, {"name": "d", "type": "Double"}, {"name": "j", "type": "Json"})
    insert(store, table, [{"d": 2**64 - 1, "j": {"n": 12345678901234567890123}}])
    (row,) = rows(store, table)
    assert row["d"] == float(2**64 - 1)
    assert row["j"] == {"n": 12345678901234567890123}


def test_numbers_keep_their_kind(store: Store) -> None:
    """5 comes back as 5, 5.0 as 5.0; texts of digits stay texts."""
    table = made(store, {"name": "d", "type": "Double"}, {"name": "t", "type": "Text"})
    insert(store, table, [{"d": 5, "t": "00100"}, {"d": 5.0, "t": "12345.0"}, {"d": -0.0}])
    found = rows(store, table)
    assert [repr(row["d"]) for row in found] == ["5", "5.0", "-0.0"]
    assert [row["t"] for row in found] == ["00100", "12345.0", None]
    assert math.copysign(1, found[2]["d"]) == -1


def test_definitions_and_rows_survive(tmp_path: Path) -> None:
    """A store opened again knows them, with its checks."""
    with opened(tmp_path) as first:
        table = made(first, {"name": "age", "type": "Integer"}, label="People")
        insert(first, table, [{"age": 1}])
        described = first.table(table)
    with opened(tmp_path) as second:
        assert second.table(table) == described
        assert [row["age"] for row in rows(second, table)] == [1]
        with pytest.raises(Refused, match="JSON integer"):
            insert(second, table, [{"age": "1"}])
    assert (tmp_path / FILE_NAME).exists()


def test_a_dropped_table_is_gone_and_its_name_free(store: Store) -> None:
    """With its rows and its indexes."""
    column = {"name": "a", "type": "Text", "unique": True}
    table = made(store, column)
    insert(store, table, [{"a": "x"}])
    store.drop(table)
    with pytest.raises(Refused, match="there is no table"):
        store.table(table)
    store.define(table, {"columns": [column]})
    assert rows(store, table) == []


def test_a_failure_in_the_middle_leaves_nothing(store: Store) -> None:
    """Not even the runs before it, where a request needs several statements."""
    key = {"name": "key", "type": "Bigint", "indexed": True, "unique": True}
    table = made(store, key, {"name": "a", "type": "Text", "unique": True})
    insert(store, table, [{"key": 1, "a": "x"}])
    records = [{"key": 2}, {"key": 3, "a": "y"}, {"key": 4, "a": "x"}]
    with pytest.raises(Refused, match="unique") as refused:
        insert(store, table, records, upsert_key="key")
    assert refused.value.where == {"record": 2, "column": "a"}
    assert len(rows(store, table)) == 1
