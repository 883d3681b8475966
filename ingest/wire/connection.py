"""One connection of HTTP/1.1: an anyio socket, and h11 that knows the grammar and whose turn it is.

It serves one request at a time. What is raised is httpx's, named for the step that failed: opening,
reading; steps have their own limits in seconds (None: no limit). If writing fails, the answer is
read all the same, because servers refuse a body that is too large before they have it all; only
where there is none the reading fails.

h11 never sees a body's bytes, only how many they are, so a piece goes to the socket as it is.
"""

from __future__ import annotations

import math
import select
import ssl
from collections.abc import AsyncGenerator
from typing import cast

import anyio
import h11
import httpx
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from ingest.protocols import Clock

IDLE_S = 4.0
HEAD_BYTES = 100 * 1024
_READ_BYTES = 64 * 1024
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class Connection:
    """An open socket; it must be `closed`."""

    def __init__(self, stream: ByteStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._idle_since = 0.0
        self._poll = select.poll()
        socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - of anyio, not of Django
        self._poll.register(socket, select.POLLIN)
        self._tls = stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - as above

    @property
    def is_old(self) -> bool:
        """Idle for so long that the other side may be about to close it."""
        return self._clock.monotonic() - self._idle_since > IDLE_S

    @property
    def is_usable(self) -> bool:
        """Young, and silent: what comes unasked, bytes or an end, is no answer to a request."""
        return not self.is_old and not self._poll.poll(0) and self._has_no_record_left()

    def made_ready(self) -> bool:
        """Whether another request may follow: both sides are done, and no byte is left over."""
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not done or self._http.trailing_data != (b"", False):
            return False
        self._http.start_next_cycle()
        self._idle_since = self._clock.monotonic()
        return True

    async def ask(
        self, request: httpx.Request, write_s: float | None, read_s: float | None
    ) -> h11.Response:
        """Send the request and read the head of its answer."""
        with anyio.CancelScope() as scope:
            try:
                await self._send(request, write_s, scope)
            except h11.LocalProtocolError as exc:
                raise httpx.LocalProtocolError(str(exc)) from exc
        if scope.cancelled_caught:
            raise httpx.WriteTimeout(f"nothing was taken for {write_s:g} s")
        while True:
            event = await self._next_event(read_s)
            if isinstance(event, h11.Response):
                return event

    async def read(self, read_s: float | None) -> bytes | None:
        """The next bytes of the answer's body; None at its end."""
        event = await self._next_event(read_s)
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def closed(self) -> None:
        """Close at once, whatever is cancelled meanwhile."""
        await anyio.aclose_forcefully(self._stream)

    def _has_no_record_left(self) -> bool:
        """Over TLS, whether nothing of what was read from the socket is still to be opened: an end,
        or another record, may have come in the segment of the answer's last one."""
        if self._tls is None:
            return True
        try:
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLError:
            return False
        return False

    async def _send(
        self, request: httpx.Request, write_s: float | None, scope: anyio.CancelScope
    ) -> None:
        """One scope, whose deadline moves with each piece: a scope for each would cost more than
        the rest of what is done for it."""
        url = request.url
        head = h11.Request(method=request.method, target=url.raw_path, headers=request.headers.raw)
        scope.deadline = _in(write_s)
        taken = await self._write(self._http.send(head) or b"")
        assert isinstance(request.stream, httpx.AsyncByteStream)
        pieces = aiter(request.stream)
        try:
            while taken and (piece := await anext(pieces, None)) is not None:
                self._http.send_with_data_passthrough(h11.Data(data=piece))
                scope.deadline = _in(write_s)
                taken = await self._write(piece)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()  # one that is not exhausted warns on trio
        if taken:
            self._http.send(h11.EndOfMessage())

    async def _write(self, data: bytes) -> bool:
        """Whether the system took it; if not, nothing more can be sent."""
        try:
            await self._stream.send(data)
        except (*_BROKEN, anyio.EndOfStream):  # TLS may have to read before it writes
            return False
        return True

    async def _next_event(self, read_s: float | None) -> h11.Event:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._receive(read_s))
        except h11.RemoteProtocolError as exc:
            raise httpx.RemoteProtocolError(str(exc)) from exc
        return cast("h11.Event", event)

    async def _receive(self, read_s: float | None) -> bytes:
        with anyio.move_on_after(read_s):
            try:
                data = await self._stream.receive(_READ_BYTES)
            except anyio.EndOfStream:
                data = b""
            except _BROKEN as exc:
                raise httpx.ReadError(str(exc)) from exc
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise httpx.RemoteProtocolError("the connection was closed without an answer")
            return data
        raise httpx.ReadTimeout(f"nothing came for {read_s:g} s")


def _in(seconds: float | None) -> float:
    return math.inf if seconds is None else anyio.current_time() + seconds


async def connect(
    host: str, port: int, tls: ssl.SSLContext | None, connect_s: float | None
) -> ByteStream:
    """An open stream; `tls` None: plain. Raises httpx's ConnectError and ConnectTimeout."""
    with anyio.move_on_after(connect_s):
        try:
            stream = await anyio.connect_tcp(host, port)
            return stream if tls is None else await _secured(stream, tls, host)
        except (*_BROKEN, anyio.EndOfStream) as exc:
            raise httpx.ConnectError(str(exc)) from exc
    raise httpx.ConnectTimeout(f"no connection within {connect_s:g} s")


async def _secured(stream: ByteStream, tls: ssl.SSLContext, host: str) -> ByteStream:
    try:
        return await TLSStream.wrap(
            stream, hostname=host, ssl_context=tls, standard_compatible=False
        )
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise
