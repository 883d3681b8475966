"""Whole loads into aito's sandbox, by each of its ways, read back by the service's own client.

The client (PyPI `aitoai`) is not ours: what it reads back, value for value and type for type, is
what a user of the service would see.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest
from aito.v1 import AitoClient
from aito.v1 import api as aito_api

from ingest.build import RunOptions, execute
from ingest.errors import SettingsError
from ingest.job import Job, make_job
from tests.end_to_end import Listener, Run, counts, sums_up
from tests.sandbox.conftest import Running, running

WAYS = ("batch", "stream", "file")
KEY = "sandbox"
SECRET_KEY = "a-key-nobody-else-has-0123456789"

FIELDS: dict[str, Any] = {
    "n": {"type": "integer", "required": True},
    "price": {"type": "decimal"},
    "day": {"type": "date"},
    "name": {"type": "string"},
    "about": {"type": "text", "column": {"analyzer": "whitespace"}},
    "open": {"type": "boolean"},
}


def client(server: Running) -> AitoClient:
    """The service's own client."""
    return AitoClient(server.url, KEY)


def job_of(folder: Path, paths: list[str], table: str, **sections: Any) -> Job:
    """A job into aito."""
    target = {"system": "aito", "table": table, "create": True}
    document: dict[str, Any] = {"name": "job", "source": {"paths": paths}, "target": target}
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section}
    return make_job(document, base=folder)


def load(server: Running, job: Job, folder: Path, key: str = KEY, **options: Any) -> Run:
    """Run a job in this process."""
    listener = Listener()
    environment = {"AITO_INSTANCE_URL": server.url, "AITO_API_KEY": key}
    with mock.patch.dict(os.environ, environment):
        wishes = RunOptions(folder / "state", **options)
        result = anyio.run(execute, job, wishes, listener)
    sums_up(result.report)
    return Run(result, folder / "state", listener)


def write_people(path: Path, records: int, bad: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """A CSV with oddities, and the rows that a table should have of it; `bad` ones have no `n`."""
    rows: list[dict[str, Any]] = []
    with path.open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file).writerow
        write(list(FIELDS))
        for n in range(records):
            price = f"{n}.{n % 100:02d}" if n % 7 else ""
            name = f'Zoë "{n}", Ltd\nline' if n % 5 else ""
            cells = [str(n), price, f"2024-{n % 12 + 1:02d}-0{n % 9 + 1}", name, f"word {n}"]
            flag = ("true", "false", "")[n % 3]
            write([*(["x", *cells[1:]] if n in bad else cells), flag])
            row = {
                "n": n,
                "price": json.loads(price) if price else None,
                "day": cells[2],
                "name": name or None,
                "about": cells[4],
                "open": {"true": True, "false": False, "": None}[flag],
            }
            rows += [] if n in bad else [row]
    return rows


def typed(rows: list[dict[str, Any]]) -> list[dict[str, tuple[str, Any]]]:
    """Rows with the type of every value, without the fields that are null, in the order of `n`."""
    ordered = sorted(rows, key=lambda row: row["n"])
    return [
        {name: (type(v).__name__, v) for name, v in row.items() if v is not None} for row in ordered
    ]


@pytest.mark.parametrize("nulls", ["send", "omit"])
@pytest.mark.parametrize("via", WAYS)
def test_what_was_loaded_is_read_back_by_the_service_s_own_client(tmp_path, via, nulls):
    """Equal to the source value for value and type for type; the report counts the rows."""
    expected = write_people(tmp_path / "people.csv", 2500)
    target = {"via": via, "nulls": nulls}
    limits = {"records": 700, "spool_bytes": 20_000}
    job = job_of(tmp_path, ["people.csv"], "people", target=target, fields=FIELDS, limits=limits)
    with running(tmp_path / "data") as server:
        run = load(server, job, tmp_path)
        asked = client(server)
        assert aito_api.get_table_size(asked, "people") == 2500
        rows = list(aito_api.query_all_entries(asked, "people"))
        schema = aito_api.get_table_schema(asked, "people").to_json_serializable()
    assert (run.code, counts(run.report)) == (0, {"read": 2500, "accepted": 2500})
    assert run.report["requests"]["sent"] >= (2 if via == "file" else 4)
    assert run.report["rows"] == {"before": 0, "after": 2500}
    assert typed(rows) == typed(expected)
    columns = schema["columns"]
    assert {name: c["type"] for name, c in columns.items()} == {
        "n": "Int", "price": "Decimal", "day": "String", "name": "String", "about": "Text",
        "open": "Boolean"}  # fmt: skip
    assert [name for name, c in columns.items() if not c["nullable"]] == ["n"]
    assert any("beta" in note for note in run.listener.notes) == (via != "batch")


@pytest.mark.parametrize("records", [0, 1, 2])
@pytest.mark.parametrize("via", WAYS)
def test_few_records(tmp_path, via, records):
    """None, one and two: as many rows, and no request where there is nothing to send."""
    expected = write_people(tmp_path / "people.csv", records)
    job = job_of(tmp_path, ["people.csv"], "people", target={"via": via}, fields=FIELDS)
    with running(tmp_path / "data") as server:
        run = load(server, job, tmp_path)
        rows = list(aito_api.query_all_entries(client(server), "people")) if records else []
    assert run.code == 0
    assert run.report["requests"]["sent"] == min(records, 1)
    assert typed(rows) == typed(expected)


@pytest.mark.parametrize("via", WAYS)
def test_what_only_the_service_refuses_is_a_reject(tmp_path, via):
    """A link to a row that is not there: refused by the service, named by file, line and record."""
    (tmp_path / "cities.csv").write_text("code\nBER\nPAR\n")
    lines = [("BER", "PAR", "XXX")[2 if n in (3, 500, 998) else n % 2] for n in range(1000)]
    (tmp_path / "trips.csv").write_text("city\n" + "".join(f"{line}\n" for line in lines))
    cities = job_of(tmp_path, ["cities.csv"], "cities", fields={"code": {"required": True}})
    link = {"city": {"type": "string", "column": {"link": "cities.code"}}}
    trips = job_of(tmp_path, ["trips.csv"], "trips", target={"via": via}, fields=link)
    with running(tmp_path / "data") as server:
        assert load(server, cities, tmp_path).code == 0
        run = load(server, trips, tmp_path)
        assert aito_api.get_table_size(client(server), "trips") == 997
    assert run.code == 3
    assert counts(run.report) == {"read": 1000, "accepted": 997, "rejected": 3}
    assert sorted((r["record"], r["line"], r["raw"], r["stage"]) for r in run.rejects) == [
        (4, 5, "XXX", "send"), (501, 502, "XXX", "send"), (999, 1000, "XXX", "send")]  # fmt: skip


def test_rows_that_fail_without_being_listed_are_ambiguous(tmp_path):
    """60 bad rows, of which the service lists 50: 50 rejects, 10 ambiguous, said, exit 6."""
    (tmp_path / "cities.csv").write_text("code\nBER\n")
    lines = ["XXX" if n % 100 == 7 else "BER" for n in range(6000)]
    (tmp_path / "trips.csv").write_text("city\n" + "".join(f"{line}\n" for line in lines))
    cities = job_of(tmp_path, ["cities.csv"], "cities", fields={"code": {"required": True}})
    link = {"city": {"type": "string", "column": {"link": "cities.code"}}}
    trips = job_of(tmp_path, ["trips.csv"], "trips", target={"via": "file"}, fields=link)
    with running(tmp_path / "data") as server:
        assert load(server, cities, tmp_path).code == 0
        run = load(server, trips, tmp_path)
    assert run.code == 6
    assert counts(run.report) == {
        "read": 6000, "accepted": 5940, "rejected": 50, "ambiguous": 10,
    }  # fmt: skip
    assert len(run.rejects) == len({reject["record"] for reject in run.rejects}) == 50
    assert all((reject["record"] - 1) % 100 == 7 for reject in run.rejects)
    [batch] = run.report["ambiguous"]
    assert (batch["records"], batch["resent"]) == (10, False)
    assert "list" in batch["why"]


def test_values_that_would_be_refused_are_rejects_before_sending(tmp_path):
    """Int holds 32 bits, and a column that is not nullable no null: rejected with the way on."""
    path = tmp_path / "numbers.csv"
    path.write_text("n,m\n1,1\n2147483648,1\n-2147483649,1\n2147483647,1\n5,\n")
    fields = {"n": {"type": "integer"}, "m": {"type": "integer", "required": True}}
    job = job_of(tmp_path, ["numbers.csv"], "numbers", fields=fields)
    with running(tmp_path / "data") as server:
        run = load(server, job, tmp_path)
        assert aito_api.get_table_size(client(server), "numbers") == 2
    assert counts(run.report) == {"read": 5, "accepted": 2, "rejected": 3}
    assert sorted((r["record"], r["stage"], r["field"]) for r in run.rejects) == [
        (2, "coerce", "n"), (3, "coerce", "n"), (5, "map", "m")]  # fmt: skip
    assert "2147483648" in run.rejects[0]["message"]
    assert run.report["requests"]["sent"] == 1


@pytest.mark.parametrize(("optimize", "said"), [(True, "merged"), (False, "optimize = true")])
def test_optimize_after_the_load(tmp_path, optimize, said):
    """Done where the job asks for it, offered where not."""
    write_people(tmp_path / "people.csv", 10)
    target = {"optimize": optimize}
    job = job_of(tmp_path, ["people.csv"], "people", target=target, fields=FIELDS)
    with running(tmp_path / "data") as server:
        run = load(server, job, tmp_path)
    assert run.code == 0
    assert any(said in note for note in run.listener.notes)


def test_rows_are_asked_back_by_the_service_s_own_query(tmp_path):
    """`--ask` takes a query as the service has it."""
    write_people(tmp_path / "people.csv", 10)
    job = job_of(tmp_path, ["people.csv"], "people", fields=FIELDS)
    with running(tmp_path / "data") as server:
        run = load(server, job, tmp_path, ask='{"where": {"n": 4}, "select": ["n", "about"]}')
    assert run.result.rows == [{"n": 4, "about": "word 4"}]


def test_a_shared_instance_takes_no_file(tmp_path):
    """Said before anything is sent; auto takes batches there."""
    expected = write_people(tmp_path / "people.csv", 20)
    with running(tmp_path / "data") as server:
        shared = replace(server, url=f"{server.url}/db/mine")
        asked = job_of(tmp_path, ["people.csv"], "p", target={"via": "file"}, fields=FIELDS)
        with pytest.raises(SettingsError, match="/db/"):
            load(shared, asked, tmp_path)
        auto = job_of(tmp_path, ["people.csv"], "p", target={"via": "auto"}, fields=FIELDS)
        run = load(shared, auto, tmp_path)
        rows = list(aito_api.query_all_entries(client(shared), "p"))
    assert run.code == 0
    assert typed(rows) == typed(expected)
    assert any("less than 100 MB" in note for note in run.listener.notes)


@pytest.mark.parametrize(
    "fault",
    ["expired-url:first1", "s3-slowdown:first2", "trigger-lost:first1", "status-backwards:25%",
     "slow-processing:300ms:100%"],
)  # fmt: skip
def test_a_file_lands_once_whatever_happens_on_its_way(tmp_path, fault):
    """Trouble of the storage and of the status: every row once, nothing ambiguous."""
    expected = write_people(tmp_path / "people.csv", 3000)
    target, limits = {"via": "file"}, {"spool_bytes": 30_000}
    job = job_of(tmp_path, ["people.csv"], "people", target=target, fields=FIELDS, limits=limits)
    with running(tmp_path / "data", "--fault", fault) as server:
        run = load(server, job, tmp_path)
        rows = list(aito_api.query_all_entries(client(server), "people"))
    assert (run.code, counts(run.report)) == (0, {"read": 3000, "accepted": 3000})
    assert typed(rows) == typed(expected)
    retried = run.report["requests"]["retried"]
    assert retried == {"expired-url:first1": 1, "s3-slowdown:first2": 2}.get(fault, 0)
    assert not list((tmp_path / "state" / "runs").glob("*/spool/*"))


@pytest.mark.parametrize("via", ["batch", "stream"])
@pytest.mark.parametrize("fault", ["throttled:20%:1s", "contention:20%"])
def test_contention_and_throttling_are_waited_for(tmp_path, via, fault):
    """Nothing committed by the service's own words: sent again, every row once."""
    expected = write_people(tmp_path / "people.csv", 1000)
    limits = {"records": 100, "in_flight": 4}
    job = job_of(
        tmp_path, ["people.csv"], "people", target={"via": via}, fields=FIELDS, limits=limits
    )
    with running(tmp_path / "data", "--fault", fault, "--seed", "3") as server:
        run = load(server, job, tmp_path)
        rows = list(aito_api.query_all_entries(client(server), "people"))
    assert (run.code, counts(run.report)) == (0, {"read": 1000, "accepted": 1000})
    assert run.report["requests"]["retried"] > 0
    assert typed(rows) == typed(expected)


def test_a_quota_that_is_used_up_ends_the_run_resumable(tmp_path):
    """429 `Quota Exceeded` is not a matter of pace: exit 7."""
    write_people(tmp_path / "people.csv", 10)
    job = job_of(tmp_path, ["people.csv"], "people", fields=FIELDS)
    with running(tmp_path / "data", "--fault", "quota:first1") as server:
        run = load(server, job, tmp_path)
    assert (run.code, counts(run.report)) == (7, {"read": 10, "unsent": 10})


def test_neither_key_nor_signature_is_written_anywhere(tmp_path, caplog, monkeypatch):
    """Everything a run writes, at debug level: reports, rejects, logs, notes, errors; and no
    request to the storage bears the key, which the sandbox's storage would refuse."""
    monkeypatch.setenv("INGEST_SANDBOX_TOKEN", SECRET_KEY)
    write_people(tmp_path / "people.csv", 3000, bad=(5, 6))
    target, limits = {"via": "file"}, {"spool_bytes": 30_000}
    job = job_of(tmp_path, ["people.csv"], "people", target=target, fields=FIELDS, limits=limits)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    with running(tmp_path / "data", "--fault", "expired-url:first1") as server:
        root.addHandler(handler)
        try:
            with caplog.at_level(logging.DEBUG):
                run = load(server, job, tmp_path, SECRET_KEY)
        finally:
            root.removeHandler(handler)
        log = (tmp_path / "data").rglob("*")
        stored = [path for path in log if path.is_file()]
    assert run.code == 3
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"report.json", "rejects.ndjson"}
    everything = "\n".join(
        [stream.getvalue(), caplog.text, *run.listener.notes, json.dumps(run.report)]
        + [path.read_text(errors="replace") for path in written]
    )
    assert SECRET_KEY not in everything
    assert "X-Amz-Signature" not in everything
    assert "x-api-key" not in everything.lower()
    assert stored, "the sandbox kept nothing: the upload did not come"
