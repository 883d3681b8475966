"""The peers do the work that they are measured at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import inputs, peers
from benchmarks.contenders import peer_command
from benchmarks.data import Made, write_stocks
from benchmarks.handle import DiscardingServer
from benchmarks.measure import run_measured
from benchmarks.peers import bare, by_columns, by_rows, missing
from benchmarks.tables import SPARSE, STOCK, Column, Table


def test_a_record_is_mapped_as_the_page_says() -> None:
    """Names, nulls, the volume by way of a float; decimals as numbers where that is asked for."""
    columns = (c for c in STOCK.columns if c.source in ("Date", "Adj Close", "Volume", "name"))
    record = {"Date": "2014-01-02", "Adj Close": "1.50", "Volume": "12345.0", "name": ""}
    expected = {"date": "2014-01-02", "adj_close": 1.5, "volume": 12345, "name": None}
    table = Table(tuple(columns))
    assert by_rows.mapped(record, table, typed=True) == expected
    assert by_rows.mapped(record, table, typed=False) == {**expected, "adj_close": "1.50"}
    words = Table((Column("name", "n", "string"),), null="NA")
    assert by_rows.mapped({"name": "NA"}, words, typed=True) == {"n": None}
    assert by_rows.mapped({"name": ""}, words, typed=True) == {"n": ""}


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7])
def test_the_last_records_are_sent(
    rows: int, tmp_path: Path, server: DiscardingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published example's fault, losing each file's tail, is mended."""
    monkeypatch.setattr(by_rows, "BATCH", 3)
    made = write_stocks(tmp_path / "stock.csv", rows)
    assert by_rows.published(str(made.path), server.url, STOCK) == {"records": rows}
    received = server.received()
    assert (received.records, received.requests) == (rows, -(-rows // 3))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 6, 7])
def test_the_bare_socket_sends_as_many_records_as_the_file_has(
    rows: int, tmp_path: Path, server: DiscardingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole bodies of the first ones, and a shorter one."""
    monkeypatch.setattr(by_rows, "BATCH", 3)
    made = write_stocks(tmp_path / "stock.csv", rows)
    assert bare.bare_socket(str(made.path), server.url, STOCK)["records"] == rows
    assert server.received().records == rows


@pytest.mark.parametrize("name", ["duckdb", "chdb", "polars"])
@pytest.mark.parametrize("table", ["stock", "sparse"])
def test_engines_write_the_rows_that_the_published_way_sends(
    name: str, table: str, tmp_path: Path, server: DiscardingServer
) -> None:
    """The hash of the file is the hash of what arrived, nulls included."""
    if note := missing(name):
        pytest.skip(note)
    kind = {"stock": STOCK, "sparse": SPARSE}[table]
    write = {"stock": write_stocks, "sparse": inputs.sparse}[table]
    made, target = write(tmp_path / "input.csv", 300), tmp_path / "out.json"
    by_rows.published(str(made.path), server.url, kind)
    run_measured(peer_command(name, made.path, str(target), table))
    hashed = bare.hash_file(str(target), "", kind)
    received = server.received()
    assert (hashed["records"], hashed["rows_hash"]) == (received.records, received.rows_hash)


@pytest.mark.parametrize("name", ["chdb-url", "dlt", "mq-bridge"])
def test_loaders_send_the_rows_that_the_published_way_sends(
    name: str, stocks: Made, server: DiscardingServer
) -> None:
    """Typed, renamed, all of them."""
    if note := missing(name):
        pytest.skip(note)
    by_rows.published(str(stocks.path), server.url, STOCK)
    expected = server.received().rows_hash
    server.reset()
    run_measured(peer_command(name, stocks.path, server.url))
    received = server.received()
    assert (received.records, received.rows_hash) == (stocks.records, expected)


@pytest.mark.parametrize("name", ["as-published", "aitoai-batch", "mq-bridge-text"])
def test_texts_are_other_rows(name: str, stocks: Made, server: DiscardingServer) -> None:
    """As many, and not the typed ones."""
    if note := missing(name):
        pytest.skip(note)
    by_rows.published(str(stocks.path), server.url, STOCK)
    typed = server.received()
    server.reset()
    run_measured(peer_command(name, stocks.path, server.url))
    assert server.received().records == typed.records
    assert server.received().rows_hash != typed.rows_hash


def test_polars_types_json(tmp_path: Path) -> None:
    """What it writes are the rows of the CSV file."""
    untyped = inputs.untyped(tmp_path / "in.ndjson", 40).path
    typed, target = inputs.ndjson(tmp_path / "typed.ndjson", 40).path, tmp_path / "out.ndjson"
    by_columns.polars_ndjson(str(untyped), str(target), STOCK)
    assert bare.hash_file(str(target), "", STOCK) == bare.hash_file(str(typed), "", STOCK)


def test_a_peer_is_a_process_that_prints_its_result(stocks: Made, server: DiscardingServer) -> None:
    """One line of JSON with its seconds, which leave the interpreter's start out."""
    measured = run_measured(peer_command("published", stocks.path, server.url))
    said = json.loads(measured.stdout)
    assert said["records"] == stocks.records
    assert 0 < said["seconds"] < measured.wall_s


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it; what needs nothing is never missing."""
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    assert missing("chdb").startswith("chdb is left out: no chdb here (pip install")
    assert missing("bare-socket") == missing("ingest") == ""
    monkeypatch.undo()
    assert missing("published") == ""
