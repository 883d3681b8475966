"""Peers with an engine of their own.

- `duckdb`: DuckDB's `COPY` of the CSV, read with the same types, to JSON on disk. It sends nothing.
- `chdb`: ClickHouse in the process (`chdb`), `INSERT INTO FUNCTION file(..., JSONEachRow)`. It
  sends nothing.
- `chdb-url`: the same into `url(...)`, an array of rows: one POST of everything, in chunks. It
  heeds no limit of records or bytes, and has no envelope.
  Both are told to read decimals exactly and to keep blanks, which is not its default.
- `polars`: `scan_csv` to `sink_ndjson` with the same types: the ceiling for whoever shapes with
  Polars. It sends nothing. `polars-ndjson`: `scan_ndjson`, rename, type, `sink_ndjson`.
- `mq-bridge`: a route of its own: a CSV file whose columns are renamed, a `transform` with a schema
  that types (an empty cell becomes null), and `http_bulk` with our envelope. Its batches are cut by
  what it has read, so the number of requests differs from run to run. `mq-bridge-text` leaves the
  transform out, its fastest way: every value is a text, and the rows are others.
"""

from __future__ import annotations

from typing import Any

from benchmarks.tables import Column, Kind, Table

BATCH = 10_000
_PATH = "/api/v1/tables/stock"
_ARRAYS = "/rows"
DUCKDB_TYPES: dict[Kind, str] = {
    "string": "VARCHAR",
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DOUBLE",
    "date": "DATE",
}
CLICKHOUSE_TYPES: dict[Kind, str] = {
    "string": "Nullable(String)",
    "text": "Nullable(String)",
    "integer": "Nullable(Int64)",
    "decimal": "Nullable(Float64)",
    "date": "Nullable(Date)",
}
JSON_TYPES: dict[Kind, str] = {"integer": "integer", "decimal": "number"}
Result = dict[str, Any]


def duckdb_copy(source: str, target: str, table: Table) -> Result:
    """DuckDB's COPY to JSON on disk."""
    import duckdb  # noqa: PLC0415 - each peer pays for what it needs itself

    columns = ", ".join(f"'{c.source}': '{DUCKDB_TYPES[c.kind]}'" for c in table.columns)
    chosen = ", ".join(f'"{c.source}" as {c.name}' for c in table.columns)
    read = f"read_csv('{source}', header = true, nullstr = '{table.null}', columns = {{{columns}}})"
    duckdb.execute(f"copy (select {chosen} from {read}) to '{target}' (format json)")
    return {}


def chdb_file(source: str, target: str, table: Table) -> Result:
    """ClickHouse to JSON on disk."""
    _clickhouse(source, f"file('{target}', 'JSONEachRow', '{_structure(table)}')", table)
    return {}


def chdb_url(source: str, url: str, table: Table) -> Result:
    """ClickHouse to the server, as an array."""
    _clickhouse(source, f"url('{url}{_ARRAYS}', 'JSONEachRow', '{_structure(table)}')", table)
    return {}


def _structure(table: Table) -> str:
    return ", ".join(f"{c.name} {CLICKHOUSE_TYPES[c.kind]}" for c in table.columns)


def _clickhouse(source: str, target: str, table: Table) -> None:
    import chdb  # noqa: PLC0415 - as above

    read = ", ".join(f"`{c.source}` {CLICKHOUSE_TYPES[c.kind]}" for c in table.columns)
    chosen = ", ".join(f"`{c.source}` as `{c.name}`" for c in table.columns)
    settings = {
        "format_csv_null_representation": f"'{table.null}'",
        "input_format_csv_empty_as_default": "0",
        "input_format_csv_trim_whitespaces": "0",
        "precise_float_parsing": "1",  # else some digits change
        "output_format_json_array_of_rows": "1" if target.startswith("url") else "0",
    }
    told = ", ".join(f"{name} = {value}" for name, value in settings.items())
    chdb.query(
        f"insert into function {target} select {chosen}"
        f" from file('{source}', 'CSVWithNames', '{read}') settings {told}"
    )


def _schema(table: Table) -> dict[str, Any]:
    import polars as pl  # noqa: PLC0415 - as above

    types = {"integer": pl.Int64, "decimal": pl.Float64, "date": pl.Date}
    return {c.source: types.get(c.kind, pl.String) for c in table.columns}


def polars_sink(source: str, target: str, table: Table) -> Result:
    """Polars' streaming sink."""
    import polars as pl  # noqa: PLC0415 - as above

    frame = pl.scan_csv(source, schema=_schema(table), null_values=[table.null])
    frame.rename({c.source: c.name for c in table.columns}).sink_ndjson(target)
    return {}


def polars_ndjson(source: str, target: str, table: Table) -> Result:
    """Polars' streaming sink, from JSON lines whose dates and integers are texts."""
    import polars as pl  # noqa: PLC0415 - as above

    def typed(column: Column) -> pl.Expr:
        found = pl.col(column.source)
        if column.kind == "date":
            found = found.str.to_date()
        return found.cast(wanted[column.source]).alias(column.name)

    wanted = _schema(table)
    read = {name: pl.String if kind != pl.Float64 else kind for name, kind in wanted.items()}
    frame = pl.scan_ndjson(source, schema=read)
    frame.select([typed(column) for column in table.columns]).sink_ndjson(target)
    return {}


def mq_bridge_typed(source: str, url: str, table: Table) -> Result:
    """A route with a transform that types."""
    numbers = {c.name: JSON_TYPES[c.kind] for c in table.columns if c.kind in JSON_TYPES}
    properties = {name: {"type": [kind, "null"]} for name, kind in numbers.items()}
    schema = {"type": "object", "properties": properties}
    return _mq_bridge(source, url, table, [{"transform": {"schema": schema}}])


def mq_bridge_text(source: str, url: str, table: Table) -> Result:
    """A route with nothing in between."""
    return _mq_bridge(source, url, table, [])


def _mq_bridge(source: str, url: str, table: Table, middlewares: list[dict[str, Any]]) -> Result:
    from mq_bridge import Route  # noqa: PLC0415 - as above

    upsert = {
        "path": _PATH,
        "format": "json_array",
        "envelope": '{"records":{documents}}',
        "max_documents": BATCH,
    }
    bulk = {"url": url, "headers": {"Authorization": "Bearer benchmark"}, "upsert": upsert}
    names = [column.name for column in table.columns]
    file = {"path": source, "format": "csv", "csv": {"columns": names}}
    route = {
        "input": {"file": file},
        "output": {"http_bulk": bulk, "middlewares": middlewares},
        "batch_size": BATCH,
        "exit_on_empty": True,
    }
    Route.from_config(route).run()
    return {}
