"""Bad records alone: whole loads against a sandbox, straight or through a server that spoils it."""

from __future__ import annotations

import http.client
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.end_to_end import (
    Run,
    command,
    counts,
    credentials,
    done,
    job_of,
    load,
    new_table,
    rejects_of,
    sums_up,
    until,
)
from tests.fake_server import FakeServer, Line, Request, response
from tests.sandbox.conftest import Running, running

N = {"name": "n", "type": "Bigint"}
EMAIL = {"name": "mail", "type": "Email"}  # the service knows what one is, we don't
Says = Callable[[list[int], int], int | None]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for all tests that need no faults; each loads into a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


def table_of(server: Running) -> str:
    """A table that refuses what is no e-mail."""
    name = new_table()
    answer = server.http.post("/api/v1/schema/tables", json={"name": name, "columns": [N, EMAIL]})
    assert answer.status_code == 200, answer.text
    return name


def write(folder: Path, count: int, bad: Sequence[int] | set[int]) -> None:
    """`count` records, some of them refused by the service alone."""
    lines = [f"{n},{'nobody' if n in bad else 'a@x.org'}\n" for n in range(count)]
    (folder / "a.csv").write_text("n,mail\n" + "".join(lines))


def numbers_in(server: Running, table: str) -> list[int]:
    """What the table holds."""
    found: list[int] = []
    while True:
        page = server.sql(f"select n from {table} order by n limit 10000 offset {len(found)}")
        part = [row["n"] for row in orjson.loads(page.content)["rows"]]
        found += part
        if len(part) < 10_000:
            return found


def check(run: Run, server: Running, table: str, count: int, bad: set[int]) -> None:
    """Exactly the bad ones are rejected, as they stand in the file; the others are in, once."""
    expected = {"read": count, "accepted": count - len(bad), "rejected": len(bad)}
    assert counts(run.report) == expected
    assert sorted((r["record"], r["line"], r["raw"], r["stage"]) for r in run.rejects) == [
        (n + 1, n + 2, f"{n},nobody", "send") for n in sorted(bad)
    ]
    assert numbers_in(server, table) == [n for n in range(count) if n not in bad]
    assert run.code == 3


@pytest.mark.parametrize("in_flight", [1, 8])
def test_thirty_seven_among_a_hundred_thousand(sandbox, tmp_path, in_flight):
    """The service names the row: at most 2 requests besides the batches for each."""
    bad = set(random.Random(3).sample(range(100_000), 37))
    write(tmp_path, 100_000, bad)
    table = table_of(sandbox)
    job = job_of(tmp_path, table, "a.csv", limits={"in_flight": in_flight})
    run = load(sandbox, job, tmp_path)
    check(run, sandbox, table, 100_000, bad)
    assert run.report["requests"]["sent"] - 10 <= 2 * 37


@pytest.mark.parametrize("attempt", range(3))
def test_one_value_of_a_unique_column_in_many_batches(sandbox, tmp_path, attempt):
    """Which of its records lands is up to who is first, and exactly one does; that others land in
    between is not taken for a refused batch that landed in part."""
    doubled = {7, *range(0, 30_000, 1_500)}
    lines = [f"{n},{7 if n in doubled else n}\n" for n in range(30_000)]
    (tmp_path / "a.csv").write_text("n,u\n" + "".join(lines))
    table = new_table()
    fields = {"n": {"type": "integer"}, "u": {"type": "integer", "column": {"unique": True}}}
    job = job_of(tmp_path, table, "a.csv", fields=fields, limits={"records": 500})
    run = load(sandbox, job, tmp_path)
    assert run.code == 3
    assert counts(run.report) == {
        "read": 30_000,
        "accepted": 30_001 - len(doubled),
        "rejected": len(doubled) - 1,
    }
    rejected = {one["record"] - 1 for one in run.rejects}
    assert rejected < doubled
    assert numbers_in(sandbox, table) == [n for n in range(30_000) if n not in rejected]


@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_two_wholly_bad_batches_at_the_start(sandbox, tmp_path, in_flight):
    """The batches behind them land, so the run goes on, however few writers there are."""
    bad = set(range(200))
    write(tmp_path, 2_000, bad)
    table = table_of(sandbox)
    job = job_of(tmp_path, table, "a.csv", limits={"records": 100, "in_flight": in_flight})
    run = load(sandbox, job, tmp_path)
    check(run, sandbox, table, 2_000, bad)
    assert run.report["requests"]["sent"] - 20 <= 2 * 200


@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_all_refused(sandbox, tmp_path, in_flight):
    """Stopped within 30 requests, and nothing is rejected: it goes again, to a mended table."""
    write(tmp_path, 3_000, set(range(3_000)))
    table = table_of(sandbox)
    job = job_of(tmp_path, table, "a.csv", limits={"records": 100, "in_flight": in_flight})
    run = load(sandbox, job, tmp_path)
    assert (run.code, run.report["records"]["rejected"]) == (1, 0)
    assert "refuses every request" in run.report["error"]["message"]
    assert run.report["requests"]["sent"] <= 30
    assert numbers_in(sandbox, table) == []


def test_a_service_that_names_no_row(tmp_path):
    """aito: every refused row is found by cutting; at most 2 log2 n requests for each."""
    (tmp_path / "cities.csv").write_text("code\nBER\n")
    bad = set(random.Random(4).sample(range(20_000), 8))
    lines = [f"{n},{'XXX' if n in bad else 'BER'}\n" for n in range(20_000)]
    (tmp_path / "a.csv").write_text("n,city\n" + "".join(lines))
    target = {"system": "aito", "table": "cities"}
    cities = job_of(tmp_path, "cities", "cities.csv", target=target)
    link = {"type": "string", "column": {"link": "cities.code"}}
    fields = {"n": {"type": "integer"}, "city": link}
    limits = {"records": 2_000}
    target = {"system": "aito", "table": "trips"}
    trips = job_of(tmp_path, "trips", "a.csv", target=target, fields=fields, limits=limits)
    with running(tmp_path / "data") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AITO_URL", server.url)
        patch.setenv("AITO_API_KEY", "sandbox")
        assert load(server, cities, tmp_path).code == 0
        run = load(server, trips, tmp_path)
    assert counts(run.report) == {"read": 20_000, "accepted": 19_992, "rejected": 8}
    assert {reject["record"] - 1 for reject in run.rejects} == bad
    assert run.report["requests"]["sent"] - 10 <= 8 * 21.9  # 2 * log2(2,000)


class Between(FakeServer):
    """A server before a sandbox. Of a body with bad rows it lands what `lands` says, and answers
    with the place that `says` gives."""

    def __init__(self, behind: Running, lands: Callable[[list[int], int], list[int]], says: Says):
        super().__init__(self._serve)
        self._behind = behind
        self._lands = lands
        self._says = says

    def _serve(self, line: Line) -> None:
        while (request := line.read()) is not None:
            line.send(self._answered(request))

    def _answered(self, request: Request) -> bytes:
        if not request.line.startswith("POST /api/v1/tables/"):
            return self._passed_on(request, bytes(request.body))
        records = orjson.loads(request.body)["records"]
        bad = [place for place, record in enumerate(records) if record["mail"] == "nobody"]
        if not bad:
            return self._passed_on(request, bytes(request.body))
        kept = [records[place] for place in self._lands(bad, len(records))]
        if kept:
            self._passed_on(request, orjson.dumps({"records": kept}))
        said = {"message": "no e-mail", "record": self._says(bad, len(records))}
        return response(400, orjson.dumps({"error": said}))

    def _passed_on(self, request: Request, body: bytes) -> bytes:
        method, path, _ = request.line.split(" ")
        address = self._behind.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            kept = ("authorization", "content-type")
            headers = {name: request.headers[name] for name in kept if name in request.headers}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return response(answer.status, answer.read())
        finally:
            connection.close()


def none(bad: list[int], count: int) -> list[int]:
    """A refused body lands not at all."""
    return []


SAYS: dict[str, Says] = {
    "nothing": lambda bad, count: None,
    "counted from 1": lambda bad, count: bad[0] + 1,
    "the last": lambda bad, count: bad[-1],
    "beyond": lambda bad, count: 10**15,
    "negative": lambda bad, count: -1,
}


@pytest.mark.parametrize("says", SAYS)
def test_whatever_the_service_says_of_the_record(sandbox, tmp_path, says):
    """Names that are wrong, silly or missing cost requests, never a good record."""
    bad = {0, 1, 2, 40, 333, 334, 599}
    write(tmp_path, 600, bad)
    table = table_of(sandbox)
    job = job_of(tmp_path, table, "a.csv", limits={"records": 100, "in_flight": 4})
    with Between(sandbox, none, SAYS[says]) as server:
        run = load(replace(sandbox, url=server.base_url), job, tmp_path)
    check(run, sandbox, table, 600, bad)


LANDS: dict[str, Callable[[list[int], int], list[int]]] = {
    "up to the bad one": lambda bad, count: list(range(bad[0])),
    "all but the bad ones": lambda bad, count: [n for n in range(count) if n not in bad],
}


@pytest.mark.parametrize("says", ["nothing", "the last"])
@pytest.mark.parametrize("lands", LANDS)
def test_a_refused_batch_that_lands_in_part(sandbox, tmp_path, lands, says):
    """The run stops with the facts, exit 6: the batch is named, nothing of it is rejected, and no
    record but its own may stand in the table twice."""
    write(tmp_path, 1_000, {250})
    table = table_of(sandbox)
    job = job_of(tmp_path, table, "a.csv", limits={"records": 100, "in_flight": 8})
    with Between(sandbox, LANDS[lands], SAYS[says]) as server:
        run = load(replace(sandbox, url=server.base_url), job, tmp_path)
    assert (run.code, run.report["state"]) == (6, "failed")
    error = run.report["error"]
    rows = {"up to the bad one": 50, "all but the bad ones": 99}[lands]
    assert error["kind"] == "partial_apply"
    assert "a.csv: records 201 to 300" in error["message"]
    assert f"{rows} of its 100 records" in error["message"]
    assert (run.report["records"]["ambiguous"], run.report["records"]["rejected"]) == (100, 0)
    (batch,) = run.report["ambiguous"]
    assert (batch["resent"], [(s["first"], s["last"]) for s in batch["spans"]]) == (
        True,
        [(201, 300)],
    )
    times = Counter(numbers_in(sandbox, table))
    assert all(times[n] == 1 for n in times if not 200 <= n < 300)
    assert sum(times[n] for n in range(200, 300)) == 3 * rows


def seen(server: Running, requests: int) -> bool:
    """Whether so many requests with records came."""
    return bool(server.stats()["requests"] >= requests)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", [{"stamp": "stamp"}, {"id": "derived"}])
def test_killed_while_batches_are_taken_apart(tmp_path, way, seed):
    """Bodies with holes are made again like any other: each good record once, each bad one a
    reject, whenever the process was killed."""
    draw = random.Random(seed)
    bad = set(draw.sample(range(2_000), 60))
    write(tmp_path, 2_000, bad)
    delivery = "".join(f"{key} = {orjson.dumps(value).decode()}\n" for key, value in way.items())
    job = tmp_path / "job.toml"
    faults = ("--fault", "slow:20ms:60%", "--fault", "reset-after-commit:5%", "--seed", str(seed))
    with running(tmp_path / "data", *faults) as server:
        table = table_of(server)
        job.write_text(
            f'[source]\npaths = ["a.csv"]\n[fields]\nn = {{ type = "integer" }}\nmail = {{}}\n'
            f'[target]\nsystem = "avalanchio"\ntable = "{table}"\ncreate = true\n'
            f"[limits]\nrecords = 200\nin_flight = 4\n"
            f"[delivery]\nlongest_server_s = 0.5\n{delivery}"
        )
        for _ in range(3):
            wanted = server.stats()["requests"] + draw.randint(5, 25)
            with command(tmp_path, "run", job, env=credentials(server)) as ran:
                until(partial(seen, server, wanted), "requests")
                time.sleep(draw.uniform(0, 0.02))
                ran.process.send_signal(signal.SIGKILL)
                ran.process.wait(60)
        code, last = done(tmp_path, "run", job, env=credentials(server))
        found = numbers_in(server, table)
    report: dict[str, Any] = last.report
    sums_up(report)
    assert (code, report["records"]["ambiguous"]) == (3, 0), last.stderr
    assert found == [n for n in range(2_000) if n not in bad]
    assert {reject["record"] - 1 for reject in rejects_of(report)} == bad
    assert report["records"]["rejected"] == 60
