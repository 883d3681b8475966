"""Records in a spool lead back to their source, for little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.kept import Kept
from ingest.model import (
    Block,
    FileInfo,
    Layout,
    Origin,
    Outcome,
    Receipt,
    Refusal,
    Segment,
    Slice,
    Verdict,
)
from ingest.pack import Numbering
from ingest.pack.spool import SpoolPacking
from ingest.refused import rejects_of
from ingest.shape.csv_shape import CsvShaper
from tests.pack.helpers import FILES, slice_of
from tests.pack.spools import (
    LIMIT,
    lines,
    lines_of,
)
from tests.shape.helpers import csv_block, job_of, plan_of


def block_of(number: int, lines_: Sequence[bytes], files: Sequence[FileInfo]) -> Block:
    """A block with one line of each file."""
    data, segments = b"", []
    for file, line in zip(files, lines_, strict=True):
        segments.append(Segment(file, len(data), len(data) + len(line), 7))
        data += line
    return Block(number, data, Layout("csv", ("a",)), tuple(segments))


def with_origin(part: Slice, kept: Kept, segment: int) -> Slice:
    """The slice, and where it came from."""
    return replace(part, origin=Origin(kept, segment, part.first, 40 + part.first))


@pytest.mark.anyio
async def test_a_refused_record_can_be_shown_as_it_came(tmp_path: Path) -> None:
    """Every slice leads back to its block; one of several files is written once a spool."""
    blocks = [block_of(n, [b"x%d\n" % n, b"y%d\n" % n], FILES[:2]) for n in range(3)]
    kept = [Kept(block) for block in blocks]
    parts = [
        with_origin(slice_of([b"%d" % n, b"%d" % file], FILES[file], 1 + 2 * n, end=b"\n"), k, file)
        for n, k in enumerate(kept)
        for file in (0, 1)
    ]
    packing = SpoolPacking(tmp_path, LIMIT)
    async with packing.opened():
        for part in [*parts, slice_of([b"z"], FILES[2], end=b"\n")]:
            await packing.add(part)
        (batch,) = await packing.finish()
        *known, unknown = batch.slices
        assert unknown.origin is None
        for part, light in zip(parts, known, strict=True):
            assert light.origin
            assert part.origin
            assert light.origin == replace(part.origin, kept=light.origin.kept)
            assert light.origin.kept.restored() == part.origin.kept.restored()
            fields = (light.file, light.first, light.last, light.count, light.rejected)
            assert fields == (part.file, part.first, part.last, part.count, part.rejected)
        written = (tmp_path / "spool-000001.origins").read_bytes()
        assert written == b"".join(block.data for block in blocks)


@pytest.mark.anyio
async def test_refused_records_become_rejects_with_their_own_bytes(tmp_path: Path) -> None:
    """From a CSV block through the real shaper; the second and the last record are refused."""
    rows = [["1", "a"], ["x", "b"], ["3", "c,d"], ["4", "e"]]
    block = csv_block(["n", "t"], rows, rows)
    job = job_of(fields={"n": {"type": "integer"}})
    shaper = CsvShaper({block.layout: plan_of(block.layout, job)}, b"\n", 10_000)
    found = Numbering().number(shaper(block))
    numbered, rejects = found.slices, found.rejects
    assert [reject.record for reject in rejects] == [2, 2]
    packing = SpoolPacking(tmp_path, LIMIT)
    async with packing.opened():
        for part in numbered:
            await packing.add(part)
        (batch,) = await packing.finish()
        assert lines_of(batch)[1] == b'{"n":3,"t":"c,d"}'
        refused = Refusal(1, "no commas"), Refusal(5, "nor here")
        receipt = Receipt(batch, Outcome.ACCEPTED, 1, 0, verdict=Verdict(4, refused))
        first, second = await rejects_of(receipt, shaper)
    assert (first.file, first.record, first.line) == (block.segments[0].file.shown, 3, 3)
    assert (second.file, second.record, second.line) == (block.segments[1].file.shown, 4, 4)
    assert (first.raw, first.message) == (b'"3","c,d"', "no commas")
    assert (second.raw, second.message) == (b'"4","e"', "nor here")


@pytest.mark.anyio
async def test_a_block_in_two_spools_lies_beside_both(tmp_path: Path) -> None:
    """Each is removed by itself."""
    kept = Kept(block_of(0, [b"x\n"], FILES[:1]))
    packing = SpoolPacking(tmp_path, 200)
    async with packing.opened():
        batches = await packing.add(with_origin(lines(400), kept, 0))
        batches += await packing.finish()
        assert len(batches) > 2
        for batch in batches:
            assert all(p.origin and p.origin.kept.restored() == kept.block for p in batch.slices)
            await packing.release(batch)
            origin = batch.slices[0].origin
            assert origin
            with pytest.raises(IngestError, match="it is closed"):
                origin.kept.restored()


@pytest.mark.anyio
async def test_a_sealed_slice_is_small(tmp_path: Path) -> None:
    """A spool may hold a hundred thousand small files: less than a kilobyte for each."""
    count = 2000
    packing = SpoolPacking(tmp_path, 10**7)
    async with packing.opened():
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            block = block_of(number, [b"x" * 3000 + b"\n"], FILES[:1])
            await packing.add(with_origin(lines(10, 1 + 10 * number), Kept(block), 0))
        (batch,) = await packing.finish()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(batch.slices) == count
        assert (after - before) / count < 1000
