"""The server that a benchmark posts to: it takes every body and does as little as can be done.

`python -m benchmarks.server` listens on a free port of the loopback address, prints one line
`{"ready": "http://127.0.0.1:PORT"}` and ends when its standard input ends, so that it can't outlive
whoever started it. It is a process of its own because in the client's it would share an interpreter
with what is measured.

Cheap: see `connection`; of a body only the `{` are counted (the benchmark's data has none inside
text, so they are the records and one for the envelope). It answers 200 `{}` at the body's last
byte, or `--delay-ms` later.

With `--verify` bodies are kept, parsed and hashed (`rows_hash`): slow, and never timed.

It knows the requests that a loader makes before it sends records (user, describe, create, widen) as
`ingest.targets.avalanchio` makes them, what a client of aito needs (`aito_answers`), bare arrays at
`/rows`, and `GET /_stats` and `POST /_reset` for the benchmark.
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
from benchmarks.connection import Answer, Connection
from benchmarks.rows_hash import RowsHash

ARRAYS = "/rows"
_API = "/api/v1"
_TABLES = f"{_API}/schema/tables"
_RECORDS = f"{_API}/tables/"
_EMPTY = b"{}"


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

    def took(self, path: str, size_bytes: int, braces: int, body: bytearray) -> Answer:
        """A body with records came in whole."""
        envelope = path.startswith(_RECORDS)
        self.requests += 1
        self.size_bytes += size_bytes
        self.records += max(0, braces - envelope)
        if self.verify:
            found = orjson.loads(body)
            self.rows.add(found["records"] if envelope else found)
        return 200, _EMPTY

    def has_records(self, method: str, path: str) -> bool:
        """A request whose records are counted as they pass."""
        is_ours = method == "POST" and (path.startswith(_RECORDS) or path == ARRAYS)
        return is_ours or carries_records(method, path)

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
