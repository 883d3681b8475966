"""The programs that are compared with this one, each run as a process of its own.

`python -m benchmarks.peers NAME CSV TARGET` does the work and prints one line of JSON: `seconds`
from the first import of what it needs to its last record, and `records`.

- `published` CSV URL: the way of the bulk example on the service's page, written anew from its
  description: `csv.DictReader`, a dict made anew for each record, 10,000 records a request,
  `requests.post(json=...)` without a session, one request at a time. Its fault is mended: the last
  records of the file are sent. Prices become numbers, because a Double column holds numbers.
- `as-published`: the same with prices left as the texts they are, as the example does. Less work,
  and not the same rows: `"14.43"` is not 14.43.
- `duckdb` CSV FILE: DuckDB's `COPY` of the CSV, read with the same types, to JSON on disk. It sends
  nothing.
- `aitoai-batch` CSV URL: aito's own client, `upload_entries` in batches of 10,000, all as text.
- `aitoai-file` CSV URL: the same client from CSV to gzip (its `DataFrameHandler`, by pandas) to
  `upload_file`, polled every 50 ms.
- `ceiling` CSV URL: ready-made bodies from a bare socket, one after the other: what the server and
  the loopback device take from a client that does nothing else.
- `hash` FILE: no contender: the `rows_hash` of an NDJSON file.
"""

from __future__ import annotations

import csv
import itertools
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BATCH = 10_000
NAMES = {
    "Date": "date",
    "Open": "open",
    "High": "high",
    "Low": "low",
    "Close": "close",
    "Adj Close": "adj_close",
    "Volume": "volume",
}
PRICES = frozenset({"open", "high", "low", "close", "adj_close"})
_PATH = "/api/v1/tables/stock"
Result = dict[str, Any]


def mapped(record: dict[str, str], *, typed: bool) -> dict[str, Any]:
    """One record under the table's names, empty cells as None, the volume as an integer."""
    result: dict[str, Any] = {}
    for column, text in record.items():
        name = NAMES.get(column, column)
        value: Any = text or None
        if value is not None and name == "volume":
            value = int(float(value))
        elif value is not None and typed and name in PRICES:
            value = float(value)
        result[name] = value
    return result


def published(source: str, url: str, *, typed: bool = True) -> Result:
    """The page's way."""
    import requests  # noqa: PLC0415 - each peer pays for what it needs itself

    headers = {"Authorization": "Bearer benchmark", "Accept": "application/json"}
    records = 0

    def insert(batch: list[dict[str, str]]) -> None:
        payload = {"records": [mapped(record, typed=typed) for record in batch]}
        requests.post(url + _PATH, headers=headers, json=payload).raise_for_status()

    with Path(source).open(newline="", encoding="utf-8") as file:
        batch: list[dict[str, str]] = []
        for record in csv.DictReader(file):
            batch.append(record)
            if len(batch) == BATCH:
                insert(batch)
                records += len(batch)
                batch.clear()
    if batch:
        insert(batch)
        records += len(batch)
    return {"records": records}


def as_published(source: str, url: str) -> Result:
    """The page's way, prices left as texts."""
    return published(source, url, typed=False)


def duckdb_copy(source: str, target: str) -> Result:
    """DuckDB's COPY to JSON on disk."""
    import duckdb  # noqa: PLC0415 - as above

    prices = ("Open", "High", "Low", "Close", "Adj Close")
    texts = ("name", "city", "code", "flag")
    types = {"Date": "DATE", **dict.fromkeys(prices, "DOUBLE"), "Volume": "BIGINT"}
    types |= dict.fromkeys(texts, "VARCHAR")
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    chosen = ", ".join(f'"{name}" as {NAMES.get(name, name)}' for name in types)
    rows = f"select {chosen} from read_csv('{source}', header = true, columns = {{{columns}}})"
    duckdb.execute(f"copy ({rows}) to '{target}' (format json)")
    return {}


def aitoai_batch(source: str, url: str) -> Result:
    """The client's batches."""
    from aito.v1 import AitoClient, api  # noqa: PLC0415 - as above

    client = AitoClient(url, "benchmark-key")
    with Path(source).open(newline="", encoding="utf-8") as file:
        entries = csv.DictReader(file)
        api.upload_entries(client, "stock", entries, BATCH, optimize_on_finished=False)
    return {}


def aitoai_file(source: str, url: str) -> Result:
    """The client's way from CSV to a file upload."""
    from aito.utils.data_frame_handler import DataFrameHandler  # noqa: PLC0415 - as above
    from aito.v1 import AitoClient, api  # noqa: PLC0415 - as above

    client = AitoClient(url, "benchmark-key")
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder, "rows.ndjson.gz")
        handler = DataFrameHandler()  # its convert_file would also guess languages
        frame = handler.read_file_to_df(source, "csv")
        handler.df_to_format(frame, "ndjson", packed)
        api.upload_file(client, "stock", packed, polling_time=0.05, optimize_on_finished=False)
    return {}


def bodies(source: str) -> Iterator[tuple[bytes, int]]:
    """One request body made of the first records, again and again, until the file's rows are met.

    Making it is preparation: the first step of the iteration takes the time, and is not counted.
    """
    with Path(source).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        first = [mapped(record, typed=True) for record in itertools.islice(reader, BATCH)]
        left = len(first) + sum(1 for _ in file)
    body = json.dumps({"records": first}, separators=(",", ":")).encode()
    while left > 0:
        yield body, len(first)
        left -= len(first)


def ceiling(source: str, url: str) -> Result:
    """Ready-made bodies from a bare socket; the time to make them is not in `seconds`."""
    address = urlsplit(url)
    ready = list(bodies(source))
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80)) as connection:
        started = time.perf_counter()
        for body, _ in ready:
            head = f"POST {_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            connection.sendall(body)
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("the server did not answer 200")
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "records": sum(count for _, count in ready)}


def hash_file(path: str, _: str = "") -> Result:
    """The hash of an NDJSON file's rows."""
    import orjson  # noqa: PLC0415 - as above

    from benchmarks.rows_hash import RowsHash  # noqa: PLC0415 - as above

    rows = RowsHash()
    with Path(path).open("rb") as file:
        rows.add(map(orjson.loads, file))
    return {"records": rows.count, "rows_hash": rows.hexdigest}


PEERS: dict[str, Callable[[str, str], Result]] = {
    "published": published,
    "as-published": as_published,
    "duckdb": duckdb_copy,
    "aitoai-batch": aitoai_batch,
    "aitoai-file": aitoai_file,
    "ceiling": ceiling,
    "hash": hash_file,
}


def main(name: str, source: str, target: str = "") -> None:
    """Run one peer and print its result."""
    started = time.perf_counter()
    result = PEERS[name](source, target)
    print(json.dumps({"seconds": time.perf_counter() - started, **result}))


if __name__ == "__main__":
    main(*sys.argv[1:])
