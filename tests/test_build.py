"""Whole runs against real sandboxes: what a person is promised, asked back from the service.

Data are small and made here. Back ends: what differs between them (files, threads, sockets,
cancelling) is run on both; the rest on one.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import logging
import random
import secrets
import signal
import socket
import sqlite3
import stat
import subprocess
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from ingest import governor
from ingest.errors import IngestError, SettingsError
from tests.end_to_end import (
    ENDS,
    Command,
    Run,
    command,
    counts,
    credentials,
    done,
    job_of,
    load,
    new_table,
    processes,
    rejects_of,
    until,
)
from tests.sandbox.conftest import HEADERS, Running, running

REPORT_KEYS = {
    "run", "job", "state", "exit_code", "records", "requests", "bytes", "seconds", "stages",
    "latency_ms", "peak_rss_bytes", "versions", "settings_sha256", "files", "rejects", "ambiguous",
    "target", "error",
}  # fmt: skip
FAULTS = ("429:20%", "503:10%", "500:10%", "reset-before:10%", "reset-after-commit:10%")
SLOW = "slow:150ms:100%"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for all tests that need no faults; each loads into a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture(scope="module")
def slow_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One whose every request takes a while, so that a signal finds some in flight."""
    with running(tmp_path_factory.mktemp("slow"), "--fault", SLOW) as one:
        yield one


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and backoffs as they are, only a hundred times shorter."""
    monkeypatch.setattr(governor, "BACKOFF_BASE_S", governor.BACKOFF_BASE_S / 100)
    monkeypatch.setattr(governor, "RELEASE_S", governor.RELEASE_S / 100)


def numbered(first: int, last: int, header: str = "n,name") -> bytes:
    """Lines `7,name 7` below a header."""
    return "".join([f"{header}\n", *(f"{n},name {n}\n" for n in range(first, last + 1))]).encode()


def write(folder: Path, name: str, content: bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


def numbers(server: Running, table: str) -> list[int]:
    """The column n of every row, sorted."""
    return sorted(row["n"] for row in server.rows(table, "n"))


# --- what is loaded, and what is said of it -------------------------------------------------


def mixed_files(folder: Path) -> list[str]:
    """Four files of 3,000 records: plain, gzip, a zip's member, and a small one."""
    write(folder, "1.csv", numbered(1, 1800))
    write(folder, "2.csv.gz", gzip.compress(numbered(1801, 2500)))
    with zipfile.ZipFile(folder / "3.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", numbered(2501, 2998))
    write(folder, "4.csv.bz2", bz2.compress(numbered(2999, 3000)))
    return ["1.csv", "2.csv.gz", "3.zip", "4.csv.bz2"]


def test_rows_equal_the_source_and_the_report_says_so(sandbox, tmp_path, anyio_backend):
    """Mixed files of any packing: every row is there once, and the report is the contract's."""
    table, paths = new_table(), mixed_files(tmp_path)
    job = job_of(tmp_path, table, paths, limits={"records": 700})
    before = sandbox.stats()
    run = load(
        sandbox, job, tmp_path, anyio_backend, report=tmp_path / "r.json",
        ask=f"select n, name from {table} order by n",
    )  # fmt: skip
    assert run.result.rows == [{"n": n, "name": f"name {n}"} for n in range(1, 3001)]
    report = run.report
    assert report.keys() >= REPORT_KEYS
    assert (run.code, report["state"], report["exit_code"], report["error"]) == (0, "done", 0, None)
    assert report["records"].keys() >= {"read", *ENDS}
    assert counts(report) == {"read": 3000, "accepted": 3000}
    assert [(Path(f["path"]).name, f["records"]) for f in report["files"]] == [
        ("1.csv", 1800), ("2.csv.gz", 700), ("3.zip!inner.csv", 498), ("4.csv.bz2", 2),
    ]  # fmt: skip
    first = hashlib.sha256((tmp_path / "1.csv").read_bytes()).hexdigest()
    assert report["files"][0]["sha256"] == first
    assert all(len(f["sha256"]) == 64 for f in report["files"])
    after = sandbox.stats()
    sent = report["requests"] | {"isolated": 0}
    assert sent == {"sent": 5, "retried": 0, "failed": 0, "isolated": 0}
    assert after["requests"] - before["requests"] == 5
    assert after["bytes"] - before["bytes"] == report["bytes"]["sent"]
    assert (report["rejects"], report["ambiguous"]) == ({"file": None, "by_reason": {}}, [])
    assert table in report["target"]
    kept = run.state / "runs" / report["run"] / "report.json"
    assert (
        orjson.loads(kept.read_bytes())
        == report
        == orjson.loads((tmp_path / "r.json").read_bytes())
    )


def test_ndjson_sql_defaults_and_time_zones(sandbox, tmp_path):
    """Fields of every origin, asked back as the service holds them."""
    lines = (
        b'{"id_no": 1, "at": "2024-07-01T12:00:00", "word": "a",'
        b' "deep": {"b": [12345678901234567890123]}}\n'
        b'{"id_no": 2, "at": "2024-01-01T12:00:00", "word": null, "deep": null}\n'
    )
    write(tmp_path, "a.ndjson", lines)
    table = new_table()
    fields: dict[str, Any] = {
        "n": {"from": "id_no", "type": "integer"},
        "at": {"type": "timestamp", "timezone": "Europe/Berlin"},
        "word": {"type": "string", "default": "none"},
        "deep": {"type": "json"},
        "loud": {"sql": "upper(word)"},
        "kind": {"value": "daily"},
        "stem": {"from": "@stem"},
    }
    run = load(sandbox, job_of(tmp_path, table, "a.ndjson", fields=fields), tmp_path)
    assert (run.code, run.rejects) == (0, [])
    same = {"kind": "daily", "stem": "a"}
    rows = sandbox.rows(table, "n, at, word, loud, kind, stem")
    assert [{**row, "at": row["at"][:19]} for row in rows] == [
        {"n": 1, "at": "2024-07-01T10:00:00", "word": "a", "loud": "A", **same},
        {"n": 2, "at": "2024-01-01T11:00:00", "word": "none", "loud": "NONE", **same},
    ]
    answer = sandbox.sql(f"select deep from {table} order by n").content
    assert b'{"b":[12345678901234567890123]}' in answer.replace(b" ", b"")


def test_standard_input(sandbox, tmp_path):
    """A pipe that is written to in pieces, the last without a line end."""
    table = new_table()
    arguments = ("load", "-", "--to", f"avalanchio:{table}", "--create")
    with command(tmp_path, *arguments, stdin=subprocess.PIPE, env=credentials(sandbox)) as ran:
        stdin = ran.process.stdin
        assert stdin
        stdin.write(numbered(1, 500))
        stdin.flush()
        stdin.write(b"501,the last")
        stdin.close()
        assert ran.ended() == 0, ran.stderr
    assert numbers(sandbox, table) == list(range(1, 502))
    assert [(f["path"], f["records"]) for f in ran.report["files"]] == [("-", 501)]


# --- how much is read -----------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 650, 1000, 1001])
def test_limit(sandbox, tmp_path, limit, anyio_backend):
    """The first N records are read, over files and batches, and no more."""
    write(tmp_path, "a.csv", numbered(1, 400))
    write(tmp_path, "b.csv", numbered(401, 1000))
    table = new_table()
    job = job_of(tmp_path, table, ["a.csv", "b.csv"], limits={"records": 100})
    run = load(sandbox, job, tmp_path, anyio_backend, limit=limit)
    wanted = min(limit, 1000)
    assert (run.code, counts(run.report)) == (0, {"read": wanted, "accepted": wanted})
    assert numbers(sandbox, table) == list(range(1, wanted + 1))


def test_max_duration(sandbox, tmp_path, anyio_backend):
    """The time is over: what is in flight ends, the rest stays, exit 130."""
    write(tmp_path, "a.csv", numbered(1, 1000))
    table = new_table()
    slowly = {"records": 10, "in_flight": 2, "requests_per_s": 20}
    job = job_of(tmp_path, table, "a.csv", limits=slowly)
    run = load(sandbox, job, tmp_path, anyio_backend, max_duration_s=0.2)
    assert (run.code, run.report["state"]) == (130, "interrupted")
    assert run.report["seconds"] < 1
    accepted = run.report["records"]["accepted"]
    assert 0 < accepted < 1000
    assert len(set(numbers(sandbox, table))) == len(numbers(sandbox, table)) == accepted


@pytest.mark.parametrize("content", [b"", b"n,name\n", b"n,name", b"\n\n"])
def test_nothing_to_do(sandbox, tmp_path, content, anyio_backend):
    """Empty files and bare headers are no failure, and no request carries nothing."""
    write(tmp_path, "a.csv", content)
    table = new_table()
    before = sandbox.stats()["requests"]
    fields = {"n": {"type": "integer"}} if content.strip() else {}
    job = job_of(tmp_path, table, "a.csv", fields=fields)
    run = load(sandbox, job, tmp_path, anyio_backend)
    assert (run.code, counts(run.report), run.report["state"]) == (0, {}, "done")
    assert sandbox.stats()["requests"] == before


def test_a_missing_column_sends_nothing(sandbox, tmp_path):
    """What no file has is said with the nearest name; no table is made, no record is sent."""
    write(tmp_path, "a.csv", numbered(1, 9))
    table = new_table()
    before = sandbox.stats()["requests"]
    job = job_of(tmp_path, table, "a.csv", fields={"label": {"from": "nmae"}})
    with pytest.raises(SettingsError, match="'nmae'; did you mean 'name'") as caught:
        load(sandbox, job, tmp_path)
    assert caught.value.exit_code == 2
    assert sandbox.stats()["requests"] == before
    assert sandbox.http.get(f"/api/v1/schema/describe-table/{table}").status_code == 404
    assert list((tmp_path / "state" / "runs").iterdir()) == []


# --- bad records ----------------------------------------------------------------------------


def test_bad_cells_are_named(sandbox, tmp_path, anyio_backend):
    """Each reject says where it stands, to the byte; the file is nobody else's to read."""
    table = new_table()
    content = (
        b'n,name,day\r\n1,"two\r\nlines",2024-01-01\r\nx,b,2024-01-02\r\n\r\n'
        b"3,c,2024-02-30\r\n4,d\r\n5,e,2024-01-05\r\n"
    )
    path = write(tmp_path, "a.csv", content)
    fields = {"n": {"type": "integer"}, "at": {"from": "day", "type": "date"}}
    run = load(sandbox, job_of(tmp_path, table, "a.csv", fields=fields), tmp_path, anyio_backend)
    assert (run.code, run.report["state"]) == (3, "done")
    assert counts(run.report) == {"read": 5, "accepted": 2, "rejected": 3}
    assert numbers(sandbox, table) == [1, 5]
    keys = ("line", "record", "column", "field", "stage", "raw")
    assert [tuple(reject[key] for key in keys) for reject in run.rejects] == [
        (4, 2, "n", "n", "coerce", "x,b,2024-01-02"),
        (6, 3, "day", "at", "coerce", "3,c,2024-02-30"),
        (7, 4, None, None, "parse", "4,d"),
    ]
    for reject in run.rejects:
        raw = reject["raw"].encode()
        assert content[reject["byte"] : reject["byte"] + len(raw)] == raw
        assert Path(reject["file"]).name == path.name
        assert reject["reason"]
        assert reject["message"]
    kept = Path(run.report["rejects"]["file"])
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert run.report["rejects"]["by_reason"] == Counter(r["reason"] for r in run.rejects)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_count": 3}, 3),
        ({"max_count": 2}, 4),
        ({"max_count": 0}, 4),
        ({"max_ratio": 0.1}, 3),
        ({"max_ratio": 0.09}, 4),
        ({"max_ratio": 0.0}, 4),
    ],
)
def test_reject_limits_are_passed_by_strictly_more(sandbox, tmp_path, limits, code, anyio_backend):
    """Three bad records of thirty."""
    good = [f"{n},name {n}\n" for n in range(30)]
    good[3] = good[14] = good[29] = "bad,name\n"
    write(tmp_path, "a.csv", "".join(["n,name\n", *good]).encode())
    fields = {"n": {"type": "integer"}}
    job = job_of(tmp_path, new_table(), "a.csv", fields=fields, rejects=limits)
    run = load(sandbox, job, tmp_path, anyio_backend)
    assert run.code == code
    assert run.report["records"]["rejected"] == 3
    error = run.report["error"]
    assert (error and error["kind"]) == ("reject_limit" if code == 4 else None)


def table_with(server: Running, *columns: dict[str, Any]) -> str:
    """A table that was there before."""
    name = new_table()
    answer = server.http.post("/api/v1/schema/tables", json={"name": name, "columns": columns})
    assert answer.status_code == 200, answer.text
    return name


N = {"name": "n", "type": "Bigint"}
UNIQUE_N = {**N, "unique": True, "indexed": True}
EMAIL = {"name": "mail", "type": "Email"}  # the service knows what one is, we don't
PICKLIST = {"name": "kind", "type": "Picklist", "picklist_items": ["a", "b"]}


def test_what_only_the_service_knows(sandbox, tmp_path, anyio_backend):
    """A unique column and an e-mail refuse four of 2,000: just these are rejects, as they came."""
    table = table_with(sandbox, UNIQUE_N, EMAIL, PICKLIST)
    sandbox.insert(table, {"n": 5}, {"n": 777}, {"n": 2000})
    lines = [f"{n},{n}@x.org,{'ab'[n % 2]}" for n in range(1, 2001)]
    lines[1233] = "1234,nobody,a"
    lines[1998] = "1999,a@x.org,c"
    content = "\n".join(["n,mail,kind", *lines, ""]).encode()
    write(tmp_path, "a.csv", content)
    job = job_of(tmp_path, table, "a.csv", limits={"records": 500}, target={"create": False})
    run = load(sandbox, job, tmp_path, anyio_backend)
    assert run.code == 3
    assert counts(run.report) == {"read": 2000, "accepted": 1995, "rejected": 5}
    found = sorted((reject["record"], reject["raw"], reject["stage"]) for reject in run.rejects)
    stages = {5: "send", 777: "send", 1234: "send", 1999: "coerce", 2000: "send"}
    assert found == [(n, lines[n - 1], stage) for n, stage in stages.items()]
    for reject in run.rejects:
        assert reject["line"] == reject["record"] + 1
        assert content[reject["byte"] :].startswith(reject["raw"].encode() + b"\n")
    words = {reject["record"]: reject["message"] for reject in run.rejects}
    assert "mail" in words[1234]
    assert "none of a, b" in words[1999]
    assert sandbox.sql(f"select count(*) n from {table}").json()["rows"] == [{"n": 1998}]


@pytest.mark.parametrize(("records", "in_flight"), [(1, 8), (400, 1), (400, 2), (4000, 8)])
def test_a_table_that_refuses_everything(sandbox, tmp_path, records, in_flight, anyio_backend):
    """No single record is at fault: the run stops early, with the service's words."""
    table = table_with(sandbox, N, EMAIL)
    lines = (b"%d,z\n" % n for n in range(max(64, 8 * records)))
    write(tmp_path, "a.csv", b"n,mail\n" + b"".join(lines))
    limits = {"records": records, "in_flight": in_flight}
    before = sandbox.stats()["requests"]
    run = load(sandbox, job_of(tmp_path, table, "a.csv", limits=limits), tmp_path, anyio_backend)
    assert (run.code, run.report["error"]["kind"]) == (1, "target")
    assert "an e-mail" in run.report["error"]["message"].lower()
    assert run.report["records"]["accepted"] == 0
    assert sandbox.stats()["requests"] - before <= 30


@pytest.mark.parametrize(
    ("records", "bad"),
    [(100, range(0, 800, 10)), (800, range(12)), (800, range(788, 800)), (5, range(0, 800, 10))],
)
def test_many_bad_records_are_no_table_that_refuses_everything(sandbox, tmp_path, records, bad):
    """One in ten, in every batch of eight writers, or a dozen together: all the others land."""
    table = table_with(sandbox, N, EMAIL)
    lines = [f"{n},{'z' if n in bad else 'a@x.org'}\n" for n in range(800)]
    write(tmp_path, "a.csv", "".join(["n,mail\n", *lines]).encode())
    job = job_of(tmp_path, table, "a.csv", limits={"records": records, "in_flight": 8})
    run = load(sandbox, job, tmp_path)
    assert counts(run.report) == {"read": 800, "accepted": 800 - len(bad), "rejected": len(bad)}
    assert sorted(reject["record"] - 1 for reject in run.rejects) == list(bad)
    assert run.code == 3


@pytest.mark.parametrize("cut", [True, False])
def test_a_broken_gzip_among_good_files(sandbox, tmp_path, cut, anyio_backend):
    """What can be read of it lands with the others; the run is failed and names the file."""
    packed = gzip.compress(numbered(101, 5000))
    write(tmp_path, "1.csv", numbered(1, 100))
    bad = packed[: len(packed) // 2] if cut else packed[:-8] + bytes(4) + packed[-4:]
    write(tmp_path, "2.csv.gz", bad)
    write(tmp_path, "3.csv", numbered(9001, 9100))
    table = new_table()
    job = job_of(tmp_path, table, ["1.csv", "2.csv.gz", "3.csv"], limits={"records": 50})
    run = load(sandbox, job, tmp_path, anyio_backend)
    assert (run.code, run.report["state"]) == (1, "failed")
    assert run.report["error"]["kind"] == "source"
    assert "2.csv.gz" in run.report["error"]["message"]
    found = numbers(sandbox, table)
    last = found[-101]
    assert found == [*range(1, last + 1), *range(9001, 9101)]
    assert 1000 < last <= 5000
    assert run.report["records"]["accepted"] == len(found)


# --- trouble on the way ---------------------------------------------------------------------


def named_as_doubtful(run: Run) -> set[int]:
    """The n of every record in a batch that the report names; one file whose n is the record."""
    return {
        n
        for batch in run.report["ambiguous"]
        for span in batch["spans"]
        for n in range(span["first"], span["last"] + 1)
    }


def with_faults(folder: Path, *faults: str, seed: int = 1) -> Any:
    """A sandbox of the test's own with these faults."""
    options = [part for fault in faults for part in ("--fault", fault)]
    return running(folder / "data", *options, "--seed", str(seed))


@pytest.mark.usefixtures("impatient")
def test_inserts_under_faults(tmp_path, anyio_backend):
    """Accepted is in the table once; what may be doubled or missing is named; figures agree."""
    write(tmp_path, "a.csv", numbered(1, 2000))
    with with_faults(tmp_path, *FAULTS) as server:
        job = job_of(tmp_path, "t", "a.csv", limits={"records": 25, "in_flight": 8})
        run = load(server, job, tmp_path, anyio_backend)
        rows, stats = Counter(numbers(server, "t")), server.stats()
    doubtful = named_as_doubtful(run)
    assert run.code == 6
    assert counts(run.report) == {
        "read": 2000, "accepted": 2000 - len(doubtful), "ambiguous": len(doubtful),
    }  # fmt: skip
    assert 0 < len(doubtful) < 1500
    assert {n for n in range(1, 2001) if rows[n] != 1} <= doubtful
    assert any(rows[n] == 2 for n in doubtful), "nothing was doubled: the faults are too few"
    assert all(batch["resent"] for batch in run.report["ambiguous"])
    requests, by_status = run.report["requests"], stats["by_status"]
    assert requests["sent"] == stats["requests"] == sum(by_status.values())
    assert requests["failed"] == requests["sent"] - by_status["200"]
    assert requests["retried"] == requests["sent"] - 80
    assert by_status.keys() == {"200", "429", "500", "503", "reset"}
    assert run.report["bytes"]["sent"] == stats["bytes"]


def keyed_files(folder: Path, count: int, keys: int) -> dict[str, int]:
    """Two files of records with repeated keys; what the table must hold in the end."""
    draw = random.Random(7)
    wanted: dict[str, int] = {}
    for name in ("a.csv", "b.csv"):
        lines = ["key,n\n"]
        for _ in range(count):
            key = f"k{draw.randrange(keys)}"
            wanted[key] = len(wanted) * 1000 + draw.randrange(1000)
            lines.append(f"{key},{wanted[key]}\n")
        write(folder, name, "".join(lines).encode())
    return wanted


UPSERT = {"mode": "upsert", "upsert_key": "key"}


@pytest.mark.usefixtures("impatient")
def test_a_late_commit_of_an_upsert_overwrites_nothing_newer(tmp_path):
    """A lost request may commit after it was sent again: its keys are held for so long."""
    wanted = keyed_files(tmp_path, 300, 60)
    with with_faults(tmp_path, "commit-late:300ms:10%", seed=5) as server:
        limits = {"records": 20, "in_flight": 8}
        sections: dict[str, Any] = {"target": UPSERT, "limits": limits}
        sections["delivery"] = {"longest_server_s": 0.6}
        run = load(server, job_of(tmp_path, "t", ["a.csv", "b.csv"], **sections), tmp_path)
        rows = {row["key"]: row["n"] for row in server.rows("t", "key, n")}
    assert run.report["requests"]["retried"] > 0
    assert (run.code, rows) == (0, wanted)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("faults", [(), FAULTS])
def test_upserts(tmp_path, faults, anyio_backend):
    """The last record of a key wins, within and across batches and files, faults or not."""
    wanted = keyed_files(tmp_path, 600, 80)
    with with_faults(tmp_path, *faults, seed=3) as server:
        limits = {"records": 20, "in_flight": 8}
        sections: dict[str, Any] = {"target": UPSERT, "limits": limits}
        sections["delivery"] = {"longest_server_s": 0.05}
        job = job_of(tmp_path, "t", ["a.csv", "b.csv"], **sections)
        run = load(server, job, tmp_path, anyio_backend)
        rows = {row["key"]: row["n"] for row in server.rows("t", "key, n")}
        described = server.http.get("/api/v1/schema/describe-table/t").json()
        stats = server.stats()
    assert rows == wanted
    assert (run.code, run.report["ambiguous"]) == (0, [])
    assert run.report["records"]["accepted"] == run.report["records"]["read"] == 1200
    assert run.report["requests"]["sent"] == stats["requests"]
    assert stats["records_accepted"] >= 1200 - run.report["records"]["superseded"]
    column = next(c for c in described["columns"] if c["name"] == "key")
    assert (column["indexed"], column["unique"]) == (True, True)


@pytest.mark.parametrize("flags", [{}, {"indexed": True}])
def test_an_upsert_needs_a_unique_key(sandbox, tmp_path, flags):
    """A live table whose key could be there twice is refused before anything is sent."""
    table = table_with(sandbox, {"name": "key", "type": "Text", **flags}, N)
    write(tmp_path, "a.csv", b"key,n\na,1\n")
    for create in (True, False):
        job = job_of(tmp_path, table, "a.csv", target={**UPSERT, "create": create})
        with pytest.raises(SettingsError, match=r"'key'.* is not .*unique") as caught:
            load(sandbox, job, tmp_path)
        assert "indexed and unique" in caught.value.hint
    assert sandbox.rows(table) == []


def files_below(folder: Path) -> Iterator[bytes]:
    """What every file under a folder holds."""
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_wrong_token_is_said_and_never_shown(sandbox, tmp_path):
    """Not in a word, a report, a log at debug level, or any file of the state directory."""
    write(tmp_path, "a.csv", numbered(1, 3))
    token = "s3cr3t-t0ken-of-somebody"
    wrong = credentials(sandbox) | {"AIO_TOKEN": token, "INGEST_DEBUG": "1"}
    code, ran = done(
        tmp_path, "--debug", "load", "a.csv", "--to", f"avalanchio:{new_table()}", "--create",
        "--log-format", "json", env=wrong,
    )  # fmt: skip
    assert code == 2
    assert "token" in ran.stderr
    error = next(line for line in ran.stderr.splitlines() if '"event":"error"' in line)
    assert "check the token" in orjson.loads(error)["hint"]
    assert not [found for found in files_below(tmp_path) if token.encode() in found]


def test_a_token_is_in_no_log_and_no_exception(sandbox, tmp_path, caplog):
    """Every logger of every library at its most talkative, and the traceback of the refusal."""
    write(tmp_path, "a.csv", numbered(1, 3))
    caplog.set_level(logging.DEBUG)
    token = secrets.token_hex(16)
    with pytest.raises(IngestError) as caught:
        load(sandbox, job_of(tmp_path, new_table(), "a.csv"), tmp_path, token=token)
    said = "".join(traceback.TracebackException.from_exception(caught.value).format())
    assert "invalid or expired token" in said
    assert token not in said + caplog.text


def test_a_token_is_never_in_what_a_run_leaves(sandbox, tmp_path):
    """A run with rejects and a service's refusals, searched whole for the token it used."""
    table = table_with(sandbox, UNIQUE_N)
    sandbox.insert(table, {"n": 2})
    write(tmp_path, "a.csv", b"n\n1\n2\nx\n")
    token = sandbox.http.headers["Authorization"].removeprefix("Bearer ").encode()
    code, ran = done(
        tmp_path, "load", "a.csv", "--to", f"avalanchio:{table}",
        env=credentials(sandbox) | {"INGEST_DEBUG": "1"},
    )  # fmt: skip
    assert (code, counts(ran.report)) == (3, {"read": 3, "accepted": 1, "rejected": 2})
    assert len(rejects_of(ran.report)) == 2
    assert not [found for found in files_below(tmp_path) if b"Bearer" in found or token in found]


def test_a_job_can_not_direct_a_token_elsewhere(sandbox, tmp_path):
    """A job file that names another host gets no token, and nothing is opened there."""
    write(tmp_path, "a.csv", numbered(1, 3))
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        job = job_of(tmp_path, new_table(), "a.csv", target={"base_url": url})
        with pytest.raises(SettingsError, match=r"the job names .* belongs to") as caught:
            load(sandbox, job, tmp_path)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert caught.value.exit_code == 2
    assert "AIO_ALLOW_HOST" in caught.value.hint


# --- signals --------------------------------------------------------------------------------


def loading(folder: Path, server: Running, table: str, *more: str) -> Any:
    """The command, loading 5,000 records ten at a time by four writers."""
    write(folder, "a.csv", numbered(1, 5000))
    return command(
        folder, "load", "a.csv", "--to", f"avalanchio:{table}", "--create", "--progress", "none",
        "--set", "limits.records=10", "--set", "limits.in_flight=4", *more,
        env=credentials(server),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_drains(slow_sandbox, tmp_path, number, code):
    """What is in flight ends and is accepted; the table holds exactly what the report says."""
    table = new_table()
    with loading(tmp_path, slow_sandbox, table) as ran:
        ran.until(lambda: slow_sandbox.stats()["concurrent"] >= 3, "requests in flight")
        ran.tell(number)
        assert ran.ended() == code, ran.stderr
    report = ran.report
    assert (report["state"], report["exit_code"], report["ambiguous"]) == ("interrupted", code, [])
    accepted = report["records"]["accepted"]
    assert 0 < accepted < 5000
    assert numbers(slow_sandbox, table) == list(range(1, accepted + 1))
    assert processes(tmp_path) == []


@pytest.fixture(scope="module")
def stuck_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One whose answers come later than anybody waits here."""
    with running(tmp_path_factory.mktemp("stuck"), "--fault", "slow:4s:100%") as one:
        yield one


def four_in_flight(server: Running) -> Callable[[], bool]:
    """Asks whether the server holds four requests more than now."""
    before = server.stats()["requests"]
    return lambda: server.stats()["requests"] == before + 4


def lost_in_flight(report: dict[str, Any]) -> None:
    """Four bodies of ten records were dropped while the server had them."""
    assert report["requests"] == {"sent": 4, "retried": 0, "failed": 0, "isolated": 0}
    assert (report["records"]["accepted"], report["records"]["ambiguous"]) == (0, 40)
    assert [batch["resent"] for batch in report["ambiguous"]] == [False] * 4
    assert {batch["batch"] for batch in report["ambiguous"]} == {1, 2, 3, 4}


def test_a_second_signal_stops_at_once(stuck_sandbox, tmp_path):
    """What was in flight is ambiguous, named, and never counted as accepted."""
    arrived = four_in_flight(stuck_sandbox)
    with loading(tmp_path, stuck_sandbox, new_table()) as ran:
        ran.until(arrived, "four requests in flight")
        ran.tell(signal.SIGINT)
        ran.until(lambda: "interrupted" in ran.stderr, "word of the first signal")
        ran.tell(signal.SIGINT)
        assert ran.process.wait(3) == 130, ran.stderr
    lost_in_flight(ran.report)


def test_the_grace_ends_what_does_not_end(stuck_sandbox, tmp_path):
    """One signal, and requests that take longer than the grace."""
    arrived = four_in_flight(stuck_sandbox)
    with loading(tmp_path, stuck_sandbox, new_table(), "--grace", "0.2s") as ran:
        ran.until(arrived, "four requests in flight")
        ran.tell(signal.SIGTERM)
        assert ran.process.wait(3) == 143, ran.stderr
    lost_in_flight(ran.report)


def test_a_signal_ends_a_pause(tmp_path):
    """The service asked for a minute; nobody who presses Ctrl-C waits for it."""
    with with_faults(tmp_path, "429:100%:60s") as server, loading(tmp_path, server, "t") as ran:
        ran.until(lambda: server.stats()["by_status"].get("429", 0) > 0, "an answer")
        ran.tell(signal.SIGINT)
        assert ran.process.wait(5) == 130, ran.stderr
    report = ran.report
    assert counts(report) == {"read": 5000, "unsent": 5000}
    assert 1 <= report["requests"]["sent"] == report["requests"]["failed"] <= 4


LONG = (
    "with recursive c(x) as (select 1 union all select x + 1 from c limit 6000000)"
    " select count(*) from c"
)


def is_busy(server: Running) -> bool:
    """Whether the server's tables are in use, so that nobody else is answered."""
    try:
        server.http.get("/api/v1/schema/tables", timeout=0.3)
    except httpx.ReadTimeout:
        return True
    return False


def test_a_signal_while_rows_are_asked_back(tmp_path):
    """The load is done and its report is kept, though nobody waited for the rows."""
    more = ("--set", "limits.records=5000", "--ask", LONG)
    with with_faults(tmp_path) as server, loading(tmp_path, server, "t", *more) as ran:
        ran.until(lambda: is_busy(server), "the question")
        ran.tell(signal.SIGINT)
        assert ran.process.wait(5) == 130, ran.stderr
    assert counts(ran.report) == {"read": 5000, "accepted": 5000}
    assert (ran.report["state"], ran.stdout) == ("interrupted", b"")


OWN_SANDBOX = (
    "--base-url", "sandbox", "--set", "limits.requests_per_s=20", "--log-format", "json",
)  # fmt: skip


def some_landed(ran: Command) -> bool:
    """Whether the run's own sandbox, whose port the log tells, has accepted a request."""
    started = [line for line in ran.stderr.splitlines() if '"event":"started"' in line]
    if not started:
        return False
    address = orjson.loads(started[0])["target"].split()[1]
    stats = httpx.get(f"http://{address}/_sandbox/stats", headers=HEADERS, trust_env=False).json()
    return bool(stats["by_status"].get("200"))


def kept_rows(folder: Path) -> list[int]:
    """The rows that a run's own sandbox left in its file."""
    with closing(sqlite3.connect(folder / "state" / "sandbox" / "sandbox.sqlite")) as db:
        return [n for (n,) in db.execute("select n from t")]


def test_a_run_takes_its_sandbox_with_it(sandbox, tmp_path):
    """The child outlives the signal, so that what is in flight ends; then it is gone."""
    with loading(tmp_path, sandbox, "t", *OWN_SANDBOX) as ran:
        ran.until(lambda: some_landed(ran), "the first rows")
        assert len(processes(tmp_path)) == 2
        ran.tell(signal.SIGINT)
        assert ran.ended() == 130, ran.stderr
    assert processes(tmp_path) == []
    kept = kept_rows(tmp_path)
    assert len(set(kept)) == len(kept) == ran.report["records"]["accepted"]
    assert ran.report["ambiguous"] == []


def test_a_killed_run_leaves_no_sandbox(sandbox, tmp_path):
    """SIGKILL can't be heeded; the child sees its standard input end."""
    with loading(tmp_path, sandbox, "t", *OWN_SANDBOX) as ran:
        ran.until(lambda: some_landed(ran), "the first rows")
        ran.tell(signal.SIGKILL)
        assert ran.ended() == -signal.SIGKILL
    until(lambda: processes(tmp_path) == [], "the sandbox's end")


# --- odd surroundings -----------------------------------------------------------------------


def test_few_file_handles(sandbox, tmp_path):
    """A hundred files under `ulimit -n 64`."""
    (tmp_path / "many").mkdir()
    for n in range(100):
        write(tmp_path / "many", f"{n:03}.csv.gz", gzip.compress(numbered(n * 5 + 1, n * 5 + 5)))
    table = new_table()
    prefix = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    code, ran = done(
        tmp_path, "load", "many", "--to", f"avalanchio:{table}", "--create", prefix=prefix,
        env=credentials(sandbox),
    )  # fmt: skip
    assert code == 0, ran.stderr
    assert numbers(sandbox, table) == list(range(1, 501))


def test_no_home_no_locale_no_place_to_write(sandbox, tmp_path):
    """A job file, LANG=C, no HOME, a working directory in which nobody can make anything: the
    state lies elsewhere, rows are on standard output, words on standard error."""
    table = new_table()
    write(tmp_path, "größe.csv", numbered(1, 3))
    job = f'[source]\npaths = "größe.csv"\n[target]\nsystem = "avalanchio"\ntable = "{table}"\n'
    write(tmp_path, "job.toml", f"{job}create = true\n".encode())
    ask = f"select n from {table} order by n"
    nowhere = Path("/proc")  # root can make nothing there either
    env = credentials(sandbox) | {"LANG": "C", "LC_ALL": "C"}
    code, ran = done(tmp_path, "run", tmp_path / "job.toml", "--ask", ask, cwd=nowhere, env=env)
    assert (code, ran.stdout) == (0, b'{"n":1}\n{"n":2}\n{"n":3}\n'), ran.stderr
    assert counts(ran.report) == {"read": 3, "accepted": 3}
    assert ran.report["files"][0]["path"] == "größe.csv"
    assert "exit code 0" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_state_directory_that_can_not_be(sandbox, tmp_path):
    """Exit 2, naming the option; nothing is sent."""
    path = write(tmp_path, "a.csv", numbered(1, 5))
    (tmp_path / "state").write_bytes(b"a file stands there")
    before = sandbox.stats()["requests"]
    target = f"avalanchio:{new_table()}"
    code, ran = done(tmp_path, "load", path, "--to", target, "--create", env=credentials(sandbox))
    assert (code, "--state-dir" in ran.stderr) == (2, True)
    assert sandbox.stats()["requests"] == before


def test_what_raises_is_one_of_ours(sandbox, tmp_path):
    """A file that is not there, a table that is not there: an error of ours with a way on."""
    write(tmp_path, "a.csv", numbered(1, 5))
    for job in (
        job_of(tmp_path, new_table(), "missing.csv"),
        job_of(tmp_path, new_table(), "a.csv", target={"create": False}),
    ):
        with pytest.raises(IngestError) as caught:
            load(sandbox, job, tmp_path)
        assert caught.value.hint
    assert list((tmp_path / "state" / "runs").iterdir()) == []


def test_a_refused_record_supersedes_none(sandbox, tmp_path):
    """The later record of a key is refused: the earlier one is not silently lost with it."""
    columns = {"name": "key", "type": "Text", "indexed": True, "unique": True}, EMAIL
    table = table_with(sandbox, *columns)
    write(tmp_path, "a.csv", b"key,mail\nk1,a@x.org\nk2,b@x.org\nk1,nobody\n")
    run = load(sandbox, job_of(tmp_path, table, "a.csv", target=UPSERT), tmp_path)
    in_table = {row["key"] for row in sandbox.rows(table, "key")}
    named = {reject["record"] for reject in run.rejects}
    assert (in_table, named) == ({"k1", "k2"}, {3})
    assert run.report["records"]["superseded"] == 0
