"""Packing that is cut off, let go, or finds no room: what is pending, and a clean disk."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.model import (
    Batch,
)
from ingest.pack import spool, spool_file
from ingest.pack.gzip_stream import Deflated, deflate
from ingest.pack.spool import SpoolPacking
from tests.pack.spools import (
    LIMIT,
    lines,
    lines_of,
    names_in,
    noisy,
    records_of_all,
)


class Held:
    """`deflate`, which does nothing until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, views: Sequence[memoryview], window: int, level: int) -> Deflated:
        self.begun.set()
        assert self.let_go.wait(20)
        return deflate(views, window, level)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Chunks of one slice, none of which is compressed before it is let go."""
    monkeypatch.setattr(spool, "CHUNK_BYTES", 1)
    made = Held()
    monkeypatch.setattr(spool_file, "deflate", made)
    yield made
    made.let_go.set()


@pytest.mark.anyio
async def test_an_add_that_is_cancelled_while_it_waits(tmp_path: Path, held: Held) -> None:
    """Its records are pending, and none of them is lost or doubled."""
    packing = SpoolPacking(tmp_path, LIMIT)
    async with packing.opened():
        for first in (1, 2, 3):
            assert await packing.add(lines(1, first)) == []
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(packing.add, lines(1, 4))
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
                held.let_go.set()
        assert packing.pending == 4
        assert await packing.add(lines(1, 5)) == []
        assert packing.pending == 5
        (batch,) = await packing.finish()
        assert packing.pending == 0
        assert lines_of(batch) == records_of_all([lines(5)])


class Cut(BaseException):
    """What a cancellation looks like to whom it meets."""


@pytest.mark.anyio
async def test_an_add_that_is_cancelled_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is cut off, what was handed in and not handed out is pending; the next call goes
    on where it was."""
    in_thread = SpoolPacking._in_thread
    steps = [0]

    async def cut(self, function):
        steps[0] -= 1
        if steps[0] == 0:
            raise Cut
        return await in_thread(self, function)

    monkeypatch.setattr(SpoolPacking, "_in_thread", cut)
    for cut_at in range(2, 40):
        steps[0] = cut_at
        packing = SpoolPacking(tmp_path, 200)
        batches: list[Batch] = []
        interrupted = 0
        async with packing.opened():
            for part in [lines(60), lines(60, 61), None, None]:
                try:
                    batches += await (packing.add(part) if part else packing.finish())
                except Cut:
                    interrupted += 1
                handed_in = 60 if part and part.first == 1 else 120
                assert packing.pending == handed_in - sum(b.count for b in batches)
            inside = [line for batch in batches for line in lines_of(batch)]
        assert inside == records_of_all([lines(120)])
        assert names_in(tmp_path) == []
        if not interrupted:
            break
    assert cut_at > 10


@pytest.mark.anyio
async def test_a_call_within_a_cancelled_scope(tmp_path: Path) -> None:
    """Nothing is done; the record is pending and goes with the next call."""
    packing = SpoolPacking(tmp_path, LIMIT)
    async with packing.opened():
        await packing.add(lines(2))
        with anyio.CancelScope() as scope:
            scope.cancel()
            await packing.finish()
        assert scope.cancelled_caught
        assert packing.pending == 2
        (batch,) = await packing.finish()
        assert lines_of(batch) == records_of_all([lines(2)])


@pytest.mark.anyio
async def test_left_while_chunks_are_under_way(tmp_path: Path, held: Held) -> None:
    """The threads end first, then everything is gone; what was in it stays pending."""
    packing = SpoolPacking(tmp_path, LIMIT)
    with anyio.CancelScope() as scope:
        async with packing.opened():
            for first in (1, 2, 3):
                await packing.add(lines(1, first))
            scope.cancel()
            held.let_go.set()
    assert packing.pending == 3
    assert names_in(tmp_path) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("spool")]


@pytest.mark.anyio
async def test_what_was_not_released_is_removed_at_the_end(tmp_path: Path) -> None:
    """Sealed or not, handed out or not."""
    packing = SpoolPacking(tmp_path, 200)
    async with packing.opened():
        batches = await packing.add(lines(400))
        assert len(batches) > 1
        assert len(names_in(tmp_path)) >= 2 * len(batches)
    assert names_in(tmp_path) == []


@pytest.mark.anyio
async def test_released(tmp_path: Path) -> None:
    """Spool and origins of that batch go, once more is no error, the others stay."""
    packing = SpoolPacking(tmp_path, 200)
    async with packing.opened():
        first, second, *_ = await packing.add(lines(400))
        assert first.spool
        assert second.spool
        await packing.release(first)
        await packing.release(first)
        await packing.release(replace(first, spool=None))
        packing.remove(first.spool)
        assert not first.spool.path.exists()
        assert not first.spool.path.with_name("spool-000001.origins").exists()
        assert lines_of(second)
        await anyio.to_thread.run_sync(packing.remove, second.spool)
        assert not second.spool.path.exists()


@pytest.mark.anyio
async def test_a_spool_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to whoever removes it; no reason to stop for a run that releases it; tried again at the
    end."""
    packing = SpoolPacking(tmp_path, LIMIT)
    unlink = Path.unlink

    def refuse(_: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    async with packing.opened():
        await packing.add(lines(1))
        (batch,) = await packing.finish()
        assert batch.spool
        monkeypatch.setattr(Path, "unlink", refuse)
        await packing.release(batch)
        with pytest.raises(IngestError, match="can't be deleted: Operation not permitted"):
            packing.remove(batch.spool)
        monkeypatch.setattr(Path, "unlink", unlink)
        assert batch.spool.path.exists()
    assert names_in(tmp_path) == []


@pytest.mark.anyio
async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once and at every later call; what was sealed stays whole, what was not is gone and
    pending."""
    packing = SpoolPacking(tmp_path, 200)
    writev = os.writev

    def full(_: int, __: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with packing.opened():
        batches = await packing.add(lines(400))
        monkeypatch.setattr(os, "writev", full)
        left = packing.pending
        with pytest.raises(IngestError, match=r"spool-.*No space left on device") as raised:
            await packing.add(lines(400, 401))
        assert str(tmp_path) in raised.value.hint
        assert "limits.spool_bytes" in raised.value.hint
        monkeypatch.setattr(os, "writev", writev)
        with pytest.raises(IngestError, match="No space left"):
            await packing.add(lines(1, 801))
        with pytest.raises(IngestError, match="No space left"):
            await packing.finish()
        assert packing.pending == left + 401
        whole = [line for batch in batches for line in lines_of(batch)]
        assert whole == records_of_all([lines(len(whole))])
        assert len(names_in(tmp_path)) == 2 * len(batches)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root can make one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    try:
        made = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.anyio
async def test_a_disk_that_is_really_full(tiny_disk: Path) -> None:
    """The room is there again as soon as it was found too small."""
    packing = SpoolPacking(tiny_disk, 10**6)
    async with packing.opened():
        await packing.add(noisy(300, 1000))  # one chunk, which is only begun
        with pytest.raises(IngestError, match="No space left on device"):
            await packing.finish()
        assert names_in(tiny_disk) == []
        assert packing.pending == 300


@pytest.mark.anyio
async def test_the_directory(tmp_path: Path) -> None:
    """It is made for its owner alone, and where it can't be made, that is said first."""
    async with SpoolPacking(tmp_path / "spool", LIMIT).opened():
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    with pytest.raises(IngestError, match="none/spool: can't be made") as raised:
        async with SpoolPacking(tmp_path / "none" / "spool", LIMIT).opened():
            raise AssertionError
    assert "--state-dir" in raised.value.hint
