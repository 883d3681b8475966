"""Faults seen by a client over a real socket, counts, recorded bodies, discarding."""

import gzip
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from ingest.sandbox.body import BODY_BYTES
from tests.sandbox.conftest import API, Running, Start

AGE = {"name": "age", "type": "Integer"}


def raw_insert(sandbox: Running, table: str, body: bytes = b'{"records":[{"age":1}]}') -> bytes:
    """What comes back on a bare socket until its end; ConnectionResetError at an RST."""
    url = httpx.URL(sandbox.url)
    with socket.create_connection((url.host, url.port or 0), timeout=30) as peer:
        peer.sendall(
            f"POST {API}/tables/{table} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer sandbox\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return b"".join(iter(lambda: peer.recv(4096), b""))


def count(sandbox: Running, table: str) -> int:
    """The rows of a table."""
    (row,) = sandbox.sql(f"select count(*) as n from {table}").json()["rows"]
    return int(row["n"])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_is_answered_and_nothing_done(start: Start, status: int) -> None:
    """To the first two requests with records, and to no other; with no Retry-After unasked."""
    sandbox = start("--fault", f"{status}:first2")
    table = sandbox.make(AGE)
    answers = [sandbox.insert(table, {"age": n}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [status, status, 200, 200]
    assert answers[0].json()["error"]["status"] == status
    assert "retry-after" not in answers[0].headers
    assert [row["age"] for row in sandbox.rows(table)] == [2, 3]


@pytest.mark.parametrize(("wait", "header"), [("2s", "2"), ("0s", "0"), ("200ms", "1")])
def test_retry_after_counts_whole_seconds(start: Start, wait: str, header: str) -> None:
    """Rounded up."""
    sandbox = start("--fault", f"429:100%:{wait}")
    assert sandbox.insert(sandbox.make(AGE)).headers["retry-after"] == header


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_reset_before(start: Start, size: int) -> None:
    """An RST and no row, also for a large body."""
    sandbox = start("--fault", "reset-before:first1")
    table = sandbox.make(AGE)
    with pytest.raises(ConnectionResetError):
        raw_insert(sandbox, table, b'{"records":[{"age":1}]}' + b" " * size)
    assert count(sandbox, table) == 0
    assert raw_insert(sandbox, table).startswith(b"HTTP/1.1 200 ")


def test_reset_after_commit(start: Start) -> None:
    """An RST, and the row is there; a client library sees a broken connection."""
    sandbox = start("--fault", "reset-after-commit:first2")
    table = sandbox.make(AGE)
    with pytest.raises(ConnectionResetError):
        raw_insert(sandbox, table)
    assert count(sandbox, table) == 1
    with pytest.raises(httpx.ReadError):
        sandbox.insert(table, {"age": 2})
    assert count(sandbox, table) == 2
    assert sandbox.stats()["by_status"] == {"reset": 2}
    assert sandbox.stats()["records_accepted"] == 2


def test_commit_late(start: Start) -> None:
    """An RST at once, nothing there at the first look, the row there later."""
    sandbox = start("--fault", "commit-late:1s:first1")
    table = sandbox.make(AGE)
    with pytest.raises(ConnectionResetError):
        raw_insert(sandbox, table)
    assert count(sandbox, table) == 0
    deadline = time.monotonic() + 30
    while count(sandbox, table) == 0:
        assert time.monotonic() < deadline, "the late commit never came"


def test_late_commits_are_done_when_the_server_ends(start: Start) -> None:
    """Not lost, and not waited for."""
    sandbox = start("--fault", "commit-late:1000s:first1")
    table = sandbox.make(AGE)
    with pytest.raises(ConnectionResetError):
        raw_insert(sandbox, table)
    assert sandbox.process.stdin is not None
    sandbox.process.stdin.close()
    assert sandbox.process.wait(30) == 0
    assert count(start(), table) == 1


def test_slow(start: Start) -> None:
    """Takes at least its time, and then is served."""
    sandbox = start("--fault", "slow:300ms:first1")
    table = sandbox.make(AGE)
    before = time.monotonic()
    assert sandbox.insert(table, {"age": 1}).status_code == 200
    assert time.monotonic() - before >= 0.3


def test_requests_without_records_have_no_faults(start: Start) -> None:
    """Schema, SQL, deletes and counts are never hit."""
    sandbox = start("--fault", "500:100%", "--fault", "slow:10s:100%")
    table = sandbox.make(AGE)
    assert sandbox.rows(table) == []
    path = f"{API}/tables/{table}/delete-by-query"
    assert sandbox.http.delete(path, params={"q": "age = 1"}).status_code == 200
    assert sandbox.stats()["requests"] == 0


def test_a_seed_gives_the_same_fates_again(start: Start) -> None:
    """And another one others."""
    fates = []
    for seed in ("1", "1", "2"):
        sandbox = start("--fault", "429:50%", "--seed", seed)
        table = sandbox.make(AGE)
        fates.append([sandbox.insert(table).status_code for _ in range(20)])
    assert fates[0] == fates[1]
    assert fates[0] != fates[2]


def test_counts(start: Start) -> None:
    """Requests by status, records, bytes, the largest of each."""
    sandbox = start()
    table = sandbox.make(AGE)
    bodies = [b'{"records":[{"age":1}]}', b'{"records":[{},{}]}   ', b'{"records":[{"age":"x"}]}']
    for body in bodies:
        sandbox.http.post(f"{API}/tables/{table}", content=body)
    sandbox.http.post(f"{API}/tables/{table}", content=b" " * (BODY_BYTES + 1))
    sandbox.insert("nowhere")
    assert sandbox.stats() == {
        "requests": 5,
        "by_status": {"200": 2, "400": 1, "404": 1, "413": 1},
        "records_accepted": 3,
        "bytes": sum(map(len, bodies)) + len(b'{"records":[]}'),
        "largest_body": max(map(len, bodies)),
        "largest_records": 2,
        "concurrent": 0,
        "max_concurrent": 1,
    }


@pytest.mark.parametrize("number", [1, 2, 5])
def test_concurrent_requests_are_counted(start: Start, number: int) -> None:
    """The most there were at once."""
    sandbox = start("--fault", "slow:300ms:100%")
    table = sandbox.make(AGE)
    threads = [threading.Thread(target=raw_insert, args=(sandbox, table)) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.stats()["max_concurrent"] == number


def test_a_client_that_goes_away(start: Start) -> None:
    """In the middle of its body: counted, nothing stored."""
    sandbox = start()
    table = sandbox.make(AGE)
    url = httpx.URL(sandbox.url)
    with socket.create_connection((url.host, url.port or 0), timeout=30) as peer:
        peer.sendall(
            f"POST {API}/tables/{table} HTTP/1.1\r\nHost: localhost\r\n"
            'Authorization: Bearer sandbox\r\nContent-Length: 50\r\n\r\n{"records":'.encode()
        )
    deadline = time.monotonic() + 30
    while sandbox.stats()["by_status"] != {"disconnected": 1}:
        assert time.monotonic() < deadline, sandbox.stats()
    assert count(sandbox, table) == 0


@pytest.mark.parametrize("discard", [False, True])
def test_bodies_are_recorded_as_they_came(start: Start, tmp_path: Path, discard: bool) -> None:
    """Accepted, refused, hit by a fault or packed: byte for byte, in order; later ones after."""
    options = ["--record", str(tmp_path / "bodies"), "--fault", "429:first1"]
    bodies = [
        b'{"records": []}',
        b"no json",
        b'{"records": [{}]}',
        gzip.compress(b'{"records":[]}'),
    ]
    for _ in range(2):
        sandbox = start(*options, *(["--discard"] if discard else []))
        table = sandbox.make(AGE)
        for body in bodies:
            packed = {"content-encoding": "gzip"} if body.startswith(b"\x1f") else {}
            sandbox.http.post(f"{API}/tables/{table}", content=body, headers=packed)
    files = sorted((tmp_path / "bodies").iterdir())
    assert [file.name for file in files] == [f"{n:06d}.json" for n in range(1, 9)]
    assert [file.read_bytes() for file in files] == bodies * 2


def test_discard_counts_and_throws_away(start: Start) -> None:
    """Nothing is parsed or stored; limits of size, keys and faults are as ever."""
    sandbox = start("--discard", "--fault", "500:first1")
    table = sandbox.make(AGE)
    body = b"x" * BODY_BYTES
    path = f"{API}/tables/{table}"
    statuses = [sandbox.http.post(path, content=body).status_code for _ in range(3)]
    assert statuses == [500, 200, 200]
    assert sandbox.http.post(path, content=body + b"x").status_code == 413
    assert sandbox.http.post(path, content=iter([body, b"x"])).status_code == 413
    assert sandbox.http.post(path, headers={"Authorization": "Bearer x"}).status_code == 403
    stats = sandbox.stats()
    assert stats["by_status"] == {"200": 2, "413": 2, "500": 1}
    assert stats["bytes"] == 3 * BODY_BYTES
    assert stats["records_accepted"] == count(sandbox, table) == 0
