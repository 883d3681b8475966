"""The server that a benchmark posts to: it takes every body and does as little as can be done.

`python -m benchmarks.server` listens on a free port of the loopback address, prints one line
`{"ready": "http://127.0.0.1:PORT"}` and ends when its standard input ends, so that it can't outlive
whoever started it. It is a process of its own because in the client's it would share an interpreter
with what is measured.

Cheap: `asyncio.BufferedProtocol` receives into one buffer a connection, which stays in the
processor's cache; of a body only the `{` are counted (the benchmark's data has none inside text, so
they are the records and one for the envelope). It answers 200 `{}` at the body's last byte, or
`--delay-ms` later.

With `--verify` bodies are kept, parsed and hashed (`rows_hash`): slow, and never timed.

It knows the requests that a loader makes before it sends records (user, describe, create, widen) as
`ingest.targets.avalanchio` makes them, what a client of aito needs (`aito_answers`), and
`GET /_stats` and `POST /_reset` for the benchmark.
A request must have a Content-Length: no client here sends chunks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.aito_answers import Files, carries_records, is_known, is_schema
from benchmarks.rows_hash import RowsHash

BUFFER_BYTES = 256 * 1024
_API = "/api/v1"
_TABLES = f"{_API}/schema/tables"
_RECORDS = f"{_API}/tables/"
_EMPTY = b"{}"
_REASONS = {200: b"OK", 404: b"Not Found", 411: b"Length Required"}

Answer = tuple[int, bytes]


@dataclass(slots=True)
class Service:
    """What the server knows and counts; shared by its connections."""

    verify: bool = False
    delay_s: float = 0.0
    requests: int = 0
    records: int = 0
    size_bytes: int = 0
    rows: RowsHash = field(default_factory=RowsHash)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: Files = field(default_factory=Files)

    def reset(self) -> Answer:
        """Forget tables and counts."""
        self.requests = self.records = self.size_bytes = 0
        self.rows = RowsHash()
        self.tables.clear()
        self.files = Files(self.files.url)
        return 200, _EMPTY

    def stats(self) -> Answer:
        """The counts since the last reset, and this process's processor seconds since its start."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return 200, orjson.dumps(
            {
                "requests": self.requests,
                "records": (self.rows.count if self.verify else self.records)
                + sum(self.files.counts.values()),
                "bytes": self.size_bytes,
                "rows_hash": self.rows.hexdigest if self.verify else None,
                "cpu_s": usage.ru_utime + usage.ru_stime,
            }
        )

    def took(self, size_bytes: int, braces: int, body: bytearray) -> Answer:
        """A body with records came in whole."""
        self.requests += 1
        self.size_bytes += size_bytes
        self.records += max(0, braces)
        if self.verify:
            self.rows.add(orjson.loads(body)["records"])
        return 200, _EMPTY

    def answer(self, method: str, path: str, body: bytearray) -> Answer:
        """The answer to a small request, or to a file that is put."""
        if is_known(path) or is_schema(path):
            return self.files.answer(method, path, body)
        return self.of_avalanchio(method, path, body)

    def of_avalanchio(self, method: str, path: str, body: bytearray) -> Answer:
        """The answer to one of Avalanchio's small requests, or the benchmark's own."""
        name = path.rpartition("/")[2]
        match method, path.removesuffix(name):
            case "GET", "/" if name == "_stats":
                return self.stats()
            case "POST", "/" if name == "_reset":
                return self.reset()
            case "GET", "/api/v1/users/":
                return 200, b'{"id":1,"name":"benchmark"}'
            case "GET", "/api/v1/schema/describe-table/":
                return self.described(name)
        if method == "POST" and path.startswith(_TABLES):
            return self.defined(path, orjson.loads(body))
        return 404, _EMPTY

    def described(self, name: str) -> Answer:
        """A table as it was created, or 404."""
        table = self.tables.get(name)
        return (200, orjson.dumps(table)) if table else (404, _EMPTY)

    def defined(self, path: str, wish: dict[str, Any]) -> Answer:
        """Create a table, or give it more columns."""
        if path == _TABLES:
            self.tables[wish["name"]] = wish
            return self.described(wish["name"])
        name = path.removeprefix(_TABLES + "/").removesuffix("/columns")
        self.tables[name]["columns"] += wish["columns"]
        return self.described(name)


def has_records(method: str, path: str) -> bool:
    """A request whose records are counted as they pass."""
    is_post = method == "POST" and path.startswith(_RECORDS)
    return is_post or carries_records(method, path)


class Connection(asyncio.BufferedProtocol):
    """One keep-alive connection: heads are parsed, bodies pass through the buffer."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._missing = 0  # bytes of the body still to come
        self._in_body = False
        self._request = ("", "", 0)
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
            if self._missing:
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
        headers = {
            n.strip().lower(): v.strip() for n, _, v in (x.partition(":") for x in lines[1:])
        }
        if "transfer-encoding" in headers:
            self._write(411, _EMPTY)
        length = int(headers.get("content-length", 0))
        self._request = (method, path, length)
        self._missing, self._in_body, self._braces = length, True, 0
        self._kept = bytearray()
        return end + 4

    def _body(self, start: int) -> int:
        end = min(self._filled, start + self._missing)
        counted = has_records(*self._request[:2])
        if counted:
            self._braces += self._buffer.count(b"{", start, end)
        if self._service.verify or not counted:
            self._kept += self._view[start:end]
        self._missing -= end - start
        return end

    def _end_request(self) -> None:
        self._in_body = False
        method, path, length = self._request
        service = self._service
        if has_records(method, path):
            envelope = path.startswith(_RECORDS)
            answer = service.took(length, self._braces - envelope, self._kept)
            if service.delay_s:
                loop = asyncio.get_running_loop()
                loop.call_later(service.delay_s, self._write, *answer)
                return
        else:
            answer = service.answer(method, path, self._kept)
        self._write(*answer)

    def _write(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(
                b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, _REASONS[status], len(body), body)
            )


async def serve(service: Service, ready: Callable[[str], None]) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0, backlog=64)
    over = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: over.set() if not os.read(0, 4096) else None)
    service.files.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ready(service.files.url)
    await over.wait()
    loop.remove_reader(sys.stdin.fileno())
    server.close()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--verify", action="store_true", help="parse and hash every row")
    parser.add_argument("--delay-ms", type=int, default=0, help="answer bodies this much later")
    options = parser.parse_args()
    service = Service(verify=options.verify, delay_s=options.delay_ms / 1000)
    asyncio.run(
        serve(service, lambda url: print(orjson.dumps({"ready": url}).decode(), flush=True))
    )


if __name__ == "__main__":
    main()
