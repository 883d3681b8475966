"""Feeds: the head is given again, errors wait for their turn, changes are noticed."""

from __future__ import annotations

import gzip
import os
import threading
import zlib
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.model import FileInfo
from ingest.sources import opening
from ingest.sources.discover import Place
from ingest.sources.feed import Feed, open_feed
from ingest.sources.intake import HEAD_BYTES
from tests.sources.tools import fed_fifo, in_parts, lines, open_below, settings, write_all

pytestmark = pytest.mark.anyio
TEXT = lines(60_000)


async def opened(path: Path) -> Feed:
    """A feed of the file at `path`."""
    return await open_feed(FileInfo(0, "f.csv"), Place(str(path)), settings("-"))


async def rest(feed: Feed, parts: list[bytes] | None = None) -> bytes:
    """All text that is still to come."""
    parts = [] if parts is None else parts
    while text := await feed.read():
        parts.append(text)
    return b"".join(parts)


@pytest.mark.parametrize("chunk", [5000, HEAD_BYTES, 1 << 22])
@pytest.mark.parametrize("length", [0, 1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, len(TEXT)])
async def test_head_and_all(tmp_path, monkeypatch, chunk, length):
    """The head is the start, and reading gives everything from the start."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", chunk)
    path = tmp_path / "f"
    path.write_bytes(TEXT[:length])
    feed = await opened(path)
    assert feed.head == TEXT[:length][:HEAD_BYTES]
    assert feed.head_is_all == (length <= HEAD_BYTES)
    assert await rest(feed) == TEXT[:length]
    assert await feed.read() == b""
    assert (feed.raw_bytes, feed.facts(whole=True).bytes) == (length, length)
    await feed.aclose()
    assert open_below(tmp_path) == []


async def test_more_head(tmp_path):
    """A longer head can be asked for, and is given again too."""
    (tmp_path / "f").write_bytes(TEXT)
    feed = await opened(tmp_path / "f")
    await feed.fill_head(HEAD_BYTES * 2)
    assert feed.head == TEXT[: HEAD_BYTES * 2]
    assert await feed.peek(1 << 30) == (TEXT, True)
    assert await rest(feed) == TEXT
    await feed.aclose()


async def test_mark_and_encoding(tmp_path):
    """The mark is left out of the head, and told."""
    (tmp_path / "f").write_bytes("ä,b\n".encode("utf-16"))
    feed = await opened(tmp_path / "f")
    assert (feed.encoding, feed.bom_bytes, feed.head) == ("utf-16-le", 2, "ä,b\n".encode())
    assert feed.head_is_all
    await feed.aclose()


async def test_work_is_done_in_a_worker_thread(tmp_path):
    """`step` gives what the work makes of the text, and the loop stays free."""
    (tmp_path / "f").write_bytes(TEXT)
    feed = await opened(tmp_path / "f")
    threads: set[int] = set()

    def work(text: bytes) -> int:
        threads.add(threading.get_ident())
        return len(text)

    total = 0
    while (count := await feed.step(work)) is not None:
        total += count
    await feed.aclose()
    assert total == len(TEXT)
    assert threading.get_ident() not in threads


async def test_error_comes_behind_the_text(tmp_path):
    """What was readable is in the head and is read; then the error is raised, every time."""
    (tmp_path / "f").write_bytes(gzip.compress(TEXT[:1000])[:-1])
    feed = await opened(tmp_path / "f")
    assert (feed.head, feed.head_is_all) == (TEXT[:1000], False)
    assert feed.trouble is not None
    assert await feed.read() == TEXT[:1000]
    for _ in range(2):
        with pytest.raises(SourceError, match="cut short"):
            await feed.read()
    await feed.aclose()


async def test_an_error_far_behind_the_head_is_none_of_the_head(tmp_path):
    """It is found in the same step as the head's text, and told when it is its turn."""
    good = TEXT[: 3 * HEAD_BYTES]
    (tmp_path / "f").write_bytes(good + b"\x81\n")
    feed = await open_feed(
        FileInfo(0, "f.csv"), Place(str(tmp_path / "f")), settings("-", encoding="cp1252")
    )
    assert feed.trouble is None
    assert (feed.head, feed.head_is_all) == (good[:HEAD_BYTES], False)
    parts: list[bytes] = []
    with pytest.raises(SourceError, match="81"):
        await rest(feed, parts)
    assert b"".join(parts) == good
    await feed.aclose()


class Failing:
    """An input whose reads fail from a byte on, `chunk` bytes being read at a time."""

    def __init__(self, data: bytes, chunk: int, *, prompt: bool) -> None:
        self.prompt = prompt
        self._parts = in_parts(data, chunk)
        self._read = 0

    async def read(self) -> bytes:
        part = next(self._parts, b"")
        self._read += len(part)
        if not part:
            raise opening.unreadable("f.csv", OSError(5, "Input/output error"), self._read)
        return part

    def verdict(self) -> opening.Verdict:
        raise AssertionError("nobody knows the end")

    async def aclose(self) -> None:
        return None


@pytest.mark.parametrize("chunk", [100, 100_000, 1 << 21])
@pytest.mark.parametrize("length", [0, 1, 2, 5_000, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1])
@pytest.mark.parametrize("prompt", [True, False])
async def test_a_read_that_fails_loses_nothing_before_it(length, chunk, prompt):
    """Though the first 256 KiB are held back to find the encoding: they come, then the error."""
    place = Place("-", given=Failing(TEXT[:length], chunk, prompt=prompt))
    feed = await open_feed(FileInfo(0, "f.csv"), place, settings("-"))
    assert (feed.head, feed.head_is_all) == (TEXT[:length][:HEAD_BYTES], False)
    parts: list[bytes] = []
    for _ in range(2):
        with pytest.raises(SourceError, match="Input/output error"):
            await rest(feed, parts)
    assert b"".join(parts) == TEXT[:length]
    assert (feed.raw_bytes, feed.facts(whole=False).bytes) == (length, length)
    await feed.aclose()


@pytest.mark.parametrize("length", [3, 15, 16, 3_000, 100_000])
@pytest.mark.parametrize("prompt", [True, False])
async def test_a_packed_input_whose_read_fails(length, prompt):
    """What can be unpacked of it comes, and the error is the read's."""
    packed = gzip.compress(TEXT, 1)[:length]
    place = Place("-", given=Failing(packed, 1 << 21, prompt=prompt))
    feed = await open_feed(FileInfo(0, "f.csv.gz"), place, settings("-"))
    parts: list[bytes] = []
    with pytest.raises(SourceError, match="Input/output error"):
        await rest(feed, parts)
    unpacked = zlib.decompressobj(31).decompress(packed)
    assert b"".join(parts) == unpacked
    assert bool(unpacked) == (length > 16)
    await feed.aclose()


async def test_file_that_grows_is_read_to_its_end(tmp_path, monkeypatch):
    """Up to the end as it is found, with a word about it."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 100_000)
    path = tmp_path / "f"
    path.write_bytes(TEXT)
    feed = await opened(path)
    with path.open("ab") as file:
        file.write(b"1,more\n")
    assert await rest(feed) == TEXT + b"1,more\n"
    [note] = feed.notes
    assert "grew while it was read" in note
    await feed.aclose()


@pytest.mark.parametrize("packed", [False, True])
async def test_file_that_shrinks_is_an_error(tmp_path, monkeypatch, packed):
    """What there still is comes first; that it shrank explains a packed one cut short, too."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 50_000)
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(TEXT, 0) if packed else TEXT)
    feed = await opened(path)
    os.truncate(path, 400_000)
    parts: list[bytes] = []
    with pytest.raises(SourceError, match="shrank while it was read"):
        await rest(feed, parts)
    found = b"".join(parts)
    assert TEXT.startswith(found)
    assert len(found) > 390_000
    await feed.aclose()


@pytest.mark.parametrize("how", ["replaced", "deleted"])
async def test_file_that_is_replaced_or_deleted_is_read_on(tmp_path, monkeypatch, how):
    """The open handle has the old content to its end; that is said."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 100_000)
    path = tmp_path / "f"
    path.write_bytes(TEXT)
    feed = await opened(path)
    if how == "replaced":
        (tmp_path / "g").write_bytes(b"other\n")
        (tmp_path / "g").rename(path)
    else:
        path.unlink()
    assert await rest(feed) == TEXT
    assert how in feed.notes[0]
    await feed.aclose()


async def test_fifo_in_little_parts(tmp_path):
    """What comes in little parts is one text."""

    def write(descriptor: int) -> None:
        for start in range(0, 300_000, 700):
            write_all(TEXT[start : min(start + 700, 300_000)])(descriptor)

    writer = fed_fifo(tmp_path / "p", write)
    feed = await opened(tmp_path / "p")
    assert feed.head == TEXT[:HEAD_BYTES]
    assert await rest(feed) == TEXT[:300_000]
    await feed.aclose()
    writer.join()


async def test_opening_that_fails_leaves_nothing_open(tmp_path, monkeypatch):
    """An error while the head is read closes the file."""
    (tmp_path / "f").write_bytes(TEXT)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ingest.sources.feed.Feed.fill_head", broken)
    with pytest.raises(ZeroDivisionError):
        await opened(tmp_path / "f")
    assert open_below(tmp_path) == []


class Watched:
    """An input of parts; `reads` says how many were asked for."""

    def __init__(self, parts: list[bytes], *, prompt: bool) -> None:
        self.prompt = prompt
        self._parts = parts
        self.reads = 0
        self.asked = threading.Semaphore(0)

    async def read(self) -> bytes:
        self.reads += 1
        self.asked.release()
        return self._parts.pop(0) if self._parts else b""

    def verdict(self) -> opening.Verdict:
        return opening.Verdict()

    async def aclose(self) -> None:
        return None


PARTS = [TEXT[at : at + HEAD_BYTES] for at in range(0, 4 * HEAD_BYTES, HEAD_BYTES)]


async def test_the_next_bytes_are_read_while_the_last_are_worked_on():
    """Where nobody has to be waited for: one part ahead, and no more of them."""
    source = Watched(list(PARTS), prompt=True)
    feed = await open_feed(FileInfo(0, "f.csv"), Place("-", given=source), settings("-"))
    for _ in range(held := source.reads):  # what the head was taken from
        await feed.read()
        assert source.asked.acquire(timeout=0)

    def work(text: bytes) -> bytes:
        assert source.asked.acquire(timeout=10), "nobody reads on"
        return text

    texts = []
    while (text := await feed.step(work)) is not None:
        texts.append(text)
        assert source.reads <= held + len(texts) + 1
    assert b"".join(texts) == b"".join(PARTS[held:])
    await feed.aclose()


async def test_nothing_is_read_ahead_of_whom_it_may_have_to_wait_for():
    """What has come through a pipe goes on at once."""
    source = Watched(list(PARTS), prompt=False)
    feed = await open_feed(FileInfo(0, "f.csv"), Place("-", given=source), settings("-"))
    held = source.reads  # for the head
    texts = [await feed.read() for _ in range(held)]
    assert source.reads == held
    while text := await feed.read():
        texts.append(text)
        assert source.reads == len(texts)
    assert b"".join(texts) == b"".join(PARTS)
    await feed.aclose()
