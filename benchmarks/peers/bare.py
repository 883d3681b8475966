"""What is no program: ready-made bodies on a bare socket, and the hash of a file's rows.

- `bare-socket`: the request bodies are made beforehand, and go out from one blocking socket, one
  after the other: what server and loopback take from a client that does nothing else. Where it is
  many times as quick as everyone else, the server limits nobody.
- `hash`: the `rows_hash` of an NDJSON file, for those that send nothing.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers.by_rows import PATH, batches, mapped
from benchmarks.tables import Table

Result = dict[str, Any]


def bodies(source: str, table: Table) -> list[tuple[bytes, int]]:
    """One request body, made of the first records, as often as the file has records for it."""
    every = batches(source)
    first = [mapped(record, table, typed=True) for record in next(every, [])]
    times, rest = divmod(sum(map(len, every)), max(1, len(first)))
    return [_body(first)] * (1 + times) + [_body(first[:rest])] * bool(rest)


def _body(records: list[dict[str, Any]]) -> tuple[bytes, int]:
    return json.dumps({"records": records}, separators=(",", ":")).encode(), len(records)


def bare_socket(source: str, url: str, table: Table) -> Result:
    """Ready-made bodies from a bare socket; the time to make them is not in `seconds`."""
    address = urlsplit(url)
    ready = bodies(source, table)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80)) as connection:
        started = time.perf_counter()
        for body, _ in ready:
            head = f"POST {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            connection.sendall(body)
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("the server did not answer 200")
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "records": sum(count for _, count in ready)}


def hash_file(path: str, _: str, __: Table) -> Result:
    """The hash of an NDJSON file's rows."""
    import orjson  # noqa: PLC0415 - each peer pays for what it needs itself

    from benchmarks.rows_hash import RowsHash  # noqa: PLC0415 - as above

    rows = RowsHash()
    with Path(path).open("rb") as file:
        rows.add(map(orjson.loads, file))
    return {"records": rows.count, "rows_hash": rows.hexdigest}
