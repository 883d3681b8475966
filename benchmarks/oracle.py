"""The rows that must land, by the standard library alone: what our own are held against.

Python's `csv` and `json` read the same file, `peers.by_rows.mapped` types the records, bad ones are
left out. Slow, and so used on a small file that is made like the large one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.by_rows import mapped
from benchmarks.rows_hash import RowsHash
from benchmarks.tables import Table

Row = dict[str, Any]


def hash_of(rows: Iterator[Row]) -> str:
    """The rows' hash."""
    heap = RowsHash()
    heap.add(rows)
    return heap.hexdigest


def csv_rows(path: Path, table: Table, is_bad: Callable[[int], bool]) -> Iterator[Row]:
    """The typed records of a file, or of a folder's files; `is_bad` is asked by number, from 0."""
    number = 0
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open(newline="", encoding="utf-8") as lines:
            for record in csv.DictReader(lines, strict=True):
                if not is_bad(number):
                    yield mapped(record, table, typed=True)
                number += 1


def json_rows(path: Path) -> Iterator[Row]:
    """The records of JSON lines as they are."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def typed_json_rows(path: Path, table: Table) -> Iterator[Row]:
    """The records of JSON lines under the table's names, texts of integers as integers."""
    for record in json_rows(path):
        found = {column.name: record[column.source] for column in table.columns}
        wholes = [column.name for column in table.columns if column.kind == "integer"]
        yield found | {name: int(found[name]) for name in wholes}
