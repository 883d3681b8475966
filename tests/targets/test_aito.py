"""aito's own ways: bodies, paths, schemas, errors. What every target owes is in `test_contract`."""

from __future__ import annotations

import orjson
import pytest

from ingest.errors import (
    Ambiguous,
    IngestError,
    NotFound,
    Permanent,
    QuotaExceeded,
    Retryable,
    SettingsError,
    StoppedByService,
    TargetError,
    TooLarge,
    Unauthorized,
)
from ingest.model import Column, Limits
from ingest.protocols import TableWish
from ingest.targets.aito import LIMITS, AitoSettings, request_headers
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_stream import AitoStreamTarget
from ingest.wire import CallError, Secret, Senses, Timeouts, Wire
from tests.batches import made_batch, made_slice
from tests.fake_server import FakeServer, answer, replay, response

KEY = Secret("key-0123456789")
WAYS = {"batch": AitoBatchTarget, "stream": AitoStreamTarget}
V2 = AitoSettings("v2")
WISH = TableWish("t", {}, (Column("n", "Int"), Column("s", "String")))
DOWN = "http://127.0.0.1:1"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Each way in turn."""
    return str(request.param)


def target_at(base_url: str, table: str = "t", way: str = "batch", **more):
    """A target whose small calls are not repeated."""
    wire = Wire(base_url, request_headers(more.pop("key", KEY)), Timeouts(calls_s=0))
    return WAYS[way](wire, table, **more)


def table_of(**columns: str) -> bytes:
    """A schema answer: columns by name and type."""
    described = {name: {"type": kind, "nullable": True} for name, kind in columns.items()}
    return response(200, orjson.dumps({"type": "table", "columns": described}))


def said(request) -> object:
    """A request's JSON."""
    return orjson.loads(bytes(request.body))


GONE = response(404, b'{"message":"No such table: t","status":404}')
DONE = response(200, b"{}")


@pytest.mark.parametrize(
    ("way", "body"), [("batch", b'[{"a":1},\n{"a":2}]'), ("stream", b'{"a":1}\n{"a":2}\n')]
)
def test_a_body_is_framed_as_published(way, body):
    """An array, or a line each."""
    envelope = target_at(DOWN, way=way).envelope
    batch = made_batch(envelope, [{"a": 1}, {"a": 2}])
    assert b"".join(batch.body) == body
    assert batch.size_bytes == len(body)


@pytest.mark.parametrize("records", [0, 1, 2, 5])
@pytest.mark.parametrize("spare_bytes", [-1, 0, 1])
def test_a_body_is_as_full_as_its_limits_allow(way, records, spare_bytes):
    """To the byte, with the framing of the way."""
    part = made_slice(
        [{"a": i} for i in range(records)], target_at(DOWN, way=way).envelope.record_end
    )
    framing = {"batch": 2 - len(b",\n") if records else 2, "stream": 0}[way]
    limits = Limits(10, part.size_bytes + framing + spare_bytes)
    body = target_at(DOWN, way=way, limits=limits).envelope.open()
    assert body.fits(part) == max(0, records - (spare_bytes < 0))
    counted = target_at(DOWN, way=way, limits=Limits(max(records, 1))).envelope.open()
    assert counted.fits(part) == records


@pytest.mark.parametrize("table", ["", "a/b", "a b", "a.b", '"', "$t"])
def test_a_table_that_the_service_can_not_have_is_refused(way, table):
    """Before anything is sent."""
    with pytest.raises(SettingsError, match="the table name"):
        target_at(DOWN, table, way)


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/db/x/api/v2"])
def test_a_base_url_with_the_apis_own_path_is_refused(path):
    """It would be there twice."""
    with pytest.raises(SettingsError, match="the API's own path"):
        target_at(DOWN + path)


@pytest.mark.anyio
@pytest.mark.parametrize("base", ["", "/db/mine"])
@pytest.mark.parametrize(("settings", "api"), [(AitoSettings(), "/api/v1"), (V2, "/api/v2")])
async def test_every_path_comes_behind_the_base_url(way, base, settings, api):
    """A shared instance's database, too; the table is one segment, the key a header."""
    answers = [table_of(n="Int"), DONE, response(200, b'{"total":3,"hits":[]}'), DONE]
    with FakeServer(replay(*answers)) as server:
        settings = AitoSettings(settings.api, optimize=True)
        target = target_at(server.base_url + base, "größe", way, settings=settings)
        async with target.opened():
            assert await target.describe()
            await target.send(made_batch(target.envelope, [{"n": 1}]))
            assert await target.count() == 3
            assert "merged" in (await target.tidy() or "")
    name, api = "gr%C3%B6%C3%9Fe", base + api
    assert [request.line for request in server.requests] == [
        f"GET {api}/schema/{name} HTTP/1.1",
        f"POST {api}/data/{name}/{way} HTTP/1.1",
        f"POST {api}/_query HTTP/1.1",
        f"POST {api}/data/{name}/optimize HTTP/1.1",
    ]
    assert {request.headers["x-api-key"] for request in server.requests} == {"key-0123456789"}
    kind = {"batch": "application/json", "stream": "application/x-ndjson"}[way]
    assert server.requests[1].headers["content-type"] == kind
    assert said(server.requests[2]) == {"from": "größe", "limit": 0}
    assert said(server.requests[3]) == {}


def test_a_target_is_shown_with_its_database_and_way(way):
    """Several databases share a host."""
    shown = target_at("https://shared.aito.ai/db/mine", "t", way).shown
    assert shown == f"aito shared.aito.ai/db/mine table t via {way}"


@pytest.mark.anyio
async def test_a_new_table_has_nullable_columns(way):
    """In one request, after looking; then it is looked at again."""
    with FakeServer(replay(GONE, DONE, table_of(n="Int", s="String"))) as server:
        target = target_at(server.base_url, way=way)
        async with target.opened():
            live = await target.ensure(WISH)
    _, put, _ = server.requests
    assert put.line == "PUT /api/v1/schema/t HTTP/1.1"
    assert said(put) == {
        "type": "table",
        "columns": {
            "n": {"type": "Int", "nullable": True},
            "s": {"type": "String", "nullable": True},
        },
    }
    assert [column.name for column in live.columns] == ["n", "s"]


@pytest.mark.anyio
@pytest.mark.parametrize("lacking", [0, 1, 2])
async def test_missing_columns_are_added_one_by_one(lacking):
    """Those that are there are left alone; without any nothing is changed."""
    kinds = {"n": "Int", "s": "String"}
    there = dict(list(kinds.items())[: 2 - lacking])
    answers = [table_of(**there), *[DONE] * lacking, table_of(**kinds)]
    with FakeServer(replay(*answers)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            live = await target.ensure(WISH)
    puts = [request for request in server.requests if request.line.startswith("PUT")]
    assert [put.line.split()[1] for put in puts] == [
        f"/api/v1/schema/t/{name}" for name in kinds if name not in there
    ]
    assert all(
        said(put) == {"type": kinds[put.line.split()[1][-1]], "nullable": True} for put in puts
    )
    assert len(server.requests) == (1 if lacking == 0 else 2 + lacking)
    assert [column.name for column in live.columns] == ["n", "s"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wish",
    [TableWish("t", {"x": 1}, ()), TableWish("t", {}, (Column("a.b", "Int"),)),
     TableWish("t", {}, (Column("n", "Int", unique=True),))],
)  # fmt: skip
async def test_a_wish_that_can_not_be_is_refused_before_anything_is_sent(wish):
    """Not even looked for."""
    with FakeServer(replay(GONE)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(SettingsError):
                await target.ensure(wish)
    assert server.requests == []


@pytest.mark.anyio
async def test_a_required_column_is_not_added_to_a_live_table():
    """Nothing is changed, not even by the columns that could be added."""
    wish = TableWish("t", {}, (Column("s", "String"), Column("m", "Int", required=True)))
    with FakeServer(replay(table_of(n="Int"))) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(SettingsError, match="new column 'm'"):
                await target.ensure(wish)
    assert len(server.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answers", "words"),
    [((table_of(n="Int"), DONE, table_of(n="Int")), "still lacks s"),
     ((GONE, DONE, GONE), "still not there"), ((GONE, DONE, table_of(n="Int")), "still lacks s")],
)  # fmt: skip
async def test_what_does_not_appear_is_an_error(answers, words):
    """The service said yes and did nothing."""
    with FakeServer(replay(*answers)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match=words):
                await target.ensure(WISH)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, SettingsError), (403, SettingsError), (500, StoppedByService), (400, CallError)],
)
async def test_only_404_means_that_there_is_no_table(status, error):
    """Any other refusal to describe is not taken for absence: that would create."""
    with FakeServer(answer(status, b'{"message":"no","status":0}')) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(error, match=r": no$"):
                await target.ensure(WISH)
    assert all(request.line.startswith("GET ") for request in server.requests)


@pytest.mark.anyio
async def test_a_query_is_aitos_own(way):
    """From this table and with a limit, unless it says otherwise."""
    hits = response(200, b'{"offset":0,"total":1,"hits":[{"n":1}]}')
    with FakeServer(replay(hits)) as server:
        target = target_at(server.base_url, way=way)
        async with target.opened():
            assert await target.query('{"where": {"n": 1}}') == [{"n": 1}]
            assert await target.query('{"from": "u", "limit": 1}') == [{"n": 1}]
            with pytest.raises(IngestError, match="no JSON"):
                await target.query("select * from t")
    first, second = server.requests
    assert said(first) == {"from": "t", "limit": 1_000, "where": {"n": 1}}
    assert said(second) == {"from": "u", "limit": 1}


@pytest.mark.anyio
async def test_rows_beyond_a_limit_that_nobody_set_are_said():
    """A limit of the asker's own is his own affair."""
    cut = response(200, orjson.dumps({"offset": 0, "total": 3, "hits": [{"n": 1}, {"n": 2}]}))
    with FakeServer(replay(cut)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match="3 rows match") as caught:
                await target.query("{}")
            assert len(await target.query('{"limit": 2}')) == 2
    assert '"limit": 3' in caught.value.hint


@pytest.mark.anyio
async def test_without_optimize_a_person_is_told_of_it(way):
    """And nothing is sent."""
    target = target_at(DOWN, way=way)
    async with target.opened():
        assert "optimize = true" in (await target.tidy() or "")


@pytest.mark.anyio
async def test_an_optimize_that_fails_is_an_error():
    """With the service's words; the caller knows that the load is done."""
    with FakeServer(answer(400, b'{"message":"failed to open \'t\'","status":400}')) as server:
        target = target_at(server.base_url, settings=AitoSettings(optimize=True))
        async with target.opened():
            with pytest.raises(IngestError, match=r"optimize: failed to open 't'$"):
                await target.tidy()


def v1(status: int, message: str, **more) -> bytes:
    """v1's error body, whole answer."""
    headers = more.pop("headers", None)
    body = orjson.dumps({"message": message, "status": status, **more})
    return response(status, body, headers=headers)


def v2(status: int, code: str, message: str, headers=None) -> bytes:
    """v2's error body, whole answer."""
    body = {"kind": "error", "data": {"code": code, "message": message}}
    return response(status, orjson.dumps(body), headers=headers)


TROUBLES = {
    "contention v1": (
        v1(409, "busy", error="write.contention", headers={"Retry-After": "3"}), Retryable, "busy",
    ),
    "contention v2": (
        v2(409, "write.contention", "busy", {"Retry-After": "3"}), Retryable, "busy",
    ),
    "migration": (v1(409, "the environment is being migrated"), Permanent, "the environment is"),
    "conflict": (v2(409, "release.conflict", "no"), Permanent, "no"),
    "throttled": (
        v1(429, "slow down", headers={"x-error-cause": "Throttled", "Retry-After": "3"}),
        Retryable, "slow down",
    ),
    "quota": (
        v1(429, "no more", headers={"x-error-cause": "Quota Exceeded"}), QuotaExceeded, "no more",
    ),
    "quota in words": (v1(429, "Quota Exceeded"), QuotaExceeded, "Quota Exceeded"),
    "too large": (v1(413, "Request too large"), TooLarge, "Request too large"),
    "too large of old": (v1(500, "Request too large"), TooLarge, "Request too large"),
    "broken": (v1(500, "oops"), Ambiguous, "oops"),
    "bad row": (v1(400, "VALUE_STRING"), Permanent, "VALUE_STRING"),
    "bad row v2": (v2(400, "data.bad_request", "VALUE_STRING"), Permanent, "VALUE_STRING"),
    "no table": (v1(400, "No such table: t"), NotFound, "No such table: t"),
    "not opened": (v1(400, "failed to open 't'"), NotFound, "failed to open 't'"),
    "no table v2": (v2(400, "not_found", "failed to open 't'"), NotFound, "failed to open 't'"),
    "no path": (v1(404, "no"), NotFound, "no"),
    "no key": (v1(401, "no"), Unauthorized, "no"),
    "read-only key": (v1(403, "no"), Unauthorized, "no"),
    "array": (response(200, b"[]"), Ambiguous, "no JSON object"),
    "number": (response(201, b"1"), Ambiguous, "no JSON object"),
    "empty": (response(200), Ambiguous, "no JSON"),
    "error that succeeds": (v2(200, "internal", "oops"), Ambiguous, "oops"),
    "page": (response(200, b"<html><title>Log in</title>", "text/html"), Permanent, "Log in"),
}  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("case", TROUBLES)
async def test_every_refusal_has_its_kind(way, case):
    """One attempt, the service's sentence, and its Retry-After where it gave one."""
    given, kind, words = TROUBLES[case]
    with FakeServer(replay(given)) as server:
        target = target_at(server.base_url, way=way)
        async with target.opened():
            with pytest.raises(kind) as caught:
                await target.send(made_batch(target.envelope, [{"n": 1}]))
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert "{" not in caught.value.message or kind is Ambiguous
    assert caught.value.retry_after_s == (3 if b"Retry-After: 3" in given else None)
    assert len(server.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "taken"),
    [(response(200, b'{"status":"inserted","count":1}'), 1), (DONE, None), (response(204), None),
     (response(200, b'{"entries":1,"status":"ok"}'), None)],
)  # fmt: skip
async def test_a_success_may_say_how_many_it_took(way, given, taken):
    """Where it says so in the documented words."""
    with FakeServer(replay(given)) as server:
        target = target_at(server.base_url, way=way)
        async with target.opened():
            verdict = await target.send(made_batch(target.envelope, [{"n": 1}]))
    assert (verdict.taken, verdict.refused, verdict.doubtful) == (taken, (), 0)


@pytest.mark.anyio
async def test_contention_in_a_small_call_is_sent_again():
    """Nothing was committed: the wire repeats it within its budget."""
    again = v1(409, "busy", error="write.contention")
    with FakeServer(
        replay(table_of(n="Int"), again, DONE, table_of(n="Int", s="String"))
    ) as server:
        senses = Senses(random=lambda: 0.0)
        wire = Wire(server.base_url, request_headers(KEY), Timeouts(calls_s=30), senses=senses)
        target = AitoBatchTarget(wire, "t")
        async with target.opened():
            live = await target.ensure(WISH)
    assert live.column("s")
    puts = [r.line for r in server.requests if r.line.startswith("PUT")]
    assert puts == ["PUT /api/v1/schema/t/s HTTP/1.1"] * 2


def test_the_limits_are_those_of_a_batch(way):
    """Also of a stream, to which the page gives none."""
    assert target_at(DOWN, way=way).envelope.limits == LIMITS == Limits(10_000, 6_000_000)


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["x' OR '1'='1", "%", "\\", '"', "", "$or", 5, -(2**53), 2**62])
async def test_rows_are_counted_by_a_value(way, value):
    """As data, never as part of a text; no row comes back."""
    with FakeServer(answer(200, b'{"offset":0,"total":3,"hits":[]}')) as server:
        target = target_at(server.base_url, way=way)
        async with target.opened():
            assert await target.count_where("s", value) == 3
            assert await target.count_any("s", [value, "b"]) == 3
    one, some = map(said, server.requests)
    assert one == {"from": "t", "where": {"s": value}, "limit": 0}
    assert some == {"from": "t", "where": {"$or": [{"s": value}, {"s": "b"}]}, "limit": 0}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "total", [b"{}", b'{"total":"3"}', b'{"total":null}', b'{"total":-1}', b"[]", b'{"hits":[{}]}']
)
async def test_a_count_of_some_rows_is_never_a_guess(total):
    """An answer that says no number is an error, not nothing."""
    with FakeServer(answer(200, total)) as server:
        target = target_at(server.base_url)
        async with target.opened():
            with pytest.raises(TargetError, match="without a total"):
                await target.count_where("s", "x")


@pytest.mark.anyio
async def test_a_count_for_another_question_is_refused():
    """v2 leaves out a condition that it does not know, and says so in a warning."""
    said_else = b'{"total":9,"hits":[],"warnings":[{"code":"where.unknown_field"}]}'
    with FakeServer(answer(200, said_else)) as server:
        target = target_at(server.base_url, settings=V2)
        async with target.opened():
            with pytest.raises(TargetError, match="another query"):
                await target.count_where("s", "x")
