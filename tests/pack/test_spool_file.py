"""One spool while it is filled: names, order, trouble, and who may write when."""

from __future__ import annotations

import errno
import gzip
import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.kept import Kept
from ingest.model import Block, FileInfo, Layout, Segment
from ingest.pack.gzip_stream import HEADER, LEVEL, Deflated, room_for
from ingest.pack.origins import OnDisk
from ingest.pack.spool_file import FRAME_BYTES, Chunk, SpoolFile
from tests.pack.helpers import slice_of
from tests.pack.spools import names_in

BLOCK = Block(0, b"a,b\n", Layout("csv"), (Segment(FileInfo(0, "f"), 0, 4, 0),))


@pytest.fixture
def threads() -> Iterator[Executor]:
    """Two threads to compress with."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


class ByHand(Executor):
    """Runs nothing until it is told to."""

    def __init__(self) -> None:
        self.work: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Put it aside."""
        future: Future[Any] = Future()
        self.work.append((future, lambda: fn(*args)))
        return future

    def run(self, number: int) -> None:
        """Do one piece of what was put aside."""
        future, work = self.work[number]
        future.set_result(work())


def file_in(directory: Path, limit_bytes: int = 10**6, first: int = 1) -> SpoolFile:
    """A spool that is not begun."""
    return SpoolFile(directory, itertools.count(first), limit_bytes)


def chunk_of(*records: bytes) -> Chunk:
    """A chunk of one slice, and the block that it came from."""
    chunk = Chunk()
    chunk.add(slice_of(records, end=b"\n"))
    chunk.blocks.append(Kept(BLOCK))
    return chunk


def filled(file: SpoolFile, threads: Executor, *records: bytes) -> OnDisk:
    """Begin a chunk; where its block will lie."""
    place = file.origins.place()
    file.begin(threads, chunk_of(*records), LEVEL)
    return place


def test_a_spool_from_end_to_end(tmp_path: Path, threads: Executor) -> None:
    """Chunks in order; size, plain size and digest are the file's; the origins lie beside it."""
    file = file_in(tmp_path)
    places = [filled(file, threads, b"1", b"2"), filled(file, threads, b"3")]
    spool = file.seal()
    data = spool.path.read_bytes()
    assert spool.path == tmp_path / "spool-000001.ndjson.gz"
    assert gzip.decompress(data) == b"1\n2\n3\n"
    assert (spool.size_bytes, spool.plain_bytes) == (len(data), 6)
    assert spool.sha256 == hashlib.sha256(data).hexdigest()
    assert names_in(tmp_path) == ["spool-000001.ndjson.gz", "spool-000001.origins"]
    assert [place.restored() for place in places] == [BLOCK, BLOCK]
    file.discard()
    assert names_in(tmp_path) == []


def test_nothing_is_made_before_the_first_chunk_is_written(
    tmp_path: Path, threads: Executor
) -> None:
    """A run without records leaves no file."""
    file = file_in(tmp_path)
    assert file.empty
    file.write_oldest()
    file.discard()
    file = file_in(tmp_path)
    filled(file, threads, b"1")
    assert not file.empty
    assert names_in(tmp_path) == []
    file.write_oldest()
    assert not file.empty
    assert len(names_in(tmp_path)) == 2
    file.discard()


def test_chunks_are_written_in_their_order(tmp_path: Path) -> None:
    """Whichever is ready first."""
    threads = ByHand()
    file = file_in(tmp_path)
    for record in (b"1", b"2", b"3"):
        filled(file, threads, record)
    for number in (2, 1, 0):
        threads.run(number)
    assert gzip.decompress(file.seal().path.read_bytes()) == b"1\n2\n3\n"
    file.discard()


def test_what_is_under_way_counts_with_its_worst_case(tmp_path: Path) -> None:
    """Until it is written, and its true size is known."""
    threads = ByHand()
    file = file_in(tmp_path, 10_000)
    assert file.room_bytes == room_for(10_000 - FRAME_BYTES)
    filled(file, threads, b"x" * 4999)
    assert file.room_bytes == room_for(10_000 - FRAME_BYTES - 5005)
    assert file.under_way == 1
    threads.run(0)
    file.write_oldest()
    written = (tmp_path / "spool-000001.ndjson.gz").stat().st_size
    assert file.under_way == 0
    assert file.room_bytes == room_for(10_000 - FRAME_BYTES + len(HEADER) - written) > 9000
    file.discard()


def test_what_does_not_fit_is_not_begun(tmp_path: Path, threads: Executor) -> None:
    """The limit is asked before a chunk, here once more."""
    file = file_in(tmp_path, FRAME_BYTES + 5 + 4)
    with pytest.raises(AssertionError):
        filled(file, threads, b"1234")
    filled(file, threads, b"123")
    assert file.seal().size_bytes <= FRAME_BYTES + 9
    file.discard()


@pytest.mark.parametrize("taken", ["spool-000004.ndjson.gz", "spool-000004.origins"])
def test_a_name_that_is_taken_is_passed_over(tmp_path: Path, threads: Executor, taken: str) -> None:
    """A killed run may have left a file that is still needed: it is neither used nor touched."""
    (tmp_path / taken).write_bytes(b"theirs")
    file = file_in(tmp_path, first=4)
    filled(file, threads, b"1")
    assert file.seal().path.name == "spool-000005.ndjson.gz"
    assert names_in(tmp_path) == sorted([taken, "spool-000005.ndjson.gz", "spool-000005.origins"])
    file.discard()
    assert (tmp_path / taken).read_bytes() == b"theirs"
    assert names_in(tmp_path) == [taken]


def test_no_directory(tmp_path: Path, threads: Executor) -> None:
    """Told, with nothing left to end."""
    file = file_in(tmp_path / "none")
    filled(file, threads, b"1")
    with pytest.raises(IngestError, match=r"none/spool-000001\.ndjson\.gz: can't be written"):
        file.write_oldest()


def test_origins_that_cannot_be_made(
    tmp_path: Path, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the spool is not there, either."""
    opened = os.open

    def refuse(path: Path, *rest: int) -> int:
        if str(path).endswith(".origins"):
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    file = file_in(tmp_path)
    filled(file, threads, b"1")
    with pytest.raises(IngestError, match="origins: can't be written: Too many open files"):
        file.write_oldest()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("passed", [0, 1, 2, 3])
def test_a_disk_that_becomes_full(
    tmp_path: Path, threads: Executor, monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    """At the header, a chunk, its origins, the trailer: both files are gone at once, since others
    need the room, and the words say where."""
    writev, left = os.writev, [passed]

    def until_full(handle: int, pieces: tuple[bytes, ...]) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        return writev(handle, pieces)

    monkeypatch.setattr(os, "writev", until_full)
    file = file_in(tmp_path)
    filled(file, threads, b"1")
    with pytest.raises(IngestError, match=r"spool-000001\..*No space left") as raised:
        file.seal()
    assert "free space" in raised.value.hint
    assert names_in(tmp_path) == []
    assert left == [0]


def test_a_flush_that_fails(
    tmp_path: Path, threads: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not surely on the disk is not handed out."""

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    file = file_in(tmp_path)
    filled(file, threads, b"1")
    with pytest.raises(IngestError, match="Input/output error"):
        file.seal()
    assert names_in(tmp_path) == []


def test_nobody_writes_to_a_file_that_was_removed(tmp_path: Path) -> None:
    """A caller torn away while a thread writes: `discard` waits for that thread, then removes."""
    threads = ByHand()
    file = file_in(tmp_path)
    filled(file, threads, b"1")
    filled(file, threads, b"2")
    threads.run(0)
    file.write_oldest()
    writer = threading.Thread(target=file.write_oldest)
    writer.start()
    while not file._lock.locked():
        pass
    remover = threading.Thread(target=file.discard)
    remover.start()
    assert len(names_in(tmp_path)) == 2
    threads.run(1)
    writer.join()
    remover.join()
    assert names_in(tmp_path) == []
    file.write_oldest()
    assert names_in(tmp_path) == []


def test_a_chunk_that_fails_to_compress_is_no_chunk(tmp_path: Path) -> None:
    """The error comes out, and nothing was written for it."""
    threads = ByHand()
    file = file_in(tmp_path)
    filled(file, threads, b"1")
    threads.work[0][0].set_exception(MemoryError())
    with pytest.raises(MemoryError):
        file.write_oldest()
    assert (file.under_way, names_in(tmp_path)) == (1, [])
    file.discard()
    assert file.under_way == 0


def test_pieces_go_out_as_they_were_compressed(tmp_path: Path) -> None:
    """The file is header, pieces in order, trailer."""
    threads = ByHand()
    file = file_in(tmp_path)
    filled(file, threads, b"12")
    threads.work[0][0].set_result(Deflated((b"ab", b"cd"), 3, 5))
    assert file.seal().path.read_bytes().startswith(HEADER + b"abcd\x03\x00")
    file.discard()
