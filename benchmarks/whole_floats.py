"""What a column of whole numbers spelt `12345.0` costs beside the same column spelt `12345`.

Measured in this process, the shape stage alone: two files that differ in nothing but that column's
spelling are cut into blocks beforehand, and then shaped in turn, one after the other, by one
thread. The quick path holds for both if the ratio stays near one; the promise is at most 1.3.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.console import say, show
from benchmarks.data import write_stocks
from benchmarks.table import Spread, spread
from benchmarks.tables import STOCK
from ingest.job import Job, make_job
from ingest.model import Block, Layout
from ingest.protocols import Shaper
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.plan import make_plan
from ingest.shape.service import Meeting, ServiceTypes
from ingest.sources.files import FileSource

PROMISE = 1.3
HEADER = ("shape stage, one thread", "records/s", "times the cost")


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Both spellings; prints the ratio."""
    say(f"making {options.rows:,} records twice")
    plain = write_stocks(folder / "plain.csv", options.rows, options.seed)
    floats = write_stocks(folder / "floats.csv", options.rows, options.seed, whole_floats=True)
    ratio, plain_s, floats_s = asyncio.run(measure(plain.path, floats.path, options.runs))
    rows = [
        (word, f"{options.rows / min(seconds):,.0f}", shown)
        for word, seconds, shown in (
            ('volume "12345"', plain_s, ""),
            ('volume "12345.0"', floats_s, f"{ratio.shown}, at most {PROMISE}"),
        )
    ]
    show(options, HEADER, rows)
    return {"records": options.rows, "ratio": asdict(ratio), "plain": plain_s, "floats": floats_s}


async def measure(
    plain: Path, floats: Path, rounds: int
) -> tuple[Spread, list[float], list[float]]:
    """The ratio of the seconds, floats to plain, and the seconds of each round."""
    plain_blocks, shaper = await _prepared(plain)
    float_blocks, float_shaper = await _prepared(floats)
    _shape(shaper, plain_blocks[:1])
    _shape(float_shaper, float_blocks[:1])
    plain_s, floats_s = [], []
    for _ in range(rounds):
        plain_s.append(_shape(shaper, plain_blocks))
        floats_s.append(_shape(float_shaper, float_blocks))
    ratio = spread([f / p for f, p in zip(floats_s, plain_s, strict=True)])
    return ratio, plain_s, floats_s


def _shape(shaper: Shaper, blocks: Sequence[Block]) -> float:
    """Seconds to shape them all. Raises RuntimeError if a record was rejected."""
    started = time.perf_counter()
    rejected = sum(len(part.rejects) for block in blocks for part in shaper(block).segments)
    seconds = time.perf_counter() - started
    if rejected:
        raise RuntimeError(f"{rejected} records were rejected: not the work that is measured")
    return seconds


async def _prepared(path: Path) -> tuple[list[Block], Shaper]:
    job = _job(path)
    source = FileSource(job.source, job.base, print)
    prepared = await source.prepare()
    async with source.opened():
        blocks = [block async for block in source.blocks()]
    return blocks, _shaper(job, prepared.layouts)


def _shaper(job: Job, layouts: Iterable[Layout]) -> Shaper:
    meeting = Meeting(job, None, ServiceTypes(lambda _: "String", lambda _: "string"))
    plans = {layout: make_plan(layout, meeting)[0] for layout in layouts}
    return CsvShaper(plans, b",\n", 6_000_000)


def _job(path: Path) -> Job:
    document = tomllib.loads(STOCK.job(str(path)))
    return make_job({"name": "stock", **document})
