"""One connection of the benchmark's server: heads are parsed, bodies pass through one buffer.

`asyncio.BufferedProtocol` receives into one buffer a connection, which stays in the processor's
cache, and nothing of a body is copied unless it is wanted (`Taker.verify`). Bodies may have a
Content-Length or come in chunks, as ClickHouse sends them.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

BUFFER_BYTES = 256 * 1024
Answer = tuple[int, bytes]
_EMPTY = b"{}"
_REASONS = {200: b"OK", 404: b"Not Found"}


class Taker(Protocol):
    """What a connection asks of the service behind it."""

    verify: bool
    delay_s: float

    def has_records(self, method: str, path: str) -> bool:
        """A request whose records are counted as they pass."""
        ...

    def took(self, path: str, size_bytes: int, braces: int, body: bytearray) -> Answer:
        """A body with records came in whole; `body` is empty unless `verify`."""
        ...

    def answer(self, method: str, path: str, body: bytearray) -> Answer:
        """Any other request."""
        ...


class Connection(asyncio.BufferedProtocol):
    """One keep-alive connection."""

    def __init__(self, service: Taker) -> None:
        self._service = service
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._in_body = False
        self._chunked = False
        self._missing = 0  # bytes still to come: of the body, or of its current chunk
        self._ended = True  # no further chunk follows
        self._request = ("", "")
        self._counted = False
        self._size_bytes = 0
        self._braces = 0
        self._kept = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Nothing to answer any more."""
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where to receive: behind what is not yet used."""
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Use what came in."""
        self._filled += nbytes
        start = 0
        while True:
            if not self._in_body:
                start = self._head(start)
            if not self._in_body:
                break
            start = self._body(start)
            if self._missing or not self._ended:
                break
            self._end_request()
        rest = self._filled - start
        self._view[:rest] = self._view[start : self._filled]
        self._filled = rest

    def _head(self, start: int) -> int:
        """Parse a head if it is there whole; returns where the body begins."""
        end = self._buffer.find(b"\r\n\r\n", start, self._filled)
        if end < 0:
            if self._filled - start == BUFFER_BYTES and self._transport:
                self._transport.abort()
            return start
        lines = self._buffer[start:end].decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._ended = not self._chunked
        self._missing = 0 if self._chunked else int(headers.get("content-length", 0))
        self._request = (method, path)
        self._counted = self._service.has_records(method, path)
        self._in_body, self._braces, self._size_bytes = True, 0, 0
        self._kept = bytearray()
        return end + 4

    def _body(self, start: int) -> int:
        """Use what is there of the body; returns where the rest of the buffer begins."""
        while True:
            end = min(self._filled, start + self._missing)
            self._use(start, end)
            if self._missing or self._ended:
                return end
            start = self._chunk(end)
            if not self._missing:
                return start

    def _use(self, start: int, end: int) -> None:
        if self._counted:
            self._braces += self._buffer.count(b"{", start, end)
        if self._service.verify or not self._counted:
            self._kept += self._view[start:end]
        self._size_bytes += end - start
        self._missing -= end - start

    def _chunk(self, start: int) -> int:
        """Parse a chunk's head, behind the end of the one before, if it is there whole."""
        head = start + 2 if self._buffer.startswith(b"\r\n", start, self._filled) else start
        end = self._buffer.find(b"\r\n", head, self._filled)
        if end < 0:
            return start
        size_bytes = int(self._buffer[head:end].partition(b";")[0], 16)
        if size_bytes:
            self._missing = size_bytes
            return end + 2
        if end + 4 > self._filled:  # the empty line behind the last chunk
            return start
        self._ended = True
        return end + 4

    def _end_request(self) -> None:
        self._in_body = False
        service, (method, path) = self._service, self._request
        if not self._counted:
            self._write(*service.answer(method, path, self._kept))
            return
        answer = service.took(path, self._size_bytes, self._braces, self._kept)
        if service.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(service.delay_s, self._write, *answer)
        else:
            self._write(*answer)

    def _write(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, _REASONS[status], len(body), body)
            )
