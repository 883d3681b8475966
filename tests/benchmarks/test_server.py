"""The discarding server: what it counts, and that a loader's requests get the answers they need."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import orjson
import pytest

from benchmarks.connection import BUFFER_BYTES
from benchmarks.handle import DiscardingServer
from benchmarks.measure import ROOT
from benchmarks.rows_hash import RowsHash
from ingest.model import Column, Verdict
from ingest.protocols import TableWish
from ingest.targets.avalanchio import AvalanchioTarget, request_headers
from ingest.wire import Secret, Wire
from tests.batches import made_batch

PATH = "/api/v1/tables/stock"


def request(body: bytes, path: str = PATH, method: str = "POST") -> bytes:
    """A request as it stands on the wire."""
    return b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (
        method.encode(),
        path.encode(),
        len(body),
        body,
    )


def records(count: int, text: str = "") -> bytes:
    """A body with so many records."""
    return orjson.dumps({"records": [{"n": n, "text": text} for n in range(count)]})


def exchange(server: DiscardingServer, *parts: bytes, answers: int) -> bytes:
    """Send the parts, each in a packet of its own; all that comes back."""
    address = urlsplit(server.url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        said = b""
        while said.count(b"HTTP/1.1") < answers or not said.endswith(b"}"):
            received = connection.recv(65536)
            assert received, said
            said += received
    return said


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
@pytest.mark.parametrize("verify", [True, False])
def test_it_counts_requests_records_and_bytes(count: int, verify: bool) -> None:
    """Counted braces and parsed records agree; only a verifying server has a hash."""
    with DiscardingServer(verify=verify) as server:
        body = records(count)
        said = exchange(server, request(body), request(body), answers=2)
        received = server.received()
    assert said.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert (received.requests, received.records) == (2, 2 * count)
    assert received.size_bytes == 2 * len(body)
    assert (received.rows_hash is not None) == verify


def test_the_hash_is_of_the_rows_that_came(server: DiscardingServer) -> None:
    """It equals the hash of the same rows made here."""
    exchange(server, request(records(3)), answers=1)
    expected = RowsHash()
    expected.add({"n": n, "text": ""} for n in range(3))
    assert server.received().rows_hash == expected.hexdigest


def test_how_the_bytes_arrive_is_nothing(server: DiscardingServer) -> None:
    """Byte by byte, two requests in one packet, and a body larger than the buffer."""
    one = request(records(2))
    exchange(server, *(one[i : i + 1] for i in range(len(one))), answers=1)
    exchange(server, one + one, answers=2)
    large = records(3, "x" * BUFFER_BYTES)
    exchange(server, request(large) + one, answers=2)
    received = server.received()
    assert (received.requests, received.records) == (5, 2 + 4 + 3 + 2)


def chunked(body: bytes, size: int) -> bytes:
    """The same body in chunks, to where bare arrays go."""
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    chunks = b"".join(b"%x;note\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"POST /rows HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_arrays_may_come_in_chunks(server: DiscardingServer, size: int) -> None:
    """The rows are those of an envelope, however the chunks and the packets are cut."""
    rows = [{"n": n, "text": ""} for n in range(30)]
    exchange(server, request(orjson.dumps({"records": rows})), answers=1)
    expected = server.received().rows_hash
    server.reset()
    sent = chunked(orjson.dumps(rows), size)
    exchange(server, sent, answers=1)
    assert (server.received().records, server.received().rows_hash) == (30, expected)
    exchange(server, *(sent[i : i + 1] for i in range(len(sent))), answers=1)
    exchange(server, sent + request(records(2)), answers=2)
    assert (server.received().requests, server.received().records) == (4, 92)


def test_a_chunk_may_be_larger_than_the_buffer(server: DiscardingServer) -> None:
    """Chunks are received in parts like any body; braces are counted where nothing is kept."""
    body = orjson.dumps([{"n": n, "text": "x" * BUFFER_BYTES} for n in range(3)])
    exchange(server, chunked(body, len(body)), answers=1)
    assert (server.received().records, server.received().size_bytes) == (3, len(body))
    with DiscardingServer() as quick:
        exchange(quick, chunked(body, BUFFER_BYTES + 1), answers=1)
        assert (quick.received().records, quick.received().size_bytes) == (3, len(body))


def test_a_frozen_server_goes_on_later(server: DiscardingServer) -> None:
    """It answers nothing while it is frozen, and everything afterwards."""
    started = time.monotonic()
    with server.frozen(0.0, 0.3):
        while time.monotonic() - started < 0.3:
            exchange(server, request(records(1)), answers=1)
    assert server.received().records >= 1


def test_reset_forgets(server: DiscardingServer) -> None:
    """Counts, hash and tables are as at the start."""
    exchange(server, request(records(2)), answers=1)
    exchange(server, request(b'{"name":"t","columns":[]}', "/api/v1/schema/tables"), answers=1)
    server.reset()
    received = server.received()
    assert (received.requests, received.records, received.size_bytes) == (0, 0, 0)
    assert received.rows_hash == "0" * 32
    described = request(b"", "/api/v1/schema/describe-table/t", "GET")
    assert b" 404 " in exchange(server, described, answers=1)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/users/other/x"])
def test_what_it_does_not_know_is_a_404(server: DiscardingServer, path: str) -> None:
    """An unknown path is refused, so that a loader can't be quick by posting elsewhere."""
    assert b" 404 " in exchange(server, request(b"{}", path), answers=1)


@pytest.mark.anyio
async def test_our_target_finds_what_it_asks_for(server: DiscardingServer) -> None:
    """Describe, create, widen and send, by the real client."""
    wire = Wire(server.url, request_headers(Secret("benchmark")))
    target = AvalanchioTarget(wire, "stock")
    first = TableWish("stock", {}, (Column("n", "Bigint"),))
    second = TableWish("stock", {}, (Column("n", "Bigint"), Column("m", "Text")))
    async with target.opened():
        assert await target.describe() is None
        assert [c.name for c in (await target.ensure(first)).columns] == ["n"]
        assert [c.name for c in (await target.ensure(second)).columns] == ["n", "m"]
        assert await target.send(made_batch(target.envelope, [{"n": 1}])) == Verdict()
    assert server.received().records == 1


def test_a_slow_server_answers_later() -> None:
    """The body is taken at once, the answer comes after the delay."""
    with DiscardingServer(delay_ms=60) as server:
        started = time.monotonic()
        exchange(server, request(records(1)), answers=1)
        waited_s = time.monotonic() - started
    assert waited_s >= 0.06


def test_it_ends_with_its_standard_input() -> None:
    """Nobody has to kill it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        assert b"ready" in process.stdout.readline()
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
