"""Pools side by side: how many there are, who sends, and that all requests go at once."""

from __future__ import annotations

from contextlib import ExitStack

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wire.address import parse_base_url
from ingest.wire.exchange import exchange, make_clients
from ingest.wire.pools import CONNECTIONS, Clients
from ingest.wire.timing import SystemClock, Timeouts


class Made:
    """Clients that are only counted, with the size of each pool."""

    def __init__(self, connections: int) -> None:
        self.sizes: dict[int, int] = {}
        self.clients = Clients(self._make, connections)

    def _make(self, most: int) -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
        self.sizes[id(client)] = most
        return client


@pytest.mark.parametrize(
    ("connections", "sizes"),
    [(1, [1]), (2, [2]), (16, [16]), (17, [9, 9]), (33, [11] * 3), (258, [16] * 16 + [16])],
)
def test_pools_are_small(connections, sizes):
    """As few as hold all connections, and about equal."""
    made = Made(connections)
    assert list(made.sizes.values()) == sizes
    assert max(sizes) <= CONNECTIONS
    assert sum(sizes) >= connections


@given(st.integers(1, 80), st.lists(st.booleans(), max_size=200))
def test_no_pool_is_asked_for_more_than_it_has(connections, starts):
    """However requests begin and end, while no more go at once than there are connections."""
    made = Made(connections)
    under_way: list[tuple[ExitStack, int]] = []
    for starting in starts:
        if starting and len(under_way) < connections:
            stack = ExitStack()
            client = stack.enter_context(made.clients.least_busy())
            under_way.append((stack, id(client)))
        elif under_way:
            under_way.pop(0)[0].close()
        busy = [pool for _, pool in under_way]
        assert all(busy.count(pool) <= size for pool, size in made.sizes.items())


@pytest.mark.anyio
@pytest.mark.parametrize("at_once", [1, 2, 40])
async def test_so_many_requests_are_open_at_once(at_once):
    """None waits for another's connection: the server answers when all are there."""
    here, all_here = 0, anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        nonlocal here
        async with stream:
            await stream.receive()
            here += 1
            if here == at_once:
                all_here.set()
            await all_here.wait()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    answered: list[object] = []
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        address = parse_base_url(f"http://127.0.0.1:{port}")
        clients = make_clients(address, Timeouts(), at_once, None, SystemClock())

        async def ask() -> None:
            with clients.least_busy() as client:
                request = clients.build_request("GET", address.url + "/")
                answered.append(await exchange(client, request, 30.0))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as asking:
                for _ in range(at_once):
                    asking.start_soon(ask)
        await clients.aclose()
        tasks.cancel_scope.cancel()
    assert [getattr(one, "status", None) for one in answered] == [200] * at_once


@pytest.mark.anyio
async def test_all_are_closed():
    """Even while the one who closes is cancelled."""
    made = Made(40)
    opened: list[httpx.AsyncClient] = []
    for _ in range(3):
        with ExitStack() as stack:
            opened = [stack.enter_context(made.clients.least_busy()) for _ in range(3)]
    with anyio.CancelScope() as scope:
        scope.cancel()
        await made.clients.aclose()
    assert [client.is_closed for client in opened] == [True] * 3
