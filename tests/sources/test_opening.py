"""Opening: both libraries, windows, pipes that stay silent, files that change under the read."""

from __future__ import annotations

import os

import anyio
import pytest

from ingest.errors import SourceError
from ingest.sources import opening
from ingest.sources.archive import Window
from ingest.sources.discover import Place
from ingest.sources.opening import open_input, verdict
from tests.sources.tools import fed_fifo, open_below, write_all
from tests.sources.unreadable import breaking_off

pytestmark = pytest.mark.anyio
DATA = bytes(range(256)) * 20


@pytest.fixture
def path(tmp_path):
    """A file of DATA."""
    made = tmp_path / "f.csv"
    made.write_bytes(DATA)
    return made


async def everything(place: Place) -> tuple[bytes, opening.Verdict]:
    """All bytes of an input, and the verdict at its end."""
    source = await open_input(place, "f.csv")
    try:
        parts = []
        while data := await source.read():
            parts.append(data)
        return b"".join(parts), source.verdict()
    finally:
        await source.aclose()
        await source.aclose()


@pytest.mark.parametrize("chunk", [1, 1000, len(DATA) - 1, len(DATA), len(DATA) + 1])
async def test_reads_all_in_chunks(path, monkeypatch, chunk):
    """Whatever the chunk, every byte once, and nothing to say of it."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", chunk)
    assert await everything(Place(str(path))) == (DATA, opening.Verdict())
    assert open_below(path.parent) == []


async def test_opens_by_the_library_of_the_loop(path, anyio_backend_name):
    """aiofiles where asyncio runs, anyio's files on trio."""
    source = await open_input(Place(str(path)), "f.csv")
    kind = type(source._handle).__module__  # type: ignore[attr-defined]
    await source.aclose()
    assert kind.partition(".")[0] == ("aiofiles" if anyio_backend_name == "asyncio" else "anyio")


@pytest.mark.parametrize("chunk", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize(("start", "length"), [(0, 0), (3, 1), (100, 2), (100, 500)])
async def test_window(path, monkeypatch, chunk, start, length):
    """A window is read from its start for its length."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", chunk)
    data, found = await everything(Place(str(path), Window(start, length, None, 0, length)))
    assert data == DATA[start : start + length]
    assert found == opening.Verdict()


async def test_missing_file_is_a_source_error(tmp_path):
    """Gone since it was found."""
    with pytest.raises(SourceError, match=r"f\.csv: can't be opened: No such file"):
        await open_input(Place(str(tmp_path / "f.csv")), "f.csv")


async def test_read_error_names_the_place(path, monkeypatch):
    """An error of the disk is said with the byte."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 100)
    source = await open_input(Place(str(path)), "f.csv")
    await source.read()

    async def broken(_size: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(source._handle, "read", broken)  # type: ignore[attr-defined]
    with pytest.raises(SourceError, match=r"f\.csv: can't be read at byte 100: Input/output"):
        await source.read()
    await source.aclose()


@pytest.mark.parametrize("length", [0, 1, 2, 5_000, 300_000, opening.CHUNK_BYTES + 1])
async def test_a_read_that_fails_halfway_gives_what_it_got(tmp_path, length):
    """A true failure in the midst of a chunk: every byte before it, then the error, every time."""
    data = (DATA * 420)[:length]
    with breaking_off(tmp_path, data) as place:
        source = await open_input(place, "f.csv")
        found = b""
        while len(found) < length:
            found += await source.read()
        for _ in range(2):
            with pytest.raises(SourceError, match="Input/output error"):
                await source.read()
        await source.aclose()
    assert found == data


async def test_cancelled_while_opening_leaves_nothing_open(path):
    """A cancelled scope may come at any await."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        source = await open_input(Place(str(path)), "f.csv")
        await source.aclose()
    assert open_below(path.parent) == []


async def test_fifo_gives_what_is_written(tmp_path):
    """A FIFO is read until its writer closes it."""
    writer = fed_fifo(tmp_path / "p", write_all(DATA * 300))
    data, found = await everything(Place(str(tmp_path / "p")))
    writer.join()
    assert data == DATA * 300
    assert found == opening.Verdict()
    assert open_below(tmp_path) == []


@pytest.mark.parametrize("with_writer", [False, True])
async def test_silent_fifo_can_be_cancelled(tmp_path, with_writer):
    """No writer, or one that says nothing: cancelling does not wait for it."""
    os.mkfifo(tmp_path / "p")
    source = await open_input(Place(str(tmp_path / "p")), "p")
    writer = os.open(tmp_path / "p", os.O_WRONLY) if with_writer else None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.read)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    await source.aclose()
    if writer is not None:
        os.close(writer)
    assert open_below(tmp_path) == []


@pytest.mark.parametrize("kind", ["pipe", "file"])
async def test_standard_input(path, kind):
    """A pipe or a redirected file; the descriptor stays open, it is not ours."""
    kept = os.dup(0)
    try:
        if kind == "pipe":
            reading, writing = os.pipe()
            os.write(writing, DATA)
            os.close(writing)
        else:
            reading = os.open(path, os.O_RDONLY)
        os.dup2(reading, 0)
        os.close(reading)
        data, _ = await everything(Place("-"))
        os.fstat(0)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert data == DATA


async def test_device(monkeypatch):
    """A device that always answers is read in a thread."""
    assert (await everything(Place("/dev/null")))[0] == b""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 10)
    source = await open_input(Place("/dev/zero"), "/dev/zero")
    assert await source.read() == bytes(10)
    await source.aclose()


def judged(path, read: int, change) -> opening.Verdict:
    """The verdict on a file that `change` changes after it was opened."""
    with path.open("rb") as file:
        opened = os.fstat(file.fileno())
        change()
        return verdict(opened, file.fileno(), Place(str(path)), read, "f.csv")


@pytest.mark.parametrize("size", [0, 1, len(DATA) - 1])
async def test_verdict_on_a_file_that_shrank(path, size):
    """An end before the size it had is an error with both."""
    found = judged(path, size, lambda: os.truncate(path, size))
    assert found.error is not None
    assert f"f.csv: shrank while it was read: it had {len(DATA):,}" in found.error.message
    assert f"ends at {size:,}" in found.error.message


async def test_verdict_on_a_file_that_grew(path):
    """What was read is good; what comes behind is said not to be loaded."""
    found = judged(path, len(DATA) + 5, lambda: path.write_bytes(DATA + b"x" * 9))
    assert found.error is None
    assert f"f.csv: grew while it was read, from {len(DATA):,} to {len(DATA) + 9:,}" in found.note
    assert f"up to byte {len(DATA) + 5:,}" in found.note


async def test_verdict_on_a_file_that_was_replaced_or_deleted(path):
    """The handle still has the old file: it is read, and said."""
    other = path.with_name("other")
    other.write_bytes(DATA)
    assert "replaced" in judged(path, len(DATA), lambda: other.rename(path)).note
    found = judged(path, len(DATA), path.unlink)
    assert found.error is None
    assert "deleted" in found.note


async def test_verdict_on_a_file_that_was_written_over(path):
    """The same size and another time of change: the content may be mixed."""
    found = judged(path, len(DATA), lambda: os.utime(path, ns=(1, 1)))
    assert "old and new content may be mixed" in found.note
