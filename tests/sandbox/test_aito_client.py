"""The service's own client, unchanged: it checks shapes that nobody publishes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.sandbox.conftest import Running, Start, running

v1 = pytest.importorskip("aito.v1", reason="the service's client (PyPI aitoai) is not installed")
v2 = pytest.importorskip("aito.v2", reason="the service's client (PyPI aitoai) is not installed")
api: Any = pytest.importorskip("aito.v1.api", reason="the service's client is not installed")

NUMBERS = count()
SCHEMA = {
    "type": "table",
    "columns": {
        "id": {"type": "Int", "nullable": False},
        "name": {"type": "String", "nullable": True},
        "tags": {"type": "Text", "nullable": True, "analyzer": "whitespace"},
        "price": {"type": "Decimal", "nullable": True},
        "flags": {"type": "Boolean[]", "nullable": True},
        "more": {"type": "Json", "nullable": True},
    },
}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client asks the environment, which may send loopback to a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of these tests' own: v1's client can't read a schema with another's Long in it."""
    with running(tmp_path_factory.mktemp("client")) as one:
        yield one


@pytest.fixture(params=["", "/db/client"])
def client(sandbox: Running, request: pytest.FixtureRequest) -> Any:
    """v1's client at the root and in a multitenant database."""
    return v1.AitoClient(sandbox.url + request.param, "sandbox")


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    """A table with a name of its own."""
    name = f"client{next(NUMBERS)}"
    api.create_table(client, name, SCHEMA)
    yield name
    api.delete_table(client, name)
    assert not api.check_table_exists(client, name)


def entries(number: int) -> list[dict[str, Any]]:
    """That many rows, some of them with everything."""
    full = {"name": "anne", "tags": "london 20s", "price": 1.5, "flags": [True], "more": {"a": [1]}}
    return [{"id": n} | (full if n % 3 else {}) for n in range(number)]


def test_a_table_comes_back_as_it_was_made(client: Any, table: str) -> None:
    """The client parses the schema strictly and compares it whole."""
    assert table in api.get_existing_tables(client)
    described = api.get_table_schema(client, table)
    assert described == v1_schema(SCHEMA)
    assert described.to_json_serializable() == SCHEMA
    assert api.get_column_schema(client, table, "tags").to_json_serializable() == {
        "type": "Text",
        "nullable": True,
        "analyzer": "whitespace",
    }


def v1_schema(payload: dict[str, Any]) -> Any:
    """The client's own object for a table."""
    from aito.schema import AitoTableSchema  # noqa: PLC0415 - it may not be installed

    return AitoTableSchema.from_deserialized_object(payload)


@pytest.mark.parametrize("number", [1, 2, 250])
def test_upload_and_read_back(client: Any, table: str, number: int) -> None:
    """In batches, with the optimize job behind them; counted and read in pages."""
    api.upload_entries(client, table, iter(entries(number)), batch_size=100)
    assert api.get_table_size(client, table) == number
    assert api.query_all_entries(client, table, batch_size=70) == entries(number)
    assert api.query_entries(client, table) == entries(number)[:10]
    chosen = api.query_entries(client, table, offset=1, limit=1, select=["id"])
    assert chosen == [{"id": 1}][: number - 1]


@pytest.mark.parametrize("use_job", [False, True])
def test_delete_and_optimize(client: Any, table: str, use_job: bool, caplog: Any) -> None:
    """By a condition, at once and as a job; the client only logs what fails."""
    api.upload_entries(client, table, entries(10), optimize_on_finished=False)
    api.delete_entries(client, {"from": table, "where": {"id": {"$gte": 4}}}, use_job=use_job)
    api.optimize_table(client, table, use_job=use_job)
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == []
    assert api.query_entries(client, table) == entries(4)


def test_modify(client: Any, table: str) -> None:
    """The client's fluent operations, atomically."""
    from aito.v1.requests import Delete, Insert, Update  # noqa: PLC0415 - it may not be installed

    answer = api.modify(
        client,
        [
            Insert(table, [{"id": 1}, {"id": 2}]),
            Update(table).where({"id": 1}).set({"name": "x"}),
            Update(table).where({"id": 3}).set({"name": "y"}).upsert(),
            Delete(table, {"id": 2}),
        ],
    )
    counts = (answer.inserted_count, answer.modified_count, answer.deleted_count)
    assert counts == (3, 1, 1)
    assert api.query_entries(client, table) == [{"id": 1, "name": "x"}, {"id": 3, "name": "y"}]


def test_columns_and_the_whole_schema(client: Any, table: str) -> None:
    """Added, dropped, and the database read as one."""
    api.create_column(client, table, "extra", {"type": "String", "nullable": True})
    assert api.get_table_schema(client, table).has_column("extra")
    api.delete_column(client, table, "extra")
    assert api.get_database_schema(client)[table] == v1_schema(SCHEMA)


def test_a_refused_batch_is_lost_by_the_client(client: Any, table: str) -> None:
    """The sandbox refuses it whole; the client goes on with the next, as the real one does."""
    rows: list[dict[str, Any]] = [{"id": 1}, {"id": "2"}, {"id": 3}, {"id": 4}]
    api.upload_entries(client, table, rows, batch_size=2, optimize_on_finished=False)
    assert api.query_entries(client, table) == [{"id": 3}, {"id": 4}]


def test_a_contended_write_is_sent_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the client itself, which knows it by its code, after the time it was told."""
    waited: list[float] = []
    monkeypatch.setattr("aito.v1.client.time.sleep", waited.append)
    client = v1.AitoClient(start("--fault", "contention:first2").url, "sandbox")
    api.create_table(client, "contended", SCHEMA)
    api.upload_entries(client, "contended", entries(3), optimize_on_finished=False)
    assert api.query_entries(client, "contended") == entries(3)
    assert len(waited) == 2
    assert min(waited) >= 1


def test_a_wrong_key_is_noticed(sandbox: Running) -> None:
    """At the client's first two calls."""
    with pytest.raises(v1.client.Error, match="check your credentials"):
        v1.AitoClient(sandbox.url, "wrong")


@pytest.mark.parametrize("base", ["", "/db/client"])
def test_the_client_of_v2(sandbox: Running, base: str) -> None:
    """A collection made, filled, asked, emptied and deleted; errors by code."""
    client = v2.AitoClientV2(sandbox.url + base, "sandbox")
    name = f"collection{next(NUMBERS)}"
    columns = {"id": {"type": "Long"}, "name": {"type": "String", "nullable": True}}
    created = client.create_collection(name, columns)
    assert created == {"status": "created", "table": name, "type": "collection"}
    rows = [{"id": 2**53 + n, "name": "x"} for n in range(25)]
    assert client.upload_entries(name, rows, batch_size=10) == 25
    assert client.optimize(name)
    assert client.modify([{"optimize": name}])
    found = client.search(name, where={"name": "x"}, limit=30)
    assert (found.total, [hit.json for hit in found.hits]) == (25, rows)
    assert client.query({"from": name, "limit": 0}).total == 25
    assert client.delete_entries(name, {"id": {"$gt": 2**53}})
    assert client.query({"from": name}).first.json == rows[0]
    with pytest.raises(v2.AitoV2Error) as refused:
        client.upload_entries(name, [{"id": "1"}])
    assert (refused.value.status_code, refused.value.code) == (400, "data.bad_request")
    assert client.delete_collection(name)
    with pytest.raises(v2.AitoV2Error) as missing:
        client.get_schema(name)
    assert (missing.value.is_not_found, missing.value.code) == (True, None)
    with pytest.raises(v2.AitoV2Error) as missing:
        client.query({"from": name})
    assert missing.value.code == "not_found"
    assert client.get_version()["version"]
    client._session.close()
