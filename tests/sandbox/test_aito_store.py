"""aito's rows: what is stored comes back equal, in order, whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox import query
from ingest.sandbox.aito_query import MOST_HITS
from ingest.sandbox.aito_records import of_batch, of_stream
from ingest.sandbox.refusal import Refused
from ingest.sandbox.store import Store

NUMBERS = count()
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
INT32, INT64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**100), 2**100) | DOUBLES | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Boolean": st.booleans(),
    "Int": INT32,
    "Long": INT64,
    "Decimal": DOUBLES | INT64,
    "String": STRINGS,
    "Text": STRINGS,
    "Json": JSON,
    "Boolean[]": st.lists(st.booleans(), max_size=3),
    "Int[]": st.lists(INT32, max_size=3),
    "Decimal[]": st.lists(DOUBLES | INT64, max_size=3),
    "String[]": st.lists(STRINGS, max_size=3),
}
COLUMNS = {kind: {"type": kind, "nullable": True} for kind in VALUES}
NAMES = {kind: kind.replace("[]", "s") for kind in VALUES}  # brackets are fine: kept plain to read
RECORDS = st.lists(
    st.fixed_dictionaries({}, optional={NAMES[k]: st.none() | v for k, v in VALUES.items()}),
    max_size=5,
)
INT, STRING = {"type": "Int"}, {"type": "String"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of this thread."""
    one = Store(tmp_path_factory.mktemp("store"))
    yield one
    one.close()


def made(store: Store, **columns: dict[str, Any]) -> str:
    """A new table."""
    name = f"t{next(NUMBERS)}"
    store.aito.catalogue.put("", {name: {"columns": columns}}, "v2")
    return name


def insert(store: Store, table: str, *rows: object) -> int:
    """Rows as a batch."""
    return store.aito.insert(("", table), json.dumps(rows).encode(), of_batch)


def rows(store: Store, table: str, **query: object) -> list[dict[str, Any]]:
    """Rows as a client reads them, but with every digit."""
    answer = store.aito.query("", {"from": table, "limit": 1000, **query}, "v1")
    found: list[dict[str, Any]] = json.loads(orjson.dumps(answer["hits"]))
    return found


@given(RECORDS, st.booleans())
def test_what_is_stored_comes_back_equal(
    store: Store, records: list[dict[str, Any]], streamed: bool
) -> None:
    """Every type, every digit, by value and kind; nulls are left out; in order."""
    table = made(store, **{NAMES[kind]: column for kind, column in COLUMNS.items()})
    body = [json.dumps(record) for record in records]
    if streamed:
        store.aito.insert(("", table), "\n".join(body).encode(), of_stream)
    else:
        store.aito.insert(("", table), f"[{','.join(body)}]".encode(), of_batch)
    expected = [{k: v for k, v in record.items() if v is not None} for record in records]
    found = rows(store, table)
    assert found == expected
    for row, record in zip(found, expected, strict=True):
        assert {k: type(v) for k, v in row.items()} == {k: type(v) for k, v in record.items()}
    store.aito.catalogue.drop("", [table])


def test_numbers_keep_their_kind_and_digits(store: Store) -> None:
    """5 comes back as 5, 5.0 as 5.0; past 2^53 exact; in Json to the last digit."""
    table = made(store, d={"type": "Decimal", "nullable": True}, j={"type": "Json"})
    digits = '{"n":12345678901234567890123,"d":0.1234567890123456789}'
    body = (
        f'[{{"d":5,"j":{digits}}},{{"d":5.0,"j":1}},{{"d":-0.0,"j":1}},{{"d":{2**53 + 1},"j":1}}]'
    )
    store.aito.insert(("", table), body.encode(), of_batch)
    hits = store.aito.query("", {"from": table}, "v1")["hits"]
    assert orjson.dumps(hits[0]["j"]).decode() == digits
    found = [hit["d"] for hit in hits]
    assert list(map(repr, found)) == ["5", "5.0", "-0.0", str(2**53 + 1)]
    assert math.copysign(1, found[2]) == -1


def test_rows_keep_their_order_over_deletes(store: Store) -> None:
    """Also where the last ones went, whose place in the file is free."""
    table = made(store, n=INT)
    insert(store, table, {"n": 1}, {"n": 2}, {"n": 3})
    assert store.aito.delete(("", table), {"n": {"$gte": 2}}) == 2
    insert(store, table, {"n": 5}, {"n": 4})
    assert [row["n"] for row in rows(store, table)] == [1, 5, 4]


def test_query_pages(store: Store) -> None:
    """Ten unless told, offset beyond the end, limit 0 for the total alone."""
    table = made(store, n=INT)
    insert(store, table, *({"n": n} for n in range(25)))

    def page(**query: object) -> tuple[int, int, list[int]]:
        answer = store.aito.query("", {"from": table, **query}, "v1")
        assert answer.keys() == {"offset", "total", "hits"}
        return answer["offset"], answer["total"], [hit["n"] for hit in answer["hits"]]

    assert page() == (0, 25, list(range(10)))
    assert page(limit=0) == (0, 25, [])
    assert page(limit=1, offset=24) == (24, 25, [24])
    assert page(limit=2, offset=24) == (24, 25, [24])
    assert page(offset=25) == (25, 25, [])
    assert page(limit=MOST_HITS * 10) == (0, 25, list(range(25)))
    assert page(where={"n": {"$lt": 3}}, limit=2) == (0, 3, [0, 1])
    assert page(select=None, where=None, limit=None, offset=None) == (0, 25, list(range(10)))


def test_select(store: Store) -> None:
    """The named columns, in the order named; an unknown one is refused."""
    table = made(store, a=INT, b=INT)
    insert(store, table, {"a": 1, "b": 2})
    (row,) = rows(store, table, select=["b", "a"])
    assert list(row.items()) == [("b", 2), ("a", 1)]
    assert rows(store, table, select=["b"]) == [{"b": 2}]
    for select in (["c"], [], "a", [1], ["$p"]):
        with pytest.raises(Refused):
            rows(store, table, select=select)


@pytest.mark.parametrize(
    "query",
    [{}, {"from": 5}, {"from": "t", "predict": "x"}, {"from": "t", "limit": -1},
     {"from": "t", "limit": "1"}, {"from": "t", "limit": True}, {"from": "t", "offset": 1.0},
     {"from": "t", "offset": 2**63}, {"from": "t", "where": []}],
)  # fmt: skip
@pytest.mark.parametrize("api", ["v1", "v2"])
def test_queries_that_are_refused(store: Store, query: dict[str, Any], api: str) -> None:
    """What the sandbox does not know, and numbers that are none."""
    table = made(store, n=INT)
    query = {**query, "from": table} if query.get("from") == "t" else query
    with pytest.raises(Refused) as refused:
        store.aito.query("", query, api)
    assert (refused.value.status, refused.value.where["code"]) == (400, "query.invalid")


def test_v2_is_strict_about_null_and_lenient_about_fields(store: Store) -> None:
    """A null clause is refused; a term on an unknown field is left out, with a warning."""
    table = made(store, n=INT)
    insert(store, table, {"n": 1}, {"n": 2})
    with pytest.raises(Refused, match="where can't be null"):
        store.aito.query("", {"from": table, "where": None}, "v2")
    where = {"m": 1, "n": 2}
    with pytest.raises(Refused, match="'m' not found"):
        store.aito.query("", {"from": table, "where": where}, "v1")
    answer = store.aito.query("", {"from": table, "where": where}, "v2")
    assert answer["total"] == 1
    assert [w["code"] for w in answer["warnings"]] == ["where.unknown_field"]
    with pytest.raises(Refused, match="'m' not found"):
        store.aito.delete(("", table), where)
    assert len(rows(store, table)) == 2


def test_links(store: Store) -> None:
    """A value must stand in the other table; null must not; words name no row."""
    people = made(store, name=STRING)
    insert(store, people, {"name": "anne"}, {"name": "bob"})
    table = made(store, who={"type": "String", "link": f"{people}.name", "nullable": True})
    assert insert(store, table, {"who": "bob"}, {}, {"who": None}, {"who": "bob"}) == 4
    with pytest.raises(Refused, match=f"failed to link field 'who': no such value in {people}"):
        insert(store, table, {"who": "anne"}, {"who": "Anne"})
    assert len(rows(store, table)) == 4


def test_a_row_may_link_to_its_own_table(store: Store) -> None:
    """And to a row of its own request, in any order."""
    name = f"t{next(NUMBERS)}"
    columns = {"name": STRING, "boss": {"type": "String", "link": f"{name}.name", "nullable": True}}
    store.aito.catalogue.put("", {name: {"columns": columns}}, "v1")
    assert insert(store, name, {"name": "a", "boss": "b"}, {"name": "b"}) == 2
    with pytest.raises(Refused, match="failed to link"):
        insert(store, name, {"name": "c", "boss": "d"})


def test_insert_each_takes_what_is_good(store: Store) -> None:
    """In order; the others are named by index, with words."""
    table = made(store, n=INT)
    lines = [b'{"n":1}', b"{", b'{"n":2}', b"", b'{"n":"x"}', b'{"n":3}', b"{}", b'{"x":1}', b"[]"]
    refused = store.aito.insert_each(("", table), lines)
    assert [index for index, _ in refused] == [1, 3, 4, 6, 7, 8]
    assert all(words for _, words in refused)
    assert dict(refused)[4] == "failed to read field 'n': expected Int, got VALUE_STRING"
    assert rows(store, table) == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_insert_each_of_n_good_ones(store: Store, number: int) -> None:
    """None is refused."""
    table = made(store, n=INT)
    lines = [b'{"n":%d}' % n for n in range(number)]
    assert store.aito.insert_each(("", table), lines) == []
    assert [row["n"] for row in rows(store, table)] == list(range(number))


def test_insert_each_and_links(store: Store) -> None:
    """A line whose link is missing is left out alone."""
    people = made(store, name=STRING)
    insert(store, people, {"name": "anne"})
    table = made(store, who={"type": "String", "link": f"{people}.name"})
    lines = [b'{"who":"anne"}', b'{"who":"bob"}', b'{"who":"anne"}']
    ((index, words),) = store.aito.insert_each(("", table), lines)
    assert (index, words.startswith("failed to link")) == (1, True)
    assert len(rows(store, table)) == 2


@given(st.lists(st.sampled_from([b'{"n":1}', b'{"n":"x"}', b"x", b'{"n":2}']), max_size=6))
def test_the_quick_way_and_the_careful_way_agree(store: Store, lines: list[bytes]) -> None:
    """Together or one by one: the same rows land."""
    together, alone = made(store, n=INT), made(store, n=INT)
    refused = store.aito.insert_each(("", together), lines)
    one_by_one = [store.aito.insert_each(("", alone), [line]) for line in lines]
    assert refused == [(n, words) for n, one in enumerate(one_by_one) for _, words in one]
    assert rows(store, together) == rows(store, alone)
    store.aito.catalogue.drop("", [together, alone])


def inserts(store: Store, table: str, *rows: object) -> None:
    """Each row by itself, within one transaction."""
    with store.transaction():
        for row in rows:
            insert(store, table, row)


def test_a_failure_within_a_larger_transaction_leaves_the_rest(store: Store) -> None:
    """A part may fail by itself; what it did before is taken back."""
    table = made(store, n=INT)
    with store.transaction():
        insert(store, table, {"n": 1})
        with pytest.raises(Refused):
            inserts(store, table, {"n": 2}, {"n": "x"})
        inserts(store, table, {"n": 3})
    assert [row["n"] for row in rows(store, table)] == [1, 3]


def test_a_transaction_takes_its_parts_with_it(store: Store) -> None:
    """Those that were done, too."""
    table = made(store, n=INT)

    def doomed() -> None:
        with store.transaction():
            inserts(store, table, {"n": 1})
            raise LookupError

    with pytest.raises(LookupError):
        doomed()
    assert rows(store, table) == []


def modify(store: Store, *operations: object) -> dict[str, int]:
    """Operations of v1."""
    return store.aito.modify("", {"operations": list(operations)}, "v1")


def test_modify(store: Store) -> None:
    """Insert, update, upsert and delete, counted."""
    table = made(store, id=STRING, n={"type": "Int", "nullable": True})
    assert modify(
        store,
        {"into": table, "insert": {"id": "a", "n": 1}},
        {"into": table, "insert": [{"id": "b"}, {"id": "c"}]},
        {"update": table, "where": {"id": "a"}, "set": {"n": 5}},
        {"update": table, "where": {"id": "d"}, "set": {"n": 6}},
        {"update": table, "where": {"id": "e"}, "set": {"n": 7}, "upsert": True},
        {"update": table, "where": {"id": "e"}, "set": {"n": None}, "upsert": True},
        {"from": table, "delete": {"id": "b"}},
        {"optimize": table},
    ) == {"modifiedCount": 2, "insertedCount": 4, "deletedCount": 1}
    assert rows(store, table) == [{"id": "a", "n": 5}, {"id": "c"}, {"id": "e"}]
    assert store.aito.modify("", {"from": table, "delete": {}}, "v1")["deletedCount"] == 3


@pytest.mark.parametrize(
    "wrong",
    [{"update": "T", "where": {}, "set": {"n": "x"}}, {"update": "T", "where": {}, "set": {"m": 1}},
     {"update": "T", "where": {}, "set": {"id": None}}, {"into": "T", "insert": [5]},
     {"into": "T", "insert": {}}, {"update": "T", "where": {}}, {"drop": "T"}, {},
     {"from": "T", "delete": {"m": 1}}, {"optimize": "nowhere"}, {"optimize": 5},
     {"into": "T", "insert": {"id": "x"}, "more": 1}],
)  # fmt: skip
def test_modify_is_all_or_nothing(store: Store, wrong: dict[str, Any]) -> None:
    """What came before a wrong operation is taken back."""
    table = made(store, id=STRING, n={"type": "Int", "nullable": True})
    wrong = {key: table if value == "T" else value for key, value in wrong.items()}
    operations = [{"into": table, "insert": {"id": "a"}}, wrong]
    with pytest.raises(Refused):
        store.aito.modify("", {"operations": operations}, "v1")
    assert rows(store, table) == []


def test_v2s_modify_touches_no_rows(store: Store) -> None:
    """As its client's documentation says."""
    table = made(store, n=INT)
    assert store.aito.modify("", {"optimize": table}, "v2")["insertedCount"] == 0
    with pytest.raises(Refused) as refused:
        store.aito.modify("", {"into": table, "insert": {"n": 1}}, "v2")
    assert refused.value.where["code"] == "operation.unsupported"


def test_an_update_keeps_links(store: Store) -> None:
    """A value that the other table does not have is refused there too."""
    people = made(store, name=STRING)
    insert(store, people, {"name": "anne"})
    table = made(store, who={"type": "String", "link": f"{people}.name"})
    insert(store, table, {"who": "anne"})
    with pytest.raises(Refused, match="failed to link"):
        store.aito.modify("", {"update": table, "where": {}, "set": {"who": "bob"}}, "v1")
    assert rows(store, table) == [{"who": "anne"}]


def test_a_delete_that_takes_too_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is interrupted and taken back; the store goes on."""
    table = made(store, n=INT)
    insert(store, table, *({"n": n} for n in range(2000)))
    with monkeypatch.context() as patch:
        patch.setattr(query, "SECONDS", -1.0)
        patch.setattr(query, "_STEPS", 100)
        with pytest.raises(Refused, match="ran longer"):
            store.aito.delete(("", table), {"n": {"$gte": 0}})
    assert store.aito.query("", {"from": table, "limit": 0}, "v1")["total"] == 2000
    assert store.aito.delete(("", table), {"n": {"$gte": 1000}}) == 1000


def test_columns_are_told_apart_by_case(tmp_path: Path) -> None:
    """Names are names to the letter, and never SQL."""
    store = Store(tmp_path)
    names = ["a", "A", "select", "rowid", "c1", "'", "größe", "x" * 500]
    table = made(store, **{name: {"type": "Int", "nullable": True} for name in names})
    insert(store, table, {name: n for n, name in enumerate(names)})
    assert rows(store, table, where={"A": 1, "rowid": 3}) == [
        {name: n for n, name in enumerate(names)}
    ]
    assert rows(store, table, where={"a": 1}) == []
    store.close()
