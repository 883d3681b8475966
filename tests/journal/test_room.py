"""What is held back on the disk, and what is said where it can't be."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from ingest.errors import SettingsError
from ingest.journal.room import DiskFull, Room


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 5_000_000])
def test_it_takes_room_and_leaves_no_name(tmp_path: Path, size_bytes: int) -> None:
    """Allocated, not only promised; gone when it is given up, which can be done once."""
    room = Room(tmp_path, size_bytes)
    room.hold()
    handle = vars(room)["_handle"]
    assert os.fstat(handle).st_blocks * 512 >= size_bytes
    assert list(tmp_path.iterdir()) == []
    room.hold()
    assert vars(room)["_handle"] == handle
    assert [room.give_up(), room.give_up()] == [True, False]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_what_is_lacking(tmp_path: Path) -> None:
    """Nothing; too little that is free; the reserve itself, until it is held again."""
    room = Room(tmp_path, 1000)
    room.hold()
    assert room.lack() is None
    room.reserve_bytes = 2**60
    short = room.lack()
    assert isinstance(short, DiskFull)
    assert "are free" in short.message
    assert str(tmp_path) in short.hint
    room.reserve_bytes = 1000
    room.give_up()
    assert isinstance(room.lack(), DiskFull)
    room.hold()
    assert room.lack() is None
    room.give_up()


def test_a_directory_that_went(tmp_path: Path) -> None:
    """It can neither be asked nor written to: the place is named."""
    folder = tmp_path / "gone"
    room = Room(folder)
    assert isinstance(room.lack(), SettingsError)
    with pytest.raises(SettingsError, match="gone"):
        room.hold()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Full, or over a quota: said before anything is sent, with how much is needed."""

    def full(handle: int, start: int, length: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFull, match=r"8\.39 MB are needed"):
        Room(tmp_path).hold()
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_allocated(tmp_path: Path) -> None:
    """A limit of a file's size is no full disk: it goes without."""
    room = Room(tmp_path)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))
    try:
        room.hold()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert room.lack() is None
    assert not room.give_up()


def test_without_the_system_s_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written out instead, to the last byte."""
    monkeypatch.delattr(os, "posix_fallocate")
    room = Room(tmp_path, 100_001)
    room.hold()
    assert os.fstat(vars(room)["_handle"]).st_size == 100_001
    room.give_up()
