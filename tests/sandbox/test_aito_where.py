"""A `where` picks the rows that its meaning, written down once more in Python, picks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox.aito_tables import table_of
from ingest.sandbox.aito_where import DEPTH, compiled
from ingest.sandbox.refusal import Refused

TABLE = table_of(
    {
        "columns": {
            "i": {"type": "Int", "nullable": True},
            "s": {"type": "String", "nullable": True},
            "b": {"type": "Boolean", "nullable": True},
            "d": {"type": "Decimal", "nullable": True},
            "j": {"type": "Json", "nullable": True},
            "a": {"type": "Int[]", "nullable": True},
        }
    },
    "v2",
)
NUMBERS = [None, -1, 0, 1, 2]
STRINGS = [None, "", "a", "B", "a'b", "%", "a\x00b"]
ROWS: list[dict[str, Any]] = [
    {"i": i, "s": s, "b": b, "d": d}
    for i in NUMBERS
    for s in STRINGS
    for b, d in ((None, None), (True, 1), (False, 1.5))
]
ORDER = {"$gt": "__gt__", "$gte": "__ge__", "$lt": "__lt__", "$lte": "__le__"}

VALUES = {
    "i": st.sampled_from(NUMBERS),
    "d": st.sampled_from([None, 1, 1.0, 1.5, 0]),
    "s": st.sampled_from(STRINGS),
    "b": st.sampled_from([None, True, False]),
}


def specs(name: str) -> st.SearchStrategy[Any]:
    """What may stand beside a column's name."""
    value = VALUES[name]
    ordered = st.dictionaries(st.sampled_from([*ORDER, "$is"]), value, max_size=2)
    return st.recursive(value | ordered, operators, max_leaves=4)


def operators(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The three that stand over conditions."""
    lists = st.lists(inner, max_size=3)
    return (
        st.fixed_dictionaries({"$and": lists})
        | st.fixed_dictionaries({"$or": lists})
        | st.fixed_dictionaries({"$not": inner})
    )


FIELDS = st.one_of([st.fixed_dictionaries({name: specs(name)}) for name in VALUES])
WHERE = st.recursive(
    FIELDS | st.fixed_dictionaries({}, optional={name: specs(name) for name in VALUES}),
    operators,
    max_leaves=6,
)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    """A database that holds `ROWS`, numbered from 0."""
    one = sqlite3.connect(":memory:")
    one.execute("CREATE TABLE t (n, c1, c2, c3, c4, c5, c6)")
    rows = ((n, *(row[name] for name in "isbd")) for n, row in enumerate(ROWS))
    one.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
    yield one
    one.close()


def picked(db: sqlite3.Connection, where: object) -> list[int]:
    """The numbers of the rows that SQLite picks."""
    condition = compiled(where, TABLE)
    return [n for (n,) in db.execute(f"SELECT n FROM t WHERE {condition.sql}", condition.values)]


def means(row: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a row is meant by a whole condition."""
    return all(
        over(key, value, lambda inner: means(row, inner))
        if key.startswith("$")
        else meant(row[key], value)
        for key, value in where.items()
    )


def meant(value: Any, spec: Any) -> bool:
    """Whether a value is meant by what stands beside its column's name."""
    if not isinstance(spec, dict):
        return bool(value == spec)
    return all(
        over(key, other, lambda inner: meant(value, inner))
        if key in {"$and", "$or", "$not"}
        else compared(value, key, other)
        for key, other in spec.items()
    )


def over(key: str, value: Any, inner: Any) -> bool:
    """`$and`, `$or` and `$not`."""
    if key == "$not":
        return not inner(value)
    return (all if key == "$and" else any)(map(inner, value))


def compared(value: Any, key: str, other: Any) -> bool:
    """Equality, or an order of which null is no part."""
    if key == "$is":
        return bool(value == other)
    if value is None or other is None:
        return False
    left, right = ((v.encode() if isinstance(v, str) else v) for v in (value, other))
    return bool(getattr(left, ORDER[key])(right) is True or _mixed(left, key, right))


def _mixed(left: Any, key: str, right: Any) -> bool:
    return isinstance(left, int | float) and getattr(float(left), ORDER[key])(float(right)) is True


@given(WHERE)
def test_a_condition_picks_what_it_means(db: sqlite3.Connection, where: dict[str, Any]) -> None:
    """Every form, nested in every other, null included."""
    assert picked(db, where) == [n for n, row in enumerate(ROWS) if means(row, where)]


@pytest.mark.parametrize("where", [None, {}, {"$and": []}, {"$not": {"$or": []}}])
def test_conditions_that_hold_for_all(db: sqlite3.Connection, where: object) -> None:
    """The empty ones."""
    assert len(picked(db, where)) == len(ROWS)


@pytest.mark.parametrize("number", [0, 1, 2, 5000])
def test_an_or_of_n(db: sqlite3.Connection, number: int) -> None:
    """Many ids in one condition, as an undo asks."""
    where = {"$or": [{"i": n} for n in range(number)]}
    assert picked(db, where) == [n for n, row in enumerate(ROWS) if row["i"] in range(number)]


@pytest.mark.parametrize("column", ["j", "a"])
def test_json_and_arrays_are_only_null_or_not(db: sqlite3.Connection, column: str) -> None:
    """Everything else about them is refused."""
    assert len(picked(db, {column: None})) == len(ROWS)
    with pytest.raises(Refused, match="it can't be"):
        compiled({column: 1}, TABLE)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ([], "must be an object"),
        ("i = 1", "must be an object"),
        ({"x": 1}, "field 'x' not found"),
        ({"s.t": 1}, "not found"),
        ({"$quux": 1}, "does not know the operator"),
        ({"s": {"$match": "a"}}, "does not know the operator"),
        ({"s": {"t": "a"}}, "does not know the operator"),
        ({"$or": {"i": 1}}, "needs a list"),
        ({"$and": [1]}, "must be an object"),
        ({"i": "1"}, "it can't be"),
        ({"i": True}, "it can't be"),
        ({"b": 1}, "it can't be"),
        ({"s": 1}, "it can't be"),
        ({"i": [1]}, "it can't be"),
        ({"i": {"$gt": "1"}}, "it can't be"),
        ({"i": 2**63}, "it can't be"),
    ],
)
def test_what_is_refused(where: object, words: str) -> None:
    """By name, as a 400."""
    with pytest.raises(Refused, match=words) as refused:
        compiled(where, TABLE)
    assert refused.value.status == 400


def nested(depth: int) -> dict[str, Any]:
    """`$not` over `$not`, that many, over a field."""
    where: dict[str, Any] = {"i": 1}
    for _ in range(depth):
        where = {"$not": where}
    return where


def test_depth_is_bounded(db: sqlite3.Connection) -> None:
    """What the bound allows, SQLite takes."""
    assert picked(db, nested(DEPTH - 2)) == picked(db, {"i": 1})
    for depth in (DEPTH + 1, 900):
        with pytest.raises(Refused, match="nested deeper"):
            compiled(nested(depth), TABLE)


def test_a_lenient_one_notes_what_it_leaves_out(db: sqlite3.Connection) -> None:
    """The rest of the condition still holds."""
    condition = compiled({"x": 1, "i": 1, "y": {"$gt": 2}}, TABLE, lenient=True)
    assert condition.unknown == ["x", "y"]
    found = db.execute(f"SELECT count(*) FROM t WHERE {condition.sql}", condition.values).fetchone()
    assert found == (len(picked(db, {"i": 1})),)
