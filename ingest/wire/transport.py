"""A transport below httpx's client, for one service, HTTP/1.1 and no proxy in between.

httpx's own is correct and general. Here it costs a tenth of what a whole load takes: its pool looks
at every connection for every request, each piece of a body is joined into new bytes, each step is
traced. So where nothing of the general is needed, this one is used (see `exchange`).

Idle connections are kept in a stack: the latest is used first, so those which are too many grow
old, and the next request closes them. A request to any other origin is refused: it would travel,
with its token, on a connection to this one.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import anyio
import httpx

from ingest.protocols import Clock
from ingest.wire.address import DEFAULT_PORTS, Address
from ingest.wire.connection import Connection, connect


class ServiceTransport(httpx.AsyncBaseTransport):
    """At most `connections` at once to the origin of `address`."""

    def __init__(
        self, address: Address, connections: int, tls: ssl.SSLContext, clock: Clock
    ) -> None:
        """`clock` tells how long a connection has been idle."""
        self._origin = address.origin
        self._free = anyio.Semaphore(connections, max_value=connections, fast_acquire=True)
        self._idle: list[Connection] = []
        self._tls = tls if address.scheme == "https" else None
        self._clock = clock
        tls.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and read the head of its answer. Closing the response frees its
        connection. Raises httpx's TransportErrors; limits are those of the request."""
        if _origin(request.url) != self._origin:
            raise httpx.UnsupportedProtocol("this transport is for another origin")
        limits: dict[str, float | None] = request.extensions["timeout"]
        await self._wait_for_a_free_one(limits["pool"])
        connection: Connection | None = None
        try:
            connection = await self._idle_one() or await self._new_one(limits["connect"])
            head = await connection.ask(request, limits["write"], limits["read"])
            answer = _Answer(self, connection, limits["read"])
            return httpx.Response(head.status_code, headers=head.headers.raw_items(), stream=answer)
        except BaseException:
            await self.give_back(connection)
            raise

    async def give_back(self, connection: Connection | None) -> None:
        """What was asked for is over: keep the connection for the next request, or close it."""
        self._free.release()
        if connection is None:
            return
        if connection.made_ready():
            self._idle.append(connection)
        else:
            await connection.closed()

    async def aclose(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().closed()

    async def _wait_for_a_free_one(self, pool_s: float | None) -> None:
        with anyio.move_on_after(pool_s):
            return await self._free.acquire()
        raise httpx.PoolTimeout(f"no connection became free within {pool_s:g} s")

    async def _idle_one(self) -> Connection | None:
        while self._idle and self._idle[0].is_old:
            await self._idle.pop(0).closed()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            await connection.closed()
        return None

    async def _new_one(self, connect_s: float | None) -> Connection:
        _, host, port = self._origin
        return Connection(await connect(host, port, self._tls, connect_s), self._clock)


class _Answer(httpx.AsyncByteStream):
    """An answer's body. No generator: one that is not exhausted warns on trio."""

    def __init__(
        self, transport: ServiceTransport, connection: Connection, read_s: float | None
    ) -> None:
        self._transport = transport
        self._connection: Connection | None = connection
        self._read_s = read_s

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = None if self._connection is None else await self._connection.read(self._read_s)
        if data is None:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._transport.give_back(connection)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port
    return url.scheme, url.raw_host.decode("ascii"), port
