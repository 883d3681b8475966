"""Peers whose Python touches every record.

- `published`: the way of the bulk example on the service's page, written anew from its description:
  `csv.DictReader`, a dict made anew for each record, 10,000 records a request,
  `requests.post(json=...)` without a session, one request at a time. Its fault is mended: the last
  records of the file are sent. Numbers become numbers, because a Double column holds numbers.
- `as-published`: the same with decimals left as the texts they are, as the example does. Less work,
  and not the same rows: `"14.43"` is not 14.43.
- `aitoai-batch`: aito's own client, `upload_entries` in batches of 10,000, all as text.
- `aitoai-file`: the same client from CSV to gzip (its `DataFrameHandler`, by pandas) to
  `upload_file`, polled every 50 ms.
- `dlt`: a resource of `csv.DictReader`'s rows with column hints, which type the values, and a
  custom destination, `@dlt.destination(batch_size=10_000)`, that posts each batch as JSON. dlt
  writes its packages to disk between the steps and loads with several workers, as it does itself.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.tables import Kind, Table

BATCH = 10_000
PATH = "/api/v1/tables/stock"
HEADERS = {"Authorization": "Bearer benchmark", "Accept": "application/json"}
API_KEY = "benchmark-key"
DLT_TYPES: dict[Kind, str] = {"integer": "bigint", "decimal": "double"}
Result = dict[str, Any]


def _whole(text: str) -> int:
    return int(float(text))


def mapped(record: dict[str, str], table: Table, *, typed: bool) -> dict[str, Any]:
    """One record under the table's names, nulls as None, numbers as numbers."""
    result: dict[str, Any] = {}
    for column in table.columns:
        text = record[column.source]
        value: Any = None if text == table.null else text
        if value is not None and column.kind == "integer":
            value = _whole(value)
        elif value is not None and typed and column.kind == "decimal":
            value = float(value)
        result[column.name] = value
    return result


def batches(source: str) -> Iterator[list[dict[str, str]]]:
    """A CSV file's records, 10,000 at a time, the last ones too."""
    with Path(source).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        while batch := list(islice(reader, BATCH)):
            yield batch


def published(source: str, url: str, table: Table, *, typed: bool = True) -> Result:
    """The page's way."""
    import requests  # noqa: PLC0415 - each peer pays for what it needs itself

    records = 0
    for batch in batches(source):
        payload = {"records": [mapped(record, table, typed=typed) for record in batch]}
        requests.post(url + PATH, headers=HEADERS, json=payload).raise_for_status()
        records += len(batch)
    return {"records": records}


def as_published(source: str, url: str, table: Table) -> Result:
    """The page's way, decimals left as texts."""
    return published(source, url, table, typed=False)


def aitoai_batch(source: str, url: str, _: Table) -> Result:
    """The client's batches."""
    from aito.v1 import AitoClient, api  # noqa: PLC0415 - as above

    client = AitoClient(url, API_KEY)
    with Path(source).open(newline="", encoding="utf-8") as file:
        entries = csv.DictReader(file)
        api.upload_entries(client, "stock", entries, BATCH, optimize_on_finished=False)
    return {}


def aitoai_file(source: str, url: str, _: Table) -> Result:
    """The client's way from CSV to a file upload."""
    from aito.utils.data_frame_handler import DataFrameHandler  # noqa: PLC0415 - as above
    from aito.v1 import AitoClient, api  # noqa: PLC0415 - as above

    client = AitoClient(url, API_KEY)
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder, "rows.ndjson.gz")
        handler = DataFrameHandler()  # its convert_file would also guess languages
        frame = handler.read_file_to_df(source, "csv")
        handler.df_to_format(frame, "ndjson", packed)
        api.upload_file(client, "stock", packed, polling_time=0.05, optimize_on_finished=False)
    return {}


def renamed(table: Table) -> Callable[[list[dict[str, str]]], list[dict[str, str | None]]]:
    """Records under the table's names, nulls as None, all else as text: dlt types them."""
    names = [(column.source, column.name) for column in table.columns]

    def rename(batch: list[dict[str, str]]) -> list[dict[str, str | None]]:
        null = table.null
        return [
            {name: None if record[source] == null else record[source] for source, name in names}
            for record in batch
        ]

    return rename


def dlt_destination(source: str, url: str, table: Table) -> Result:
    """dlt with a custom destination."""
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    import dlt  # noqa: PLC0415 - as above
    import requests  # noqa: PLC0415 - as above

    hints = {c.name: {"data_type": DLT_TYPES.get(c.kind, "text")} for c in table.columns}
    rename = renamed(table)

    def rows() -> Iterator[list[dict[str, str | None]]]:
        for batch in batches(source):
            yield rename(batch)

    def service(items: Any, table: Any) -> None:  # noqa: ARG001 - dlt's signature
        payload = {"records": items}
        requests.post(url + PATH, headers=HEADERS, json=payload).raise_for_status()

    resource = dlt.resource(rows, name="stock", columns=hints)
    destination = dlt.destination(service, batch_size=BATCH, name="service")
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("benchmark", destination=destination, pipelines_dir=folder)
        pipeline.run(resource())
    return {}
