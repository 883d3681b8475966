"""What it costs to pack onto the disk, beside packing in memory, and how small the file becomes.

Measured in this process: blocks of a file, cut beforehand, are shaped by threads and packed in
order, as the engine does it, once into bodies in memory (which are let go at once) and once into
gzip files. In memory that is the cost of shaping, so the ratio says what share of the machine is
left for shaping while it also compresses, checksums and writes. Rounds alternate. No server, no
start-up. The size is compared with Python's own gzip at its usual level, 6.

The promise: at least 0.6 of the records a second, at a size of at most 1.25 times.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import time
import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import anyio.to_thread

from benchmarks.console import say, show
from benchmarks.data import write_stocks
from benchmarks.table import Spread, spread
from benchmarks.tables import STOCK
from ingest.build.running import SHAPERS
from ingest.job import make_job
from ingest.model import Batch, Block, Limits, Shaped
from ingest.ordered import Slot, map_in_threads
from ingest.pack import MemoryEnvelope, MemoryPacking, Numbering
from ingest.pack.spool import SpoolEnvelope, SpoolPacking
from ingest.protocols import Packing, Shaper
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.plan import make_plan
from ingest.shape.service import Meeting, ServiceTypes
from ingest.sources.files import FileSource

PROMISE = 0.6
PROMISED_SIZE = 1.25
LIMIT_BYTES = 1_000_000_000
_BODY = MemoryEnvelope(b"", b"", b"\n", Limits())


HEADER = ("shape and pack, in process", "records/s", "times the rate", "MB", "times gzip -6")


@dataclass(frozen=True, slots=True)
class Packed:
    """The seconds of each round, the ratio of the records a second, the bytes of the spools and of
    what gzip makes of the same records."""

    memory_s: list[float]
    spool_s: list[float]
    ratio: Spread
    plain_bytes: int
    spool_bytes: int
    gzip_bytes: int


async def measure(source: Path, folder: Path, rounds: int) -> Packed:
    """Pack the records of `source` both ways, in turn. Raises RuntimeError if one was lost."""
    blocks, shaper = await _prepared(source)
    found = [shaper(block).buffer for block in blocks]
    plain_bytes = sum(map(len, found))
    gzip_bytes = await anyio.to_thread.run_sync(_gzip_bytes, found)
    del found  # a gigabyte of them must not stand beside what is measured
    memory_s, spool_s, spool_bytes = [], [], 0
    for number in range(-1, rounds):  # the first is not counted: the disk's cache is cold
        in_memory, _ = await _seconds(blocks, shaper, MemoryPacking(_BODY))
        on_disk, batches = await _spooled(blocks, shaper, folder)
        spool_bytes = sum(batch.size_bytes for batch in batches)
        if sum(batch.spool.plain_bytes for batch in batches if batch.spool) != plain_bytes:
            raise RuntimeError("the spools do not hold what was shaped")
        if number >= 0:
            memory_s.append(in_memory)
            spool_s.append(on_disk)
    ratio = spread([memory / disk for memory, disk in zip(memory_s, spool_s, strict=True)])
    return Packed(memory_s, spool_s, ratio, plain_bytes, spool_bytes, gzip_bytes)


def rows_of(packed: Packed, records: int) -> list[tuple[str, ...]]:
    """The lines of the table."""
    plain = f"{packed.plain_bytes / 1e6:,.1f}"
    spool, size = f"{packed.spool_bytes / 1e6:,.1f}", packed.spool_bytes / packed.gzip_bytes
    rate, on_disk = (records / median(s) for s in (packed.memory_s, packed.spool_s))
    promised = f"{packed.ratio.shown}, at least {PROMISE}"
    return [
        ("bodies in memory", f"{rate:,.0f}", "", plain, ""),
        ("gzip files", f"{on_disk:,.0f}", promised, spool, f"{size:.2f}, at most {PROMISED_SIZE}"),
    ]


async def _spooled(
    blocks: Sequence[Block], shaper: Shaper, folder: Path
) -> tuple[float, list[Batch]]:
    packing = SpoolPacking(folder, LIMIT_BYTES)
    async with packing.opened():
        seconds, batches = await _seconds(blocks, shaper, packing)
    return seconds, batches


async def _seconds(
    blocks: Sequence[Block], shaper: Shaper, packing: Packing
) -> tuple[float, list[Batch]]:
    """Shape and pack as the engine does; the seconds, and the batches that lie on the disk."""
    numbering, batches = Numbering(), list[Batch]()
    slots_in, slots_out = anyio.create_memory_object_stream[Slot[Shaped]](0)
    started = time.perf_counter()
    async with anyio.create_task_group() as tasks, slots_out:
        tasks.start_soon(map_in_threads, _each(blocks), shaper, slots_in, tasks, SHAPERS)
        async for slot in slots_out:
            await slot.ready.wait()
            numbered = numbering.number(slot.result.pop())
            if numbered.rejects:
                raise RuntimeError("records were rejected: not the work that is measured")
            for part in numbered.slices:
                batches += [batch for batch in await packing.add(part) if batch.spool]
    batches += [batch for batch in await packing.finish() if batch.spool]
    return time.perf_counter() - started, batches


async def _prepared(path: Path) -> tuple[list[Block], Shaper]:
    document = tomllib.loads(STOCK.job(str(path)))
    job = make_job({"name": "stock", **document})
    source = FileSource(job.source, job.base, print)
    layouts = (await source.prepare()).layouts
    async with source.opened():
        blocks = [block async for block in source.blocks()]
    meeting = Meeting(job, None, ServiceTypes(lambda _: "String", lambda _: "string"))
    plans = {layout: make_plan(layout, meeting)[0] for layout in layouts}
    return blocks, CsvShaper(plans, b"\n", SpoolEnvelope(LIMIT_BYTES).largest_record)


async def _each(blocks: Sequence[Block]) -> AsyncIterator[Block]:
    for block in blocks:
        yield block


def _gzip_bytes(buffers: Sequence[bytes]) -> int:
    return len(gzip.compress(b"".join(buffers), 6))


def program(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Packing into gzip files beside packing in memory; prints ratio and size."""
    say(f"making {options.rows:,} records")
    made = write_stocks(folder / "stock.csv", options.rows, options.seed)
    packed = asyncio.run(measure(made.path, folder / "spool", options.runs))
    show(options, HEADER, rows_of(packed, made.records))
    return {"records": made.records, **asdict(packed)}
