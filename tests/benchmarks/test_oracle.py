"""The standard library's reading of the inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import inputs, oracle
from benchmarks.data import write_stocks
from benchmarks.rows_hash import RowsHash
from benchmarks.tables import STOCK


def hash_of_file(path: Path, is_bad=lambda _: False) -> str:
    """A stock file's hash."""
    return oracle.hash_of(oracle.csv_rows(path, STOCK, is_bad))


def test_one_row_by_hand(tmp_path: Path) -> None:
    """Names, types and nulls as the job says."""
    path = tmp_path / "one.csv"
    path.write_text(STOCK.header + "2014-01-02,1.50,2,3,4,,12345.0,n,,001,y\n")
    expected = RowsHash()
    row = {"date": "2014-01-02", "open": 1.5, "high": 2.0, "low": 3.0, "close": 4.0}
    row |= {"adj_close": None, "volume": 12345, "name": "n", "city": None, "code": "001"}
    expected.add([row | {"flag": "y"}])
    assert hash_of_file(path) == expected.hexdigest


def test_files_of_a_folder_are_read_as_one(tmp_path: Path) -> None:
    """The same rows, the same hash."""
    whole = write_stocks(tmp_path / "one.csv", 400)
    assert hash_of_file(whole.path) == hash_of_file(inputs.small_files(tmp_path / "s", 400).path)


def test_bad_rows_are_left_out(tmp_path: Path) -> None:
    """They are not even typed; without them the rows are the clean file's others."""
    bad = inputs.bad(tmp_path / "bad.csv", 600)
    clean = write_stocks(tmp_path / "clean.csv", 600)
    assert hash_of_file(bad.path, inputs.is_bad) == hash_of_file(clean.path, inputs.is_bad)
    with pytest.raises(ValueError, match="could not convert"):
        hash_of_file(bad.path)


def test_json_is_read_as_it_is_or_typed(tmp_path: Path) -> None:
    """Both are the rows of the CSV file."""
    expected = hash_of_file(write_stocks(tmp_path / "clean.csv", 60).path)
    plain = inputs.ndjson(tmp_path / "plain.ndjson", 60).path
    untyped = inputs.untyped(tmp_path / "untyped.ndjson", 60).path
    assert oracle.hash_of(oracle.json_rows(plain)) == expected
    assert oracle.hash_of(oracle.typed_json_rows(untyped, STOCK)) == expected
