"""Rejects on disk: private, whole lines, in order, and a limit that is passed by more than it."""

from __future__ import annotations

import base64
import errno
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError, RejectLimitPassed
from ingest.model import Reject
from ingest.rejects import RejectFile, RejectLimit, as_object, lines


def reject(record: int = 1, **changes) -> Reject:
    """A reject as the shape stage makes them."""
    usual: dict[str, Any] = {
        "file": "a.csv", "line": record + 1, "byte": 10 * record, "record": record,
        "stage": "coerce", "reason": "not_a_date", "message": "'x' is no date", "raw": b"x,1\n",
        "column": "Date", "field": "date",
    }  # fmt: skip
    return Reject(**(usual | changes))


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a rejects file."""
    return [orjson.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


@pytest.mark.anyio
async def test_the_contracts_keys(tmp_path):
    """Every key, in the file, with the private mode and the counts by reason."""
    path = tmp_path / "rejects.ndjson"
    async with RejectFile(path) as sink:
        await sink.write([reject(1), reject(2, reason="too_long")])
        await sink.write([reject(3)])
        assert sink.by_reason == {"not_a_date": 2, "too_long": 1}
    assert read(path)[0] == {
        "file": "a.csv", "line": 2, "byte": 10, "record": 1, "column": "Date", "field": "date",
        "stage": "coerce", "reason": "not_a_date", "message": "'x' is no date", "raw": "x,1\n",
    }  # fmt: skip
    assert [line["record"] for line in read(path)] == [1, 2, 3]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_raw_bytes_that_are_no_text():
    """They travel in base64, and a cut one says so."""
    found = as_object(reject(raw=b"\xff\x00", raw_truncated=True))
    assert base64.b64decode(found["raw_base64"]) == b"\xff\x00"
    assert "raw" not in found
    assert found["raw_truncated"] is True


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=50), st.text(st.characters(codec=None), max_size=20))
def test_every_reject_is_one_line_and_keeps_its_bytes(raw, text):
    """Newlines, NULs, broken UTF-8, lone surrogates: one line, and the same bytes back."""
    (line,) = lines([reject(raw=raw, file=text, message=text)])
    assert line.count(b"\n") == 1
    found = orjson.loads(line)
    back = found["raw"].encode() if "raw" in found else base64.b64decode(found["raw_base64"])
    assert back == raw


@pytest.mark.anyio
async def test_no_rejects_no_file(tmp_path):
    """It is created by the first reject, not by opening."""
    async with RejectFile(tmp_path / "r") as sink:
        await sink.write([])
        assert "closed, 0 written" in repr(sink)
    assert not (tmp_path / "r").exists()


@pytest.mark.anyio
async def test_written_means_in_the_file(tmp_path):
    """Another reader sees the line as soon as `write` has returned."""
    async with RejectFile(tmp_path / "r") as sink:
        for number in range(1, 4):
            await sink.write([reject(number)])
            assert len(read(tmp_path / "r")) == number


@pytest.mark.anyio
async def test_writers_do_not_mix(tmp_path):
    """Many tasks, whole lines, none lost."""
    async with RejectFile(tmp_path / "r") as sink, anyio.create_task_group() as tasks:
        for start in range(20):
            tasks.start_soon(sink.write, [reject(start * 50 + n) for n in range(50)])
    found = [line["record"] for line in read(tmp_path / "r")]
    assert sorted(found) == list(range(1000))
    assert all(found[n] + 1 == found[n + 1] for n in range(999) if (n + 1) % 50)


@pytest.mark.anyio
async def test_a_taken_up_run_appends(tmp_path):
    """What was there stays; the mode is made right."""
    path = tmp_path / "r"
    path.write_bytes(b'{"record":0}\n')
    path.chmod(0o644)
    async with RejectFile(path) as sink:
        await sink.write([reject(1)])
    assert [line["record"] for line in read(path)] == [0, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "missing"])
async def test_what_is_no_file_of_ours_is_refused(tmp_path, kind):
    """No link is followed, no pipe waited for."""
    path = tmp_path / "r"
    if kind == "link":
        (tmp_path / "victim").touch()
        path.symlink_to(tmp_path / "victim")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path = tmp_path / "no" / "r"
    async with RejectFile(path) as sink:
        with pytest.raises(IngestError, match="rejects can't be written") as caught:
            await sink.write([reject()])
        assert sink.by_reason.total() == 0
    assert "--state-dir" in caught.value.hint
    assert caught.value.exit_code == 1


@pytest.mark.anyio
async def test_a_fifo_with_a_reader_is_refused_too(tmp_path):
    """It opens, but it is no file."""
    path = tmp_path / "r"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(IngestError, match="no regular file"):
            await RejectFile(path).write([reject()])
    finally:
        os.close(reader)


@pytest.mark.anyio
async def test_a_full_disk_leaves_whole_lines(tmp_path):
    """The kernel takes a part and then no more: the part is taken back, and the run must stop."""
    path = tmp_path / "r"
    async with RejectFile(path) as sink:
        await sink.write([reject(1)])
        size = path.stat().st_size
        kept = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, kept[1]))
        try:
            with pytest.raises(IngestError, match="rejects can't be written"):
                await sink.write([reject(2), reject(3)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        assert path.stat().st_size == size
        assert sink.by_reason.total() == 1
        await sink.write([reject(4)])
    assert [line["record"] for line in read(path)] == [1, 4]


class Disk:
    """`os.fsync`, with the sizes of regular files at each call; it may be told to fail."""

    def __init__(self, monkeypatch) -> None:
        self.sizes: list[int] = []
        self.folders = 0
        self.broken = False
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, handle: int) -> None:
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._fsync(handle)
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode):
            self.sizes.append(found.st_size)
        else:
            self.folders += 1


@pytest.mark.anyio
async def test_a_sync_for_all_lines_so_far(tmp_path, monkeypatch):
    """As many as asked for with new lines, whole files, and the name once; without new lines none,
    and without any no file."""
    path = tmp_path / "r"
    disk = Disk(monkeypatch)
    async with RejectFile(path) as sink:
        sink.sync()
        assert not path.exists()
        sizes = []
        for number in range(1, 4):
            await sink.write([reject(number)])
            await sink.write([reject(number + 10)])
            sizes.append(path.stat().st_size)
            sink.sync()
            sink.sync()
        assert (disk.sizes, disk.folders) == (sizes, 1)


@pytest.mark.anyio
async def test_what_a_killed_process_wrote_is_synced(tmp_path, monkeypatch):
    """Its lines count as settled now, and were perhaps never on the disk."""
    path = tmp_path / "r"
    path.write_bytes(b'{"record":0}\n')
    disk = Disk(monkeypatch)
    async with RejectFile(path) as sink:
        sink.sync()
    assert disk.sizes == [13]


@pytest.mark.anyio
async def test_a_sync_that_fails_is_tried_again(tmp_path, monkeypatch):
    """It is told, and the next one does not take it for done."""
    disk = Disk(monkeypatch)
    async with RejectFile(tmp_path / "r") as sink:
        await sink.write([reject(1)])
        disk.broken = True
        for _ in range(2):
            with pytest.raises(IngestError, match="rejects can't be written"):
                sink.sync()
        disk.broken = False
        sink.sync()
    assert len(disk.sizes) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("rooms", [0, 1, 2])
async def test_a_full_disk_with_room_held_back(tmp_path, monkeypatch, rooms: int):
    """Asked once for each write that finds no room; the line is there once, or not at all."""
    asked: list[int] = []

    def make_room() -> bool:
        asked.append(len(asked))
        return len(asked) <= rooms

    write: Callable[[int, bytes], int] = os.write
    full = True

    def part_of_it(handle: int, data: bytes) -> int:
        nonlocal full
        if full and len(data) > 50:
            return write(handle, data[:50])
        if full:
            full = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    monkeypatch.setattr(os, "write", part_of_it)
    async with RejectFile(tmp_path / "r", make_room) as sink:
        if rooms:
            await sink.write([reject(1)])
        else:
            with pytest.raises(IngestError, match="No space left") as caught:
                await sink.write([reject(1)])
            assert f"make room in {tmp_path}" in caught.value.hint
        full = False
        await sink.write([reject(2)])
    assert len(asked) == 1
    assert [line["record"] for line in read(tmp_path / "r")] == ([1, 2] if rooms else [2])


@pytest.mark.parametrize(
    ("limit", "rejected", "passed"),
    [(0, 0, False), (0, 1, True), (1, 1, False), (1, 2, True), (2, 2, False), (2, 3, True),
     (1000, 1000, False), (1000, 1001, True)],
)  # fmt: skip
def test_passed_is_strictly_more(limit, rejected, passed):
    """At 0, 1, 2 and n."""
    assert bool(RejectLimit(limit).passed(rejected, 10**6)) is passed


@pytest.mark.parametrize(
    ("rejected", "read", "final", "passed"),
    [
        (9999, 9999, False, False),
        (3001, 10_000, False, True),
        (3000, 10_000, False, False),
        (1, 3, True, True),
        (3, 10, True, False),
        (4, 10, True, True),
        (0, 0, True, False),
    ],
)
def test_the_ratio_waits_for_ten_thousand_or_the_end(rejected, read, final, passed):
    """0.3 exactly is not passed, though 0.1 * 3 is more than 0.3 in floats."""
    limit = RejectLimit(10**6, 0.3)
    assert bool(limit.passed(rejected, read, final=final)) is passed


@given(st.integers(0, 100), st.integers(1, 10**6))
def test_a_ratio_written_in_hundredths_is_exact(percent, hundreds):
    """n percent of any number of hundreds is never passed by exactly n percent."""
    limit = RejectLimit(10**9, percent / 100)
    read = hundreds * 100
    assert limit.passed(hundreds * percent, read, final=True) is None
    assert limit.passed(hundreds * percent + 1, read, final=True) or percent == 100


def test_check_raises_with_what_to_do():
    """Exit 4, with both figures."""
    limit = RejectLimit(10, 0.5)
    limit.check(5, 10, final=True)
    with pytest.raises(RejectLimitPassed, match=r"6 of 10 .* max_ratio = 0\.5") as caught:
        limit.check(6, 10, final=True)
    assert caught.value.exit_code == 4
    with pytest.raises(RejectLimitPassed, match="max_count = 10"):
        limit.check(11, 10**6)
