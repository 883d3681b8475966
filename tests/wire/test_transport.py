"""The transport below httpx's client: whose connection, how long, how many, and no other origin.

What answers mean and where an attempt broke off is asked of the whole wire in `test_client`; here
is what only the transport decides.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest

from ingest.errors import Ambiguous, Retryable
from ingest.wire import Timeouts, Wire
from ingest.wire.address import parse_base_url
from ingest.wire.connection import IDLE_S
from ingest.wire.exchange import make_client
from ingest.wire.transport import ServiceTransport
from tests.batches import sized_batch
from tests.certificates import own_certificate, secured, server_tls
from tests.fake_server import FakeServer, Line, Request, replay, response
from tests.wire.scripts import (
    BEYOND_BUFFERS,
    OK,
    Clock,
    close_after_body,
    cut_in_headers,
    deaf,
    reset_after_body,
    silent,
    wire_to,
)

pytestmark = pytest.mark.anyio


@dataclass
class Gates:
    """Moments that a script of the server and the test wait for."""

    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@asynccontextmanager
async def client_to(
    server: FakeServer, connections: int = 1, clock: Clock | None = None, **limits: float
) -> AsyncIterator[httpx.AsyncClient]:
    """A client over the transport, with a clock that stands still."""
    address = parse_base_url(server.base_url)
    client = make_client(address, Timeouts(**limits), connections, clock=clock or Clock())
    async with client:
        yield client


async def reached(gate: threading.Event) -> None:
    """The script came so far."""
    assert await anyio.to_thread.run_sync(gate.wait, 10)


# --- used again, or not -------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [1, 2, 20])
async def test_one_connection_for_requests_in_turn(requests):
    """Whatever their bodies are."""
    with FakeServer(replay(OK)) as server:
        async with client_to(server) as client:
            for number in range(requests):
                answer = await client.post(server.base_url, content=b"x" * number)
                assert answer.json() == {"count": 1}
    assert [len(request.body) for request in server.requests] == list(range(requests))
    assert server.connections == 1


@pytest.mark.parametrize(("idle_s", "connections"), [(0.0, 1), (IDLE_S, 1), (IDLE_S + 0.01, 2)])
async def test_an_idle_connection_grows_old(idle_s, connections):
    """At the limit it is still used."""
    clock = Clock()
    with FakeServer(replay(OK)) as server:
        async with client_to(server, clock=clock) as client:
            await client.get(server.base_url)
            clock.now += idle_s
            await client.get(server.base_url)
    assert server.connections == connections


async def test_those_too_many_are_closed_as_soon_as_they_are_old():
    """The latest is used first; the next request closes those that grew old meanwhile."""
    ended = threading.Semaphore(0)

    def until_closed(line: Line) -> None:
        replay(OK)(line)
        ended.release()

    clock = Clock()
    with FakeServer(until_closed) as server:
        async with client_to(server, connections=3, clock=clock) as client:
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(client.get, server.base_url)
            assert server.connections == 3
            for _ in range(2):
                clock.now += IDLE_S - 1
                await client.get(server.base_url)
            for _ in range(2):
                assert await anyio.to_thread.run_sync(lambda: ended.acquire(timeout=10))
            assert not ended.acquire(blocking=False)
    assert server.connections == 3


def hangs_up(gates: Gates) -> Callable[[Line], None]:
    """Answer once as if the connection were kept, then close it."""

    def script(line: Line) -> None:
        line.read()
        line.send(OK)
        line.sock.shutdown(1)
        gates.reached.set()
        line.sock.recv(1)

    return script


def speaks_unasked(gates: Gates) -> Callable[[Line], None]:
    """Answer once; when it is idle, send a second answer that nobody asked for."""

    def script(line: Line) -> None:
        line.read()
        line.send(OK)
        gates.go_on.wait(10)
        line.send(response(200, b'{"count":999}'))
        gates.reached.set()
        line.wait()

    return script


@pytest.mark.parametrize("script", [hangs_up, speaks_unasked])
async def test_what_comes_on_an_idle_connection_is_no_answer(script):
    """A connection that closed, or spoke unasked, is not used for the next request."""
    gates = Gates()
    with FakeServer(script(gates), replay(OK)) as server:
        async with client_to(server) as client:
            await client.get(server.base_url + "/1")
            gates.go_on.set()
            await reached(gates.reached)
            assert (await client.get(server.base_url + "/2")).json() == {"count": 1}
    assert server.connections == 2
    assert [request.line for request in server.requests] == ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"]


async def test_two_answers_to_one_request():
    """What is left over behind an answer would be taken for the next one."""
    with FakeServer(replay(OK + response(200, b'{"count":999}')), replay(OK)) as server:
        async with client_to(server) as client:
            for _ in range(2):
                assert (await client.get(server.base_url)).json() == {"count": 1}
    assert server.connections == 2


@pytest.mark.parametrize(
    "first",
    [
        response(200, b"{}", headers={"Connection": "close"}),
        b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["close", "HTTP/1.0"],
)
async def test_a_server_that_keeps_no_connection(first):
    """Its word is taken before it closes."""
    with FakeServer(replay(first), replay(OK)) as server:
        async with client_to(server) as client:
            assert (await client.get(server.base_url)).json() == {}
            assert (await client.get(server.base_url)).json() == {"count": 1}
    assert server.connections == 2


async def test_an_answer_left_unread_ends_its_connection():
    """The rest of it would be in the way."""
    with FakeServer(replay(response(200, b"x" * 1_000_000)), replay(OK)) as server:
        async with client_to(server) as client:
            async with client.stream("GET", server.base_url) as answer:
                assert answer.status_code == 200
            assert (await client.get(server.base_url)).json() == {"count": 1}
    assert server.connections == 2


@pytest.mark.parametrize("between", [b"100 Continue", b"103 Early Hints"])
async def test_what_is_said_before_the_answer_is_passed_over(between):
    """One exchange, and the connection is good for the next."""
    with FakeServer(replay(b"HTTP/1.1 " + between + b"\r\n\r\n" + OK)) as server:
        async with client_to(server) as client:
            for _ in range(2):
                assert (await client.get(server.base_url)).json() == {"count": 1}
    assert server.connections == 1


async def test_another_protocol_that_nobody_asked_for():
    """101 is no answer to a batch: nobody knows what became of it."""
    with FakeServer(replay(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")) as server:
        async with wire_to(server) as wire:
            with pytest.raises(Ambiguous):
                await wire.post_batch("/", sized_batch(100))


# --- how many -----------------------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 2, 5])
async def test_never_more_than_so_many(connections):
    """The next one waits, for a time; who gives up leaves the place of the others alone."""
    with FakeServer(silent) as server:
        async with (
            client_to(server, connections, pool_s=0.05) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(connections):
                tasks.start_soon(client.get, server.base_url)
            with anyio.fail_after(10):
                while server.connections < connections:
                    await anyio.lowlevel.checkpoint()
            with pytest.raises(httpx.PoolTimeout):
                await client.get(server.base_url)
            tasks.cancel_scope.cancel()
    assert server.connections == connections


@pytest.mark.parametrize("failures", [1, 2, 20])
async def test_a_failed_request_gives_its_place_back(failures):
    """However it failed, another may go."""
    scripts = [lambda line: line.reset()] * failures
    with FakeServer(*scripts, replay(OK)) as server:
        async with client_to(server, pool_s=0.05) as client:
            for _ in range(failures):
                with pytest.raises(httpx.TransportError):
                    await client.post(server.base_url, content=b"x" * 1_000)
            assert (await client.get(server.base_url)).json() == {"count": 1}


@pytest.mark.parametrize("script", [deaf, silent])
async def test_a_cancelled_request_gives_its_place_back(script):
    """Amid the body, or while it waits for the answer."""
    with FakeServer(script, replay(OK)) as server:
        async with client_to(server, pool_s=0.05) as client:
            with anyio.move_on_after(0.1) as scope:
                await client.post(server.base_url, content=b"x" * BEYOND_BUFFERS)
            assert scope.cancelled_caught
            assert (await client.get(server.base_url)).json() == {"count": 1}


# --- what is sent -------------------------------------------------------------------------------


class Body(httpx.AsyncByteStream):
    """A body of so many pieces of ten bytes."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        self.pieces -= 1
        if self.pieces < 0:
            raise StopAsyncIteration
        return b"0123456789"


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_body_of_another_length_than_announced(pieces):
    """It is not sent on as if it were right, and its connection is not used again."""
    with FakeServer(replay(OK)) as server:
        async with client_to(server) as client:
            request = client.build_request(
                "POST", server.base_url, headers={"Content-Length": "20"}
            )
            request.stream = Body(pieces)
            with pytest.raises(httpx.LocalProtocolError):
                await client.send(request)
            assert (await client.get(server.base_url)).json() == {"count": 1}
    assert server.connections == 2


async def test_a_small_call_that_breaks_as_it_is_sent():
    """Its body is a generator of httpx: one that is not exhausted would warn on trio."""
    with FakeServer(lambda line: line.reset()) as server:
        async with client_to(server) as client:
            with pytest.raises(httpx.TransportError):
                await client.post(server.base_url, content=b"x" * BEYOND_BUFFERS)


@pytest.mark.parametrize("other", ["http://127.0.0.1:1/", "https://127.0.0.1/", "http://other/"])
async def test_no_other_origin(other):
    """A token for this service must not travel elsewhere, nor another's to this one."""
    with FakeServer(replay(OK)) as server:
        async with client_to(server) as client:
            await client.get(server.base_url)
            with pytest.raises(httpx.UnsupportedProtocol, match="another origin"):
                await client.get(other)
            await client.get(server.base_url)
        port = server.port
    assert [request.headers["host"] for request in server.requests] == [f"127.0.0.1:{port}"] * 2


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
async def test_names_and_addresses_of_the_sixth_version(host):
    """A name of both kinds of addresses, of which one answers; and an address in brackets."""
    async with await anyio.create_tcp_listener(local_host=host.strip("[]")) as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        async def serve(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                await stream.receive()
                await stream.send(OK)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            async with Wire(f"http://{host}:{port}") as wire:
                answer = await wire.post_batch("/", sized_batch(100))
            tasks.cancel_scope.cancel()
    assert answer.value == {"count": 1}


# --- a proxy in between -------------------------------------------------------------------------


def sends_by_ours(url: str) -> bool:
    """Whether a client for this service sends by our transport."""
    client = make_client(parse_base_url(url), Timeouts(), 1)
    return isinstance(client._transport, ServiceTransport)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_asked(monkeypatch, name):
    """For another machine; the whole address goes to it."""
    with FakeServer(replay(OK)) as proxy:
        monkeypatch.setenv(name, proxy.base_url)
        async with Wire("http://apps.example.com") as wire:
            answer = await wire.post_batch("/api", sized_batch(100))
    assert answer.value == {"count": 1}
    assert [request.line for request in proxy.requests] == [
        "POST http://apps.example.com/api HTTP/1.1"
    ]


def test_our_transport_wherever_no_proxy_is_named(monkeypatch):
    """A proxy for the other scheme is none, nor one that this machine would be asked by."""
    for scheme in ("http", "https", "all"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    assert sends_by_ours("https://apps.example.com")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert sends_by_ours("https://apps.example.com")
    assert sends_by_ours("http://127.0.0.1:8080")
    assert not sends_by_ours("http://apps.example.com")


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For loopback's address, not its name."""
    return own_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


def over_tls(server: FakeServer, cert: Path, host: str = "127.0.0.1", **limits: float) -> Wire:
    """A wire that trusts this certificate."""
    return Wire(f"https://{host}:{server.port}", None, Timeouts(**limits), ca_file=str(cert))


@pytest.mark.parametrize("size_bytes", [100, 3_000_000])
async def test_batches_over_tls(certificate, size_bytes):
    """Whole, and all on one connection."""
    batch = sized_batch(size_bytes)
    with FakeServer(secured(certificate, replay(OK))) as server:
        async with over_tls(server, certificate) as wire:
            for _ in range(3):
                assert (await wire.post_batch("/", batch)).value == {"count": 1}
    sent = b"".join(batch.pieces(1 << 40))
    assert [bytes(request.body) for request in server.requests] == [sent] * 3
    assert server.connections == 1


@pytest.mark.parametrize("script", [silent, close_after_body, reset_after_body, cut_in_headers])
async def test_over_tls_without_an_answer(certificate, script):
    """Late, or closed without a word: the service may have it all."""
    with FakeServer(secured(certificate, script)) as server:
        async with over_tls(server, certificate, read_s=0.2) as wire:
            with pytest.raises(Ambiguous):
                await wire.post_batch("/", sized_batch(1_000))


async def test_a_name_that_the_certificate_does_not_have(certificate):
    """Nothing is sent."""
    with FakeServer(secured(certificate, replay(OK))) as server:
        async with over_tls(server, certificate, "localhost") as wire:
            with pytest.raises(Retryable, match="certificate"):
                await wire.post_batch("/", sized_batch(1_000))
    assert server.requests == []


def in_one_segment(cert: Path, second: bytes) -> Callable[[Line], None]:
    """Answer over TLS, and in the same segment send another record, or with b"" TLS's own end."""
    context = server_tls(cert)

    def script(line: Line) -> None:
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(came, goes, server_side=True)

        def until_done(step: Callable[[], object]) -> None:
            while True:
                try:
                    step()
                except ssl.SSLWantReadError:
                    line.sock.sendall(goes.read())
                    came.write(line.sock.recv(65536))
                else:
                    return

        until_done(tls.do_handshake)
        line.sock.sendall(goes.read())
        until_done(lambda: tls.read(65536))
        line.server.requests.append(Request("first", {}))
        tls.write(OK)
        if second:
            tls.write(second)
        else:
            with suppress(ssl.SSLError):
                tls.unwrap()
        line.sock.sendall(goes.read())
        line.wait()

    return script


@pytest.mark.parametrize("second", [b"", response(200, b'{"count":999}')], ids=["end", "answer"])
async def test_what_came_beside_the_answer_over_tls(certificate, second):
    """It is not in the socket any more, and not yet in the answer: the connection is not used."""
    scripts = in_one_segment(certificate, second), secured(certificate, replay(OK))
    with FakeServer(*scripts) as server:
        async with over_tls(server, certificate) as wire:
            assert await wire.call("GET", "/") == {"count": 1}
            assert (await wire.post_batch("/", sized_batch(100))).value == {"count": 1}
    assert server.connections == 2
