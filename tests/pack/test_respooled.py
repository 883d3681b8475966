"""Spools of a killed run: taken as they are, or filled once more with the same records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from ingest.errors import IngestError, SettingsError
from ingest.journal import IntervalSet, Settled
from ingest.kept import Kept
from ingest.model import Batch, Block, Layout, Origin, Slice
from ingest.pack import MemoryPacking, split
from ingest.pack.recut import RecutPacking
from ingest.pack.respooled import is_whole
from ingest.pack.spool import SpoolPacking
from tests.pack.helpers import envelope_of, slice_of
from tests.pack.spools import lines, lines_of, names_in, records_of_all
from tests.pack.test_recut import NONE, intent_of

pytestmark = pytest.mark.anyio
LIMIT = 10_000


def with_origin(part: Slice) -> Slice:
    """A slice that came from a block."""
    block = Block(7, b"source", Layout("ndjson"), ())
    return replace(part, origin=Origin(Kept(block), 0, part.first, 1))


async def spooled(directory: Path, *parts: Slice, limit_bytes: int = LIMIT) -> Batch:
    """A sealed spool of these records, and its file as a killed run leaves it."""
    packing = SpoolPacking(directory, limit_bytes, needed=needing("spool-000001.ndjson.gz"))
    async with packing.opened():
        for part in parts:
            assert await packing.add(part) == []
        (batch,) = await packing.finish()
    assert batch.spool is not None
    assert names_in(directory) == [batch.spool.path.name]
    return batch


def needing(*names: str):
    """Books that need these files."""

    async def needed() -> Collection[str]:
        return names

    return needed


def taking_up(directory: Path, batch: Batch, **rest: int) -> tuple[SpoolPacking, RecutPacking]:
    """The packings of a run in which that spool is open; new bodies are numbered from 9 on."""
    assert batch.spool is not None
    inner = SpoolPacking(
        directory,
        rest.get("limit_bytes", LIMIT),
        first_number=9,
        needed=needing(batch.spool.path.name),
    )
    intents = [intent_of(batch)]
    return inner, RecutPacking(inner, intents, NONE, inner.envelope, once_more=inner.once_more)


async def test_a_spool_is_taken_over(tmp_path: Path) -> None:
    """The file as it is, places without bytes, and their source on the disk until the release."""
    part = with_origin(lines(20))
    batch = await spooled(tmp_path, part)
    assert batch.spool is not None
    inner, packing = taking_up(tmp_path, batch)
    async with inner.opened():
        head, rest = split(part, 5)
        assert await packing.add(head) == []
        (again,) = await packing.add(rest)
        assert (again.spool, again.body, again.spans) == (batch.spool, (), batch.spans)
        assert (again.count, again.size_bytes, again.number) == (20, batch.size_bytes, 1)
        assert [(p.first, p.last, p.buffer) for p in again.slices] == [(1, 5, b""), (6, 20, b"")]
        assert source_of(again) == b"source"
        assert f"{batch.spool.path.name}.origins-again" in names_in(tmp_path)
        await packing.release(again)
        assert names_in(tmp_path) == [batch.spool.path.name]
        (anew,) = [*await packing.add(lines(2, 21)), *await packing.finish()]
        assert anew.number == 9
    assert names_in(tmp_path) == [batch.spool.path.name]
    packing.discard()


def source_of(batch: Batch) -> bytes:
    """The source of a batch's last slice, which lies on the disk."""
    origin = batch.slices[-1].origin
    assert origin is not None
    assert not isinstance(origin.kept, Kept)
    return origin.kept.restored().data


LOSSES = ["gone", "changed", "shorter"]


async def lose(batch: Batch, how: str) -> None:
    """Its file is not what it was."""
    assert batch.spool is not None
    assert is_whole(batch.spool)
    path = anyio.Path(batch.spool.path)
    data = await path.read_bytes()
    await path.unlink()
    if how != "gone":
        await path.write_bytes(data[:-1] + (b"x" if how == "changed" else b""))
    assert not is_whole(batch.spool)


@pytest.mark.parametrize("how", LOSSES)
@pytest.mark.parametrize("limit_bytes", [100, LIMIT])
async def test_a_lost_spool_is_filled_once_more(tmp_path: Path, how: str, limit_bytes: int) -> None:
    """In a file of its own, in whatever pieces the records come and whatever the limit is now."""
    part = with_origin(lines(900))
    batch = await spooled(tmp_path, part)
    await lose(batch, how)
    assert batch.spool is not None
    inner, packing = taking_up(tmp_path, batch, limit_bytes=limit_bytes)
    async with inner.opened():
        head, rest = split(part, 11)
        assert await packing.add(head) == []
        assert packing.pending == 11
        (again,) = await packing.add(rest)
        assert packing.pending == 0
        assert lines_of(again) == records_of_all([part])
        assert again.spool is not None
        assert (again.spool.path == batch.spool.path) == (how == "gone")
        assert (again.number, again.count, again.spans) == (1, 900, batch.spans)
        assert source_of(again) == b"source"
        await packing.release(again)
        assert await packing.finish() == []


@pytest.mark.parametrize("how", LOSSES)
async def test_a_lost_spool_in_memory(tmp_path: Path, how: str) -> None:
    """Where no spool can be filled: refused."""
    batch = await spooled(tmp_path, lines(20))
    await lose(batch, how)
    inner = MemoryPacking(envelope_of())
    packing = RecutPacking(inner, [intent_of(batch)], NONE, envelope_of())
    with pytest.raises(SettingsError, match="its file is no longer there"):
        await packing.add(lines(20))
    assert packing.pending == 20


@pytest.mark.parametrize(
    "other",
    [lines(20, 2), slice_of([b"x"] * 20, end=b"\n"), lines(19)],
)
async def test_other_records_are_refused(tmp_path: Path, other: Slice) -> None:
    """A spool that was lost, and the data or the program changed: nothing is sent in its place."""
    batch = await spooled(tmp_path, lines(20))
    await lose(batch, "gone")
    inner, packing = taking_up(tmp_path, batch)
    async with inner.opened():
        with pytest.raises(SettingsError, match="batch 1 was perhaps sent"):
            await packed(packing, replace(other, first=1, last=other.count))
        assert packing.pending == other.count


async def packed(packing: RecutPacking, part: Slice) -> list[Batch]:
    """The batches of a run of this slice alone."""
    return [*await packing.add(part), *await packing.finish()]


async def test_a_file_of_unknown_content_is_not_filled_again(tmp_path: Path) -> None:
    """An older journal did not record what it unpacks to."""
    batch = await spooled(tmp_path, lines(20))
    await lose(batch, "gone")
    assert batch.spool is not None
    batch = replace(batch, spool=replace(batch.spool, plain_crc32=None))
    inner, packing = taking_up(tmp_path, batch)
    async with inner.opened():
        with pytest.raises(SettingsError, match="would not be the same body"):
            await packing.add(lines(20))


async def test_leftovers_of_a_killed_taking_up(tmp_path: Path) -> None:
    """The file of places is made anew; where it can't be, no record is lost count of."""
    part = with_origin(lines(20))
    batch = await spooled(tmp_path, part)
    assert batch.spool is not None
    left = anyio.Path(batch.spool.path.with_name(f"{batch.spool.path.name}.origins-again"))
    await left.write_bytes(b"old")
    frame = envelope_of()
    packing = RecutPacking(MemoryPacking(frame, 9), [intent_of(batch)], NONE, frame)
    (again,) = await packing.add(part)
    assert again.spool == batch.spool
    assert await left.read_bytes() == b"source"
    packing.discard()
    await left.mkdir()
    packing = RecutPacking(MemoryPacking(frame, 9), [intent_of(batch)], NONE, frame)
    with pytest.raises(IngestError, match="can't be deleted"):
        await packing.add(part)
    assert packing.pending == 20


class Cut(BaseException):
    """What a cancellation looks like to whom it meets."""


@pytest.mark.parametrize("lost", [False, True])
async def test_cut_off_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """What was handed in and is neither settled nor handed out is pending; the next call goes on
    where it was."""
    run_sync = anyio.to_thread.run_sync
    steps = [0]

    async def cut(*args, **rest):
        steps[0] -= 1
        if steps[0] == 0:
            raise Cut
        return await run_sync(*args, **rest)

    done = Settled({0: IntervalSet([(1, 5)])})
    parts = [lines(200), lines(200, 201), None, None]
    for cut_at in range(1, 80):
        folder = tmp_path / str(cut_at)
        batch = await spooled(folder, lines(100, 151))
        if lost:
            await lose(batch, "gone")
        inner, packing = taking_up(folder, batch, limit_bytes=200)
        packing._settled = done
        batches, cuts = await all_of(inner, packing, parts, (steps, cut_at, cut), monkeypatch)
        assert batches == sorted(records_of_all([lines(395, 6)]))
        if not cuts:
            break
    assert 10 < cut_at < 79


async def all_of(
    inner: SpoolPacking,
    packing: RecutPacking,
    parts: Sequence[Slice | None],
    cutting,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[bytes], int]:
    """Every record of a run, and how often it was cut off."""
    steps, cut_at, cut = cutting
    found: list[Batch] = []
    cuts = handed_in = 0
    async with inner.opened():
        with monkeypatch.context() as patch:
            patch.setattr(anyio.to_thread, "run_sync", cut)
            steps[0] = cut_at
            for part in parts:
                handed_in += part.count if part else 0
                try:
                    found += await (packing.add(part) if part else packing.finish())
                except Cut:
                    cuts += 1
                there = sum(batch.count for batch in found) + packing.skipped_settled
                assert there + packing.pending == handed_in
        records = [line for batch in found for line in lines_of(batch)]
        packing.discard()
    return sorted(records), cuts
