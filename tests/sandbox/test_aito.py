"""aito's half over real sockets: dispatch, keys, inserts in both ways and versions, limits."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from ingest.sandbox.body import BODY_BYTES
from tests.sandbox.aito_calls import INT, NDJSON, STRING, Aito, said, speaking
from tests.sandbox.conftest import API, Running, Start

BASES = ["/api/v1", "/api/v2", "/db/one/api/v1", "/db/one/api/v2"]


@pytest.fixture
def v1(sandbox: Running) -> Iterator[Aito]:
    """A client of v1."""
    with speaking(sandbox) as one:
        yield one


@pytest.fixture
def v2(sandbox: Running) -> Iterator[Aito]:
    """A client of v2."""
    with speaking(sandbox, "/api/v2") as one:
        yield one


@pytest.fixture(params=BASES)
def aito(sandbox: Running, request: pytest.FixtureRequest) -> Iterator[Aito]:
    """A client of each version, at the root and of a multitenant database."""
    with speaking(sandbox, request.param) as one:
        yield one


def inserted(aito: Aito, count: int) -> dict[str, object]:
    """What a batch or stream of that many rows must answer."""
    if aito.base.endswith("v2"):
        return {"status": "inserted", "count": count}
    return {"entries": count, "status": "ok"}


def test_the_same_path_serves_both_by_the_key(sandbox: Running, v1: Aito) -> None:
    """`schema/tables` is Avalanchio's list of tables, and to aito a table of that name."""
    assert "tables" in sandbox.http.get(f"{API}/schema/tables").json()
    assert said(v1.get("schema/tables"), 404) == "No such table: tables"
    both = sandbox.http.get(f"{API}/schema/tables", headers={"x-api-key": "sandbox"})
    assert said(both, 404) == "No such table: tables"


def test_each_half_has_its_own_routes(sandbox: Running, v1: Aito) -> None:
    """A path of the other one's is a 404, in one's own words."""
    assert said(v1.get("users/current"), 404)
    answer = sandbox.http.post(f"{API}/_query", json={"from": "t"})
    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == 404


def test_tables_of_both_never_meet(sandbox: Running, v1: Aito) -> None:
    """One name, two tables; SQL sees its own alone."""
    name = sandbox.make({"name": "age", "type": "Integer"})
    assert v1.put(f"schema/{name}", {"columns": {"name": STRING}}).status_code == 200
    v1.batch(name, {"name": "x"})
    sandbox.insert(name, {"age": 1})
    assert [row["age"] for row in sandbox.rows(name)] == [1]
    assert v1.rows(name) == [{"name": "x"}]
    assert sandbox.sql("select * from _sandbox_aito").status_code == 400
    assert sandbox.sql("select count(*) from _sandbox_aito_1").status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "wrong"}, 403),
        ({"x-api-key": "Bearer sandbox"}, 403),
        ({"x-api-key": "sandbox"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/api/v2/schema", "/db/x/api/v1/schema", "/api/v2/_version"])
def test_keys(sandbox: Running, headers: dict[str, str], status: int, path: str) -> None:
    """None is a 401, a wrong one a 403, both in the flat shape; where only aito has the path."""
    answer = httpx.get(sandbox.url + path, headers=headers, trust_env=False)
    assert answer.status_code == status
    if status != 200:
        assert said(answer, status)


@pytest.mark.parametrize("path", ["data/t/batch", "data/_delete", "jobs/_query", "_query"])
def test_no_key_at_a_path_of_v1_that_only_aito_has(sandbox: Running, path: str) -> None:
    """Is refused in aito's words; with Avalanchio's token the path is Avalanchio's, and unknown."""
    answer = httpx.post(f"{sandbox.url}/api/v1/{path}", json={}, trust_env=False)
    assert "x-api-key" in said(answer, 401)
    assert sandbox.http.post(f"/api/v1/{path}", json={}).json()["error"]["status"] == 404


def test_the_version_is_told_to_strangers(sandbox: Running) -> None:
    """At the root; a multitenant database has none."""
    answer = httpx.get(f"{sandbox.url}/version", trust_env=False)
    assert answer.status_code == 200
    assert isinstance(answer.json()["version"], str)
    keyed = httpx.get(
        f"{sandbox.url}/db/one/version", headers={"x-api-key": "sandbox"}, trust_env=False
    )
    assert said(keyed, 404)


def test_counts_can_be_asked_with_either_key(sandbox: Running, v1: Aito) -> None:
    """`/_sandbox/stats` belongs to no service."""
    assert v1.http.get("/_sandbox/stats").json().keys() == sandbox.stats().keys()


def test_unknown_paths_and_methods(v1: Aito) -> None:
    """404 and 405 in aito's shape; a rebound Host too."""
    assert "no endpoint" in said(v1.get("nothing"), 404)
    assert "no method" in said(v1.put("_query", {}), 405)
    assert said(v1.http.get("/api/v1/schema", headers={"Host": "evil.example.org"}), 421)


@pytest.mark.parametrize("number", [0, 1, 2, 100])
def test_a_batch_of_n(aito: Aito, number: int) -> None:
    """Every row lands, in order, under both versions and in both kinds of database."""
    table = aito.made(n=INT)
    answer = aito.batch(table, *({"n": n} for n in range(number)))
    assert (answer.status_code, answer.json()) == (200, inserted(aito, number))
    assert aito.rows(table) == [{"n": n} for n in range(number)]


@pytest.mark.parametrize("number", [0, 1, 2, 100])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n \n\n"])
def test_a_stream_of_n(aito: Aito, number: int, end: bytes) -> None:
    """Lines in order, blank ones ignored, with and without a last line end."""
    table = aito.made(n=INT)
    answer = aito.stream(table, b"\n\n".join(b'{"n":%d}' % n for n in range(number)) + end)
    assert (answer.status_code, answer.json()) == (200, inserted(aito, number))
    assert aito.rows(table) == [{"n": n} for n in range(number)]


def test_batches_stand_one_after_the_other(v1: Aito) -> None:
    """Ways and versions mixed."""
    table = v1.made(n=INT)
    v1.batch(table, {"n": 1})
    v1.stream(table, b'{"n":2}')
    v1.http.post(f"/api/v2/data/{table}/batch", json=[{"n": 3}])
    assert [row["n"] for row in v1.rows(table)] == [1, 2, 3]


@pytest.mark.parametrize("rows", [[{"n": 1}, {"n": "3"}], [{"n": "3"}, {"n": 1}]])
def test_one_bad_row_refuses_all_and_is_not_named(v1: Aito, v2: Aito, rows: list[object]) -> None:
    """The same words wherever it stands: column and type, no place, no value."""
    table = v1.made(n=INT)
    words = "failed to read field 'n': expected Int, got VALUE_STRING"
    assert said(v1.batch(table, *rows), 400) == words
    assert said(v2.batch(table, *rows), 400, "data.bad_request") == words
    assert said(v1.stream(table, b"\n".join(map(orjson.dumps, rows))), 400) == words
    assert v1.query(table)["total"] == 0


@pytest.mark.parametrize("path", ["batch", "stream"])
def test_bodies_that_are_no_rows(v2: Aito, path: str) -> None:
    """No JSON, no array, no objects; the codes of v2."""
    table = v2.made(n=INT)

    def post(content: bytes) -> httpx.Response:
        return v2.http.post(f"/api/v2/data/{table}/{path}", content=content)

    assert "malformed" in said(post(b'{"n":1'), 400, "json.malformed")
    assert said(post(b"[[]]"), 400, "data.bad_request")
    assert said(post(b'"x"'), 400, "data.bad_request")
    if path == "batch":
        assert said(post(b'{"n":1}'), 400, "data.bad_request") == "Expected JSON array for import"
        assert said(post(b""), 400, "json.malformed")
    else:
        assert said(post(b'{"n":1}{"n":2}'), 400, "json.malformed")
        assert said(post(b'{"n":1},{"n":2}'), 400, "json.malformed")
        assert said(post(b'{"n":1},{"x":[1\n2]}'), 400, "json.malformed")
    assert v2.query(table)["total"] == 0


def test_content_types(v1: Aito) -> None:
    """A stream comes as NDJSON or as JSON, a batch as JSON; packed by nobody."""
    table = v1.made(n=INT)
    path = f"/api/v1/data/{table}/"
    for kind, batch, stream in (
        ("application/json; charset=utf-8", 200, 200),
        ("application/x-ndjson", 415, 200),
        ("text/csv", 415, 415),
    ):
        header = {"content-type": kind}
        assert v1.http.post(path + "batch", content=b"[]", headers=header).status_code == batch
        assert v1.http.post(path + "stream", content=b"", headers=header).status_code == stream
    packed = gzip.compress(b"[]")
    answer = v1.http.post(path + "batch", content=packed, headers={"content-encoding": "gzip"})
    assert said(answer, 415)


@pytest.mark.parametrize("way", ["batch", "stream"])
@pytest.mark.parametrize(("beyond", "status"), [(-1, 200), (0, 200), (1, 413), (2, 413)])
def test_six_megabytes(v1: Aito, way: str, beyond: int, status: int) -> None:
    """Are taken, and a byte more is not; with and without an announced length."""
    table = v1.made(s=STRING)
    start, end = (b'[{"s":"', b'"}]') if way == "batch" else (b'{"s":"', b'"}')
    body = start + b"x" * (BODY_BYTES + beyond - len(start) - len(end)) + end
    for content in (body, iter([body[:1000], body[1000:]])):
        answer = v1.http.post(f"/api/v1/data/{table}/{way}", content=content)
        assert answer.status_code == status
        if status == 413:
            assert said(answer, 413)
    assert v1.query(table, limit=0)["total"] == (2 if status == 200 else 0)


def test_a_missing_table(v1: Aito, v2: Aito) -> None:
    """404 where data goes, flat in both; a query's own words differ."""
    for aito in (v1, v2):
        for path in ("batch", "stream", "optimize"):
            answer = aito.post(f"data/nowhere/{path}", [] if path == "batch" else {})
            assert said(answer, 404) == "No such table: nowhere"
        assert said(aito.post("data/_delete", {"from": "nowhere"}), 404)
    assert said(v1.post("_query", {"from": "nowhere"}), 400) == "failed to open 'nowhere'"
    assert said(v2.post("_query", {"from": "nowhere"}), 404, "not_found") == "nowhere not found"


def test_databases_are_apart(sandbox: Running, v1: Aito) -> None:
    """The same name in two of them and at the root is three tables."""
    table = v1.made(n=INT)
    with speaking(sandbox, "/db/a/api/v1") as a, speaking(sandbox, "/db/b/api/v2") as b:
        assert said(a.get(f"schema/{table}"), 404)
        for aito in (a, b):
            aito.put(f"schema/{table}", {"columns": {"n": INT}})
        a.batch(table, {"n": 1})
        assert (v1.rows(table), a.rows(table), b.rows(table)) == ([], [{"n": 1}], [])


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_a_multitenant_database_takes_no_files(sandbox: Running, api: str) -> None:
    """In aito's words, to every step."""
    with speaking(sandbox, f"/db/a/api/{api}") as aito:
        table = aito.made(n=INT)
        path = f"data/{table}/file"
        for answer in (aito.post(path, {}), aito.post(f"{path}/1", {}), aito.get(f"{path}/1")):
            assert "not supported" in said(answer, 404)


def test_counts(start: Start) -> None:
    """Batches and streams are requests with records, jobs and everything else are not."""
    with speaking(start()) as aito:
        table = aito.made(n=INT)
        aito.batch(table, {"n": 1}, {"n": 2})
        aito.stream(table, b'{"n":3}')
        aito.batch(table, {"n": "x"})
        aito.post(f"jobs/data/{table}/batch", [{"n": 4}])
        assert aito.query(table)["total"] == 4
        stats = aito.http.get("/_sandbox/stats").json()
    assert stats["by_status"] == {"200": 2, "400": 1}
    assert stats["requests"] == 3
    assert (stats["records_accepted"], stats["largest_records"]) == (3, 2)
    assert stats["bytes"] == len(b'[{"n":1},{"n":2}]') + len(b'{"n":3}') + len(b'[{"n":"x"}]')


@pytest.mark.parametrize("discard", [False, True])
def test_bodies_are_recorded_as_they_came(start: Start, tmp_path: Path, discard: bool) -> None:
    """Accepted, refused or hit by a fault, under both prefixes; nothing else is."""
    options = ["--record", str(tmp_path / "bodies"), "--fault", "429:first1"]
    sandbox = start(*options, *(["--discard"] if discard else []))
    bodies = [b'[ {"n": 1} ]', b'{"n":1}\n\n{"n":2}\n', b"no json", b"[]"]
    with speaking(sandbox) as aito:
        table = aito.made(n=INT)
        for body, path in zip(bodies, ("batch", "stream", "stream", "batch"), strict=True):
            aito.http.post(f"/api/v1/data/{table}/{path}", content=body)
        total = aito.query(table)["total"]
    files = sorted((tmp_path / "bodies").iterdir())
    assert [file.read_bytes() for file in files] == bodies
    assert total == (0 if discard else 2)


def test_discard_counts_and_throws_away(start: Start) -> None:
    """Nothing is parsed or stored; limits and keys are as ever."""
    body = b"x" * BODY_BYTES
    with speaking(start("--discard")) as aito:
        table = aito.made(n=INT)
        path = f"/api/v1/data/{table}/"
        for way, status in (("batch", 200), ("stream", 200)):
            assert aito.http.post(path + way, content=body, headers=NDJSON).status_code == status
        assert said(aito.http.post(path + "batch", content=body + b"x"), 413)
        wrong = aito.http.post(path + "batch", content=body, headers={"x-api-key": "x"})
        assert said(wrong, 403)
        assert aito.query(table)["total"] == 0
        stats = aito.http.get("/_sandbox/stats").json()
    assert stats["by_status"] == {"200": 2, "413": 1}
    assert stats["bytes"] == 2 * BODY_BYTES


def test_rows_and_definitions_survive(start: Start) -> None:
    """A sandbox on the same directory knows them, with their checks and their order."""
    with speaking(start(), "/db/x/api/v2") as first:
        table = first.made(b={"type": "Long", "nullable": True}, a={"type": "Json"})
        first.batch(table, {"a": {"n": 1}}, {"a": 2, "b": 2**60})
        described = first.get(f"schema/{table}").content
    with speaking(start(), "/db/x/api/v2") as second:
        assert second.get(f"schema/{table}").content == described
        assert second.rows(table) == [{"a": {"n": 1}}, {"b": 2**60, "a": 2}]
        assert said(second.batch(table, {"a": None}), 400, "data.bad_request")


def test_deep_json(v1: Aito) -> None:
    """Is stored or refused as malformed, never a 500."""
    table = v1.made(j={"type": "Json"})
    for depth, status in ((500, 200), (1000, 400), (100_000, 400)):
        body = b'[{"j":' + b"[" * depth + b"]" * depth + b"}]"
        answer = v1.http.post(f"/api/v1/data/{table}/batch", content=body)
        assert answer.status_code == status
