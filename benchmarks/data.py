"""Made input, the same bytes for the same seed: stock-like rows, and rows with long text.

`stocks` is the file this program was designed with: 11 columns as the well-known daily price files
have them (a date, five prices with six digits, a volume), and four text columns beside them. About
93 bytes a row. No price is whole: some write 5.0 as 5, which `rows_hash` takes for another row.
With `whole_floats` each volume is spelt `12345.0`, as pandas writes an integer column that once
held a gap; nothing else differs, so two such files compare the spelling alone.

`wide` has few columns and 2,000 characters of text a row, so that the byte limit of a request (and
not the record limit) closes every body.

A large file is a small one's rows repeated: memory is measured with it, and a gigabyte of random
numbers would take Python a minute.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

STOCK_HEADER = "Date,Open,High,Low,Close,Adj Close,Volume,name,city,code,flag\n"
WIDE_HEADER = "number,name,note\n"
NOTE_CHARACTERS = 2000
REPEATED_ROWS = 50_000
_LINES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made: where it is, and how many records and bytes it has."""

    path: Path
    records: int
    size_bytes: int


def stock_rows(rows: int, seed: int = 1, *, whole_floats: bool = False) -> Iterator[str]:
    """The rows of a stock file, each with its line end."""
    draw = random.Random(seed)
    tail = ".0" if whole_floats else ""
    for row in range(rows):
        price = draw.random() * 100 + 1
        prices = ",".join(f"{price * factor:.6f}" for factor in (1, 1.01, 0.99, 1.002, 1.001))
        prices = prices.replace(".000000", ".000001")
        day = f"2014-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
        texts = f"name {row % 1000},city{row % 77},{row % 10000:05d},{'yn'[row % 2]}"
        yield f"{day},{prices},{draw.randint(0, 10**8)}{tail},{texts}\n"


def wide_rows(rows: int, seed: int = 1, note: int = NOTE_CHARACTERS) -> Iterator[str]:
    """Rows with a note of so many characters, each with its line end."""
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz      "
    text = "".join(draw.choices(letters, k=4 * note))
    for row in range(rows):
        start = draw.randrange(3 * note)
        yield f"{row},name {row % 1000},{text[start : start + note]}\n"


def write_stocks(path: Path, rows: int, seed: int = 1, *, whole_floats: bool = False) -> Made:
    """A stock file with this many rows."""
    return write_lines(path, STOCK_HEADER, stock_rows(rows, seed, whole_floats=whole_floats))


def write_sized_stocks(path: Path, size_bytes: int) -> Made:
    """A stock file of at least `size_bytes`, its rows repeated."""
    return write_repeated(path, STOCK_HEADER, stock_rows, size_bytes)


def write_sized_wide(path: Path, size_bytes: int) -> Made:
    """A wide file of at least `size_bytes`, its rows repeated."""
    return write_repeated(path, WIDE_HEADER, wide_rows, size_bytes)


def write_lines(path: Path, header: str, rows: Iterable[str]) -> Made:
    """A file of this header (none if empty) and these rows, each with its line end."""
    records = 0
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(header)
        batch: list[str] = []
        for row in rows:
            batch.append(row)
            records += 1
            if len(batch) == _LINES_AT_ONCE:
                file.write("".join(batch))
                batch.clear()
        file.write("".join(batch))
    return Made(path, records, path.stat().st_size)


def write_wide(path: Path, rows: int, seed: int = 1) -> Made:
    """A wide file with this many rows."""
    return write_lines(path, WIDE_HEADER, wide_rows(rows, seed))


def write_sized_megabytes(path: Path, size_bytes: int) -> Made:
    """A file of at least `size_bytes` whose records have a note of a megabyte, repeated."""
    return write_repeated(path, WIDE_HEADER, partial(wide_rows, note=1_000_000), size_bytes)


def write_repeated(
    path: Path, header: str, rows: Callable[[int], Iterator[str]], size_bytes: int
) -> Made:
    """A file of at least `size_bytes`: the header, and the first of the rows again and again."""
    one_row = len(next(rows(1)))
    count = max(1, min(REPEATED_ROWS, 10_000_000 // one_row))
    chunk = "".join(rows(count)).encode("ascii")
    times = max(1, -(-(size_bytes - len(header)) // len(chunk)))
    with path.open("wb") as file:
        file.write(header.encode("ascii"))
        for _ in range(times):
            file.write(chunk)
    return Made(path, count * times, path.stat().st_size)
