"""Avalanchio's own ways: bodies, paths, upserts. What every target owes is in `test_contract`."""

from __future__ import annotations

import orjson
import pytest

from ingest.errors import Ambiguous, Retryable, SettingsError, StoppedByService, TargetError
from ingest.model import Column, Limits, Schema
from ingest.protocols import TableWish
from ingest.targets.avalanchio import (
    LIMITS,
    AvalanchioTarget,
    check_upsert_key,
    request_headers,
    with_key,
)
from ingest.wire import CallError, Secret, Timeouts, Wire
from tests.batches import made_batch
from tests.fake_server import FakeServer, answer, replay, response

TOKEN = Secret("tok-0123456789")
NAMES = TableWish("t", {}, (Column("email", "Email"), Column("age", "Bigint")))


def target_at(base_url: str, table: str = "t", **more) -> AvalanchioTarget:
    """A target whose small calls are not repeated."""
    token = more.pop("token", TOKEN)
    wire = Wire(base_url, request_headers(token), Timeouts(calls_s=0))
    return AvalanchioTarget(wire, table, **more)


@pytest.mark.parametrize(
    ("upsert_key", "body"),
    [
        (None, b'{"records":[{"a":1},\n{"a":2}]}'),
        ("email", b'{"records":[{"a":1},\n{"a":2}],"upsert_key":"email"}'),
        ('o"k', b'{"records":[{"a":1},\n{"a":2}],"upsert_key":"o\\"k"}'),
    ],
)
def test_a_body_is_framed_as_published(upsert_key, body):
    """Records, and the upsert key behind them."""
    envelope = target_at("http://127.0.0.1:1", upsert_key=upsert_key).envelope
    batch = made_batch(envelope, [{"a": 1}, {"a": 2}])
    assert b"".join(batch.body) == body
    assert batch.size_bytes == len(body)
    orjson.loads(body)


@pytest.mark.parametrize("table", ["", ".", ".."])
def test_a_table_that_no_path_can_hold_is_refused(table):
    """Before anything is sent."""
    with pytest.raises(SettingsError, match="can't be a name"):
        target_at("http://127.0.0.1:1", table)


@pytest.mark.anyio
@pytest.mark.parametrize("table", ["stock", "a/b", "../x", "ä ö", "q?x=1#f", "50%"])
async def test_a_table_is_one_segment_of_every_path(table):
    """Percent-encoded, whatever it is called."""
    described = response(200, b'{"columns":[]}')
    made = response(200, b'{"count":1}')
    with FakeServer(replay(described, made)) as server:
        target = target_at(server.base_url, table)
        async with target.opened():
            await target.describe()
            await target.send(made_batch(target.envelope, [{"a": 1}]))
    paths = [request.line.split(" ")[1] for request in server.requests]
    prefixes = ["/api/v1/schema/describe-table/", "/api/v1/tables/"]
    for path, prefix in zip(paths, prefixes, strict=True):
        assert path.startswith(prefix)
        assert not set("/?# ") & set(path.removeprefix(prefix))
    assert {request.headers["authorization"] for request in server.requests} == {
        "Bearer tok-0123456789"
    }


@pytest.mark.anyio
async def test_creating_passes_properties_through(sandbox, table):
    """Of the table and of its columns, as they are."""
    columns = (
        Column("day", "Date", indexed=True),
        Column("kind", "Picklist", properties={"picklist_items": ["a", "b"]}),
    )
    wish = TableWish(table, {"skip_audit_fields": True, "time_column": "day"}, columns)
    target = target_at(sandbox, table, token=Secret("sandbox"))
    async with target.opened():
        live = await target.ensure(wish)
    assert live.properties == {"skip_audit_fields": True, "time_column": "day"}
    assert live.column("day") == Column("day", "Date", indexed=True)
    assert live.column("kind") == columns[1]


@pytest.mark.anyio
async def test_only_missing_columns_are_sent_to_an_existing_table():
    """A property of a column that is there may have been changed by hand: it is left alone."""
    before = {"columns": [{"name": "email", "type": "Text"}]}
    after = {"columns": [*before["columns"], {"name": "age", "type": "Bigint"}]}
    replies = [response(200, orjson.dumps(a)) for a in (before, {}, after)]
    with FakeServer(replay(*replies)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            live = await target.ensure(NAMES)
    first, second, third = server.requests
    assert second.line == "POST /api/v1/schema/tables/t/columns HTTP/1.1"
    assert orjson.loads(bytes(second.body)) == {"columns": [{"name": "age", "type": "Bigint"}]}
    assert first.line == third.line
    assert [column.name for column in live.columns] == ["email", "age"]


@pytest.mark.anyio
async def test_columns_that_do_not_appear_are_an_error():
    """The service said yes and did nothing."""
    same = response(200, b'{"columns":[{"name":"email","type":"Text"}]}')
    with FakeServer(replay(same, response(200, b"{}"), same)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match="still lacks age"):
                await target.ensure(NAMES)


@pytest.mark.anyio
async def test_a_table_that_does_not_appear_is_an_error():
    """The same for a whole table."""
    gone = response(404, b"{}")
    with FakeServer(replay(gone, response(200, b"{}"), gone)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match="still not there"):
                await target.ensure(NAMES)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "error"), [(401, SettingsError), (403, SettingsError), (500, StoppedByService),
                          (400, CallError)]
)  # fmt: skip
async def test_only_404_means_that_there_is_no_table(status, error):
    """Any other refusal to describe is not taken for absence: that would create."""
    with FakeServer(answer(status, b'{"message":"no"}')) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(error):
                await target.ensure(NAMES)
    assert all(request.line.startswith("GET ") for request in server.requests)


@pytest.mark.anyio
async def test_an_upsert_changes_what_is_there(sandbox, table):
    """The key column is made indexed and unique; the second batch updates by it."""
    target = target_at(sandbox, table, token=Secret("sandbox"), upsert_key="email")
    people = [{"email": f"{i}@x.example", "age": i} for i in range(3)]
    older = [{"email": p["email"], "age": 50} for p in people[:2]]
    async with target.opened():
        live = await target.ensure(TableWish(table, {}, NAMES.columns))
        await target.send(made_batch(target.envelope, people))
        assert (await target.send(made_batch(target.envelope, older))).taken in (2, None)
        rows = await target.query(f"select age from {table} order by email")
        assert await target.count() == 3
    assert Column("email", "Email", unique=True, indexed=True) in live.columns
    assert [row["age"] for row in rows] == [50, 50, 2]


@pytest.mark.anyio
async def test_an_upsert_key_is_added_indexed_and_unique(sandbox, table):
    """To a table that lacks the column."""
    plain = target_at(sandbox, table, token=Secret("sandbox"))
    async with plain.opened():
        await plain.ensure(TableWish(table, {}, (Column("age", "Bigint"),)))
    keyed = target_at(sandbox, table, token=Secret("sandbox"), upsert_key="email")
    async with keyed.opened():
        live = await keyed.ensure(TableWish(table, {}, NAMES.columns))
    assert Column("email", "Email", unique=True, indexed=True) in live.columns


@pytest.mark.anyio
async def test_a_live_key_that_is_not_unique_is_refused(sandbox, table):
    """The job can't mend it: a live column is never changed."""
    plain = target_at(sandbox, table, token=Secret("sandbox"))
    keyed = target_at(sandbox, table, token=Secret("sandbox"), upsert_key="email")
    wish = TableWish(table, {}, NAMES.columns)
    async with plain.opened():
        await plain.ensure(wish)
    async with keyed.opened():
        with pytest.raises(SettingsError, match="is not indexed and unique"):
            await keyed.ensure(wish)


@pytest.mark.parametrize(
    ("indexed", "unique", "words"),
    [(True, False, "not unique"), (False, True, "not indexed"), (False, False, "not indexed and")],
)
def test_what_an_upsert_key_lacks_is_named(indexed, unique, words):
    """Exactly that."""
    schema = Schema("t", (Column("k", "Text", indexed=indexed, unique=unique),))
    with pytest.raises(SettingsError, match=words):
        check_upsert_key(schema, "k")
    with pytest.raises(SettingsError, match="no column"):
        check_upsert_key(schema, "other")
    check_upsert_key(schema, None)


def test_an_upsert_key_must_be_wished_for():
    """With a new table it must be one of the fields."""
    with pytest.raises(SettingsError, match="no column of the table"):
        with_key(NAMES, "phone")
    assert with_key(NAMES, None) is NAMES


@pytest.mark.anyio
async def test_a_key_word_for_a_table_is_counted_all_the_same(sandbox):
    """Its name is quoted."""
    target = target_at(sandbox, "order", token=Secret("sandbox"))
    async with target.opened():
        await target.ensure(TableWish("order", {}, (Column("n", "Bigint"),)))
        before = await target.count()
        await target.send(made_batch(target.envelope, [{"n": 1}]))
        assert (before is not None, await target.count()) == (True, (before or 0) + 1)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("rows", "count"),
    [(b'{"rows":[{"n":3}]}', 3), (b'{"columns":["count(*)"],"rows":[[0]]}', 0), (b"[]", None),
     (b'[{"n":"3"}]', None), (b'[{"n":null}]', None), (b"[{}]", None)],
)  # fmt: skip
async def test_a_count_is_a_number_or_unknown(rows, count):
    """Never a guess."""
    with FakeServer(answer(200, rows)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            assert await target.count() == count
    sent = orjson.loads(bytes(server.requests[0].body))
    assert sent == {"statement": "select count(*) as n from t"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "kind", "pause_s"),
    [(answer(429, b"", None, {"Retry-After": "9"}), Retryable, 9), (answer(500), Ambiguous, None)],
)
async def test_trouble_comes_through_as_it_is(script, kind, pause_s):
    """One attempt, no retry of its own."""
    with FakeServer(script) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(kind) as caught:
                await target.send(made_batch(target.envelope, [{"a": 1}]))
    assert caught.value.retry_after_s == pause_s
    assert len(server.requests) == 1


@pytest.mark.anyio
async def test_full_bodies_are_taken(sandbox, table):
    """10,000 records in one request, the most that the service documents."""
    target = target_at(sandbox, table, token=Secret("sandbox"), limits=Limits())
    assert target.envelope.limits == LIMITS
    async with target.opened():
        await target.ensure(TableWish(table, {}, (Column("n", "Bigint"),)))
        records = [{"n": i} for i in range(LIMITS.records)]
        assert (await target.send(made_batch(target.envelope, records))).taken == LIMITS.records


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("low", "high", "count"),
    [(1, 10, 10), (1, 1, 1), (10, 12, 1), (0, 0, 0), (11, 2**62, 0), (5, 4, 0),
     (-(2**62), 2**62, 10)],
)  # fmt: skip
async def test_a_range_of_ids_is_counted_with_its_bounds(sandbox, table, low, high, count):
    """Both included; nothing in a range that ends before it begins."""
    target = target_at(sandbox, table, token=Secret("sandbox"))
    async with target.opened():
        await target.ensure(TableWish(table, {}, (Column("n", "Bigint"),)))
        await target.send(made_batch(target.envelope, [{"id": i} for i in range(1, 11)]))
        assert await target.count_range("id", low, high) == count


@pytest.mark.anyio
@pytest.mark.parametrize(("ranges", "queries"), [(0, 0), (1, 1), (2, 1), (100, 1), (101, 2)])
async def test_many_ranges_are_few_queries(ranges, queries):
    """And no condition is deeper than a database bears."""
    with FakeServer(answer(200, b'{"rows":[{"n":7}]}')) as server:
        target = target_at(server.base_url)
        async with target.opened():
            wanted = [(10 * i, 10 * i + 5) for i in range(ranges)]
            assert await target.count_ranges("id", wanted) == 7 * queries
    said = [orjson.loads(bytes(request.body))["statement"] for request in server.requests]
    assert len(said) == queries
    assert sum(statement.count("between") for statement in said) == ranges


@pytest.mark.anyio
async def test_many_ranges_are_counted_as_one(sandbox, table):
    """Every other id, over several queries."""
    target = target_at(sandbox, table, token=Secret("sandbox"))
    async with target.opened():
        await target.ensure(TableWish(table, {}, (Column("n", "Bigint"),)))
        await target.send(made_batch(target.envelope, [{"id": i} for i in range(500)]))
        assert await target.count_ranges("id", [(i, i) for i in range(0, 600, 2)]) == 250


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("column", "value", "where"),
    [("stamp", "r:1", "stamp = 'r:1'"), ("n", -5, "n = -5"), ("order", "x", '"order" = \'x\''),
     ("s", "x' OR '1'='1", "s = 'x'' OR ''1''=''1'"), ('a"b', "%", '"a""b" = \'%\'')],
)  # fmt: skip
async def test_a_value_is_asked_for_in_quotes(column, value, where):
    """Names and values by the two functions that may."""
    with FakeServer(answer(200, b'{"rows":[{"n":3}]}')) as server:
        target = target_at(server.base_url)
        async with target.opened():
            assert await target.count_where(column, value) == 3
    sent = orjson.loads(bytes(server.requests[0].body))
    assert sent == {"statement": f"select count(*) as n from t where {where}"}


@pytest.mark.anyio
@pytest.mark.parametrize(("column", "value"), [("s", "a\\' or 1=1"), ("s", "\0"), ("a\\", "x")])
async def test_what_can_not_be_asked_safely_is_not_asked(column, value):
    """Nothing goes out."""
    with FakeServer(answer(200, b"{}")) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match="can't stand in a query"):
                await target.count_where(column, value)
    assert server.requests == []


@pytest.mark.anyio
@pytest.mark.parametrize("rows", [b"[]", b'[{"n":"3"}]', b'[{"n":null}]', b'[{"n":true}]'])
async def test_a_count_of_some_rows_is_never_a_guess(rows):
    """An answer that is no number is an error, not nothing."""
    with FakeServer(answer(200, rows)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match="unknown shape"):
                await target.count_where("s", "x")
