"""Bytes are freed with the last that needs them, not when the interpreter looks for garbage.

An exception that is kept holds the calls it was raised in, and they hold it: such a ring keeps a
block or a body until the collector comes by, which it seldom does. With 0.1 % of bad cells a load
took 480 MB instead of 250.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from ingest.model import Batch, Block, Shaped, Slice
from tests.end_to_end import job_of, load, new_table
from tests.sandbox.conftest import running

RECORDS = 6_000


def holds_bytes(one: object) -> bool:
    """A block, columns, or a place in encoded records."""
    match one:
        case Slice():
            return bool(one.buffer)
        case Batch():
            return bool(one.body)
        case _:
            return isinstance(one, (Block, Shaped, pl.DataFrame, pl.Series))


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """What the block leaves for the collector, of what holds bytes: filled when it is left."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(one).__name__ for one in gc.garbage if holds_bytes(one))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def lines(kind: str) -> str:
    """Every 500th record is bad for us, every 700th for the service."""
    cells = [
        ("x" if n % 500 == 0 else n, 7 if n % 700 == 0 else n, f"name {n}") for n in range(RECORDS)
    ]
    if kind == "csv":
        return "n,u,name\n" + "".join(f"{n},{u},{name}\n" for n, u, name in cells)
    return "".join(f'{{"n":"{n}","u":{u},"name":"{name}"}}\n' for n, u, name in cells) + "{]\n"


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
@pytest.mark.parametrize(
    "fault", ["429:20%:0ms", "reset-before:10%", "reset-after-commit:10%", "503:20%:0ms"]
)
def test_nothing_with_bytes_waits_for_the_collector(tmp_path: Path, kind: str, fault: str) -> None:
    """Bad cells, refused records, retries and lost answers."""
    (tmp_path / f"a.{kind}").write_text(lines(kind))
    fields = {
        "n": {"type": "integer"},
        "u": {"type": "integer", "column": {"unique": True}},
        "name": {},
    }
    job = job_of(
        tmp_path,
        new_table(),
        f"a.{kind}",
        fields=fields,
        source={"block_bytes": 65_536},
        limits={"records": 200},
    )
    with running(tmp_path / "data", "--fault", fault) as server:
        with garbage() as found:
            run = load(server, job, tmp_path)
        assert run.report["requests"]["failed"] >= 8
        assert run.report["records"]["rejected"] >= 12
    assert found == Counter()
