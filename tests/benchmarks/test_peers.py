"""The peers do the work that they are measured at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.contenders import peer_command
from benchmarks.data import Made, write_stocks
from benchmarks.handle import DiscardingServer
from benchmarks.measure import run_measured


def test_a_record_is_mapped_as_the_page_says() -> None:
    """Names, nulls, the volume by way of a float; prices as numbers where that is asked for."""
    record = {"Date": "2014-01-02", "Adj Close": "1.50", "Volume": "12345.0", "name": ""}
    expected = {"date": "2014-01-02", "adj_close": 1.5, "volume": 12345, "name": None}
    assert peers.mapped(record, typed=True) == expected
    assert peers.mapped(record, typed=False) == {**expected, "adj_close": "1.50"}


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7])
def test_the_last_records_are_sent(
    rows: int, tmp_path: Path, server: DiscardingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published example's fault, losing each file's tail, is mended."""
    monkeypatch.setattr(peers, "BATCH", 3)
    made = write_stocks(tmp_path / "stock.csv", rows)
    assert peers.published(str(made.path), server.url) == {"records": rows}
    received = server.received()
    assert (received.records, received.requests) == (rows, -(-rows // 3))


def test_duckdb_writes_the_rows_that_the_published_way_sends(
    stocks: Made, tmp_path: Path, server: DiscardingServer
) -> None:
    """The hash of its file is the hash of what arrived."""
    target = tmp_path / "out.json"
    peers.published(str(stocks.path), server.url)
    peers.duckdb_copy(str(stocks.path), str(target))
    hashed = peers.hash_file(str(target))
    assert hashed == {"records": 700, "rows_hash": server.received().rows_hash}


def test_prices_left_as_texts_are_other_rows(stocks: Made, server: DiscardingServer) -> None:
    """The hash tells them apart, and the number of records does not."""
    peers.published(str(stocks.path), server.url)
    typed = server.received()
    server.reset()
    assert peers.as_published(str(stocks.path), server.url) == {"records": 700}
    assert server.received().rows_hash != typed.rows_hash
    assert server.received().records == typed.records


def test_the_ceiling_posts_as_many_records(stocks: Made, server: DiscardingServer) -> None:
    """Its time is its own, without the making of the body."""
    result = peers.ceiling(str(stocks.path), server.url)
    assert result["records"] == server.received().records == 700
    assert result["seconds"] > 0


def test_a_peer_runs_as_a_command(stocks: Made, server: DiscardingServer) -> None:
    """It prints one line of JSON."""
    said = json.loads(run_measured(peer_command("published", stocks.path, server.url)).stdout)
    assert said["records"] == 700
    assert said["seconds"] > 0
