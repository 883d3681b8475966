"""The schema's endpoints: shapes, which the client checks to the key, and refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.aito_calls import INT, STRING, Aito, said, speaking
from tests.sandbox.conftest import Running

COLUMNS = {
    "id": {"type": "Int", "nullable": False},
    "tags": {"type": "Text", "nullable": True, "analyzer": "whitespace"},
}


@pytest.fixture(params=["/api/v1", "/api/v2", "/db/schema/api/v1", "/db/schema/api/v2"])
def aito(sandbox: Running, request: pytest.FixtureRequest) -> Iterator[Aito]:
    """A client of each version and kind of database."""
    with speaking(sandbox, request.param) as one:
        yield one


@pytest.fixture
def v1(sandbox: Running) -> Iterator[Aito]:
    """A client of v1, in a database of its own."""
    with speaking(sandbox, "/db/schema-v1/api/v1") as one:
        yield one


@pytest.fixture
def v2(sandbox: Running) -> Iterator[Aito]:
    """A client of v2, in the same."""
    with speaking(sandbox, "/db/schema-v1/api/v2") as one:
        yield one


def test_a_table_is_described_as_it_was_made(aito: Aito) -> None:
    """By itself, within the whole and by column; then it is gone."""
    table = aito.made(**COLUMNS)
    described = {"type": "table", "columns": COLUMNS}
    assert aito.get(f"schema/{table}").json() == described
    whole = aito.get("schema").json()
    assert whole.keys() == {"schema"}
    assert whole["schema"][table] == described
    assert aito.get(f"schema/{table}/tags").json() == COLUMNS["tags"]
    assert aito.delete(f"schema/{table}").json() == {"deleted": [table]}
    assert said(aito.get(f"schema/{table}"), 404) == f"No such table: {table}"
    assert said(aito.delete(f"schema/{table}"), 404) == f"No such table: {table}"


def test_what_a_put_answers(v1: Aito, v2: Aito) -> None:
    """v1 the table, v2 what became of it."""
    payload = {"type": "table", "columns": COLUMNS}
    assert v1.put("schema/put", payload).json() == payload
    assert v2.put("schema/put", payload).json() == {
        "status": "created",
        "table": "put",
        "type": "table",
    }
    made = v2.put("schema/made", {"type": "collection", "columns": COLUMNS}).json()
    assert made["type"] == "collection"
    assert v2.get("schema/made").json()["type"] == "collection"
    assert v1.get("schema/made").json()["type"] == "table"
    assert v1.put("schema", {"schema": {"put": payload}}).json() == {"schema": {"put": payload}}


def test_replacing_a_table_with_rows(v1: Aito, v2: Aito) -> None:
    """Is a 400 with the service's words; in v2 with a code."""
    table = v1.made(n=INT)
    assert v1.put(f"schema/{table}", {"columns": {"s": STRING}}).status_code == 200
    v1.batch(table, {"s": "x"})
    payload = {"type": "table", "columns": {"n": INT}}
    assert said(v1.put(f"schema/{table}", payload), 400).startswith(f"Cannot replace table {table}")
    assert said(v2.put(f"schema/{table}", payload), 400, "table.exists")
    assert said(v1.put("schema", {"schema": {table: payload}}), 400)


def test_columns(v1: Aito, v2: Aito) -> None:
    """Added, described, dropped; on rows a new one must be nullable."""
    table = v1.made(n=INT)
    optional = {"type": "String", "nullable": True}
    assert v1.put(f"schema/{table}/s", optional).json() == optional
    v1.batch(table, {"n": 1, "s": "x"})
    assert said(v1.put(f"schema/{table}/t", STRING), 400)
    assert said(v2.put(f"schema/{table}/t", STRING), 400, "schema.column_update_failed")
    assert v1.put(f"schema/{table}/t", optional).status_code == 200
    assert v1.delete(f"schema/{table}/s").json() == {"deleted": ["s"]}
    assert v1.rows(table) == [{"n": 1}]
    assert said(v1.get(f"schema/{table}/s"), 404) == f"No such column: {table}.s"
    assert said(v1.delete(f"schema/{table}/s"), 404)


def test_long_is_v2s(v1: Aito, v2: Aito) -> None:
    """In v1 it is an unknown type, wherever it stands."""
    payload = {"type": "table", "columns": {"n": {"type": "Long"}}}
    assert "unknown type" in said(v1.put("schema/long", payload), 400)
    assert v2.put("schema/long", payload).status_code == 200
    v2.batch("long", {"n": 2**63 - 1})
    assert v2.rows("long") == [{"n": 2**63 - 1}]
    assert said(v1.put("schema/long/m", {"type": "Long", "nullable": True}), 400)


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ("schema/a.b", {"columns": {"n": INT}}),
        ("schema/a b", {"columns": {"n": INT}}),
        ("schema/a$b", {"columns": {"n": INT}}),
        ('schema/a"b', {"columns": {"n": INT}}),
        ("schema/t", {"columns": {"a.b": INT}}),
        ("schema/t", {"columns": {"": INT}}),
        ("schema/t", {"columns": {}}),
        ("schema/t", []),
        ("schema/t", {"columns": {"n": {"type": "String", "link": "nowhere.n"}}}),
        ("schema", {"columns": {}}),
        ("schema", {"schema": []}),
        ("schema", {"schema": {"a.b": {"columns": {"n": INT}}}}),
        ("schema", {"schema": {}, "more": 1}),
    ],
)
def test_what_is_refused(v1: Aito, v2: Aito, path: str, payload: object) -> None:
    """As a 400, flat in v1 and with a code in v2; nothing is made."""
    before = v1.get("schema").json()
    assert said(v1.put(path, payload), 400)
    answer = v2.put(path, payload)
    assert said(answer, 400, answer.json()["data"]["code"])
    assert v1.get("schema").json() == before


def test_the_whole_schema_goes(sandbox: Running) -> None:
    """Linked tables too; of one database alone."""
    with speaking(sandbox, "/db/gone/api/v1") as gone, speaking(sandbox) as kept:
        table = kept.made(n=INT)
        people = gone.made(name=STRING)
        orders = gone.made(who={**STRING, "link": f"{people}.name"})
        assert said(gone.delete(f"schema/{people}"), 400)
        assert gone.delete("schema").json() == {"deleted": [people, orders]}
        assert gone.get("schema").json() == {"schema": {}}
        assert kept.get(f"schema/{table}").status_code == 200
