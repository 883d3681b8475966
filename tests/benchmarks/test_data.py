"""The made data are the same every time, and are what they are said to be."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks import data


@pytest.mark.parametrize("rows", [0, 1, 2, 10_001])
def test_a_stock_file_has_the_rows_that_were_asked_for(tmp_path: Path, rows: int) -> None:
    """Every row has the header's eleven fields, and the counts are true."""
    made = data.write_stocks(tmp_path / "stock.csv", rows)
    with made.path.open(newline="") as file:
        read = list(csv.reader(file, strict=True))
    assert len(read) == rows + 1 == made.records + 1
    assert {len(row) for row in read} == {11}
    assert made.size_bytes == made.path.stat().st_size


def test_one_seed_gives_one_file() -> None:
    """The same seed gives the same rows, another seed others."""
    assert list(data.stock_rows(50, 7)) == list(data.stock_rows(50, 7))
    assert list(data.stock_rows(50, 7)) != list(data.stock_rows(50, 8))


def test_no_price_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the draw would make one, its last digit is another; the price is 50 here."""
    monkeypatch.setattr("random.Random.random", lambda _: 0.49)
    assert next(data.stock_rows(1)).split(",")[1:3] == ["50.000001", "50.500000"]


def test_whole_floats_change_the_volume_and_nothing_else() -> None:
    """Only the seventh field differs, by its `.0`."""
    plain = [row.split(",") for row in data.stock_rows(20)]
    floats = [row.split(",") for row in data.stock_rows(20, whole_floats=True)]
    for one, other in zip(plain, floats, strict=True):
        assert other[6] == one[6] + ".0"
        assert one[:6] + one[7:] == other[:6] + other[7:]


@pytest.mark.parametrize("write", [data.write_sized_stocks, data.write_sized_wide])
@pytest.mark.parametrize("size_bytes", [1, 12_000_000])
def test_a_sized_file_is_whole_rows_and_large_enough(tmp_path: Path, write, size_bytes) -> None:
    """It reaches its size, ends with a row, and its record count is true."""
    made = write(tmp_path / "sized.csv", size_bytes)
    content = made.path.read_bytes()
    assert len(content) == made.size_bytes >= size_bytes
    assert content.endswith(b"\n")
    assert content.count(b"\n") == made.records + 1


def test_no_text_holds_what_the_server_counts() -> None:
    """The server counts `{` for records, so none may stand in a value."""
    rows = [*data.stock_rows(200), *data.wide_rows(20)]
    assert not any("{" in row or '"' in row for row in rows)
    assert all(len(row) > data.NOTE_CHARACTERS for row in data.wide_rows(20))
