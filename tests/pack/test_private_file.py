"""A file of our own: private, new, and in trouble with words that say where and what to do."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import IngestError
from ingest.pack.private_file import PrivateFile


@pytest.fixture
def file(tmp_path: Path) -> Iterator[PrivateFile]:
    """A new file, removed afterwards."""
    made = PrivateFile(tmp_path / "f")
    yield made
    made.remove()


@pytest.fixture
def _any_mode() -> Iterator[None]:
    """A umask that would let everybody in."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_any_mode")
def test_it_is_private_from_its_first_byte(tmp_path: Path) -> None:
    """Whatever the umask lets through."""
    file = PrivateFile(tmp_path / "f")
    assert mode_of(file.path) == 0o600
    file.remove()


def test_it_is_never_one_that_was_there(tmp_path: Path) -> None:
    """A taken name is told from other trouble, and what lies there stays as it is."""
    (tmp_path / "f").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        PrivateFile(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"theirs"


@pytest.mark.parametrize("there", [True, False])
def test_it_is_never_opened_through_a_link(tmp_path: Path, there: bool) -> None:
    """Neither to a file nor to where none is."""
    if there:
        (tmp_path / "other").write_bytes(b"theirs")
    (tmp_path / "f").symlink_to(tmp_path / "other")
    with pytest.raises(FileExistsError):
        PrivateFile(tmp_path / "f")
    assert (tmp_path / "other").exists() is there


def test_no_directory(tmp_path: Path) -> None:
    """An error that names the path and the way on."""
    with pytest.raises(IngestError, match=r"none/f: can't be written: No such file") as raised:
        PrivateFile(tmp_path / "none" / "f")
    assert "--state-dir" in raised.value.hint


@pytest.mark.parametrize("count", [0, 1, 2, 511, 512, 513, 1500])
def test_pieces_are_written_in_order(file: PrivateFile, count: int) -> None:
    """However many there are: a system takes a thousand at once."""
    pieces = [b"%d," % number for number in range(count)]
    file.write(pieces)
    file.write([b"end"])
    whole = b"".join(pieces) + b"end"
    assert file.size_bytes == len(whole)
    assert file.path.read_bytes() == whole == file.read(0, len(whole))
    assert file.read(len(whole) - 3, 2) == b"en"


def test_a_system_that_takes_a_part_at_a_time(
    file: PrivateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost or doubled."""
    writev, write = os.writev, os.write
    monkeypatch.setattr(os, "writev", lambda fd, pieces: writev(fd, [b"".join(pieces)[:5]]))
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    file.write([b"0123", b"4567", b"89"])
    file.write([b"ab"])
    assert file.path.read_bytes() == b"0123456789ab"
    assert file.size_bytes == 12


def test_a_system_that_gives_a_part_at_a_time(
    file: PrivateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading goes on until all is there."""
    file.write([b"0123456789"])
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: pread(fd, min(size, 3), at))
    assert file.read(1, 8) == b"12345678"


def refuses(number: int):
    """What a system call does that fails so."""

    def call(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk(file: PrivateFile, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The place, and two ways on."""
    monkeypatch.setattr(os, "writev", refuses(number))
    with pytest.raises(IngestError, match="f: can't be written") as raised:
        file.write([b"x"])
    assert str(file.path) in raised.value.message
    assert str(file.path.parent) in raised.value.hint
    assert "free space" in raised.value.hint
    assert "limits.spool_bytes" in raised.value.hint


def test_other_trouble(file: PrivateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken disk is not called a full one."""
    monkeypatch.setattr(os, "fsync", refuses(errno.EIO))
    with pytest.raises(IngestError, match="can't be written: Input/output error") as raised:
        file.keep()
    assert "free space" not in raised.value.hint


def test_kept_is_on_the_disk_with_its_name(
    file: PrivateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the file is flushed, then its directory; then it is closed."""
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(os.fstat(fd)))
    file.write([b"x"])
    file.keep()
    assert [one.st_ino for one in flushed] == [
        file.path.stat().st_ino,
        file.path.parent.stat().st_ino,
    ]
    assert flushed[0].st_size == 1
    with pytest.raises(IngestError, match="it is closed"):
        file.read(0, 1)


def test_a_file_that_was_cut_short(file: PrivateFile) -> None:
    """Somebody's hand in our directory is an error, not fewer bytes."""
    file.write([b"0123"])
    os.truncate(file.path, 2)
    with pytest.raises(IngestError, match="cut short"):
        file.read(0, 4)


def test_removed(file: PrivateFile) -> None:
    """It is gone; once more is no error, nor if somebody else was quicker."""
    file.write([b"0123"])
    file.path.unlink()
    file.remove()
    file.remove()
    assert not file.path.exists()
    with pytest.raises(IngestError, match="it is closed"):
        file.read(0, 1)
    assert "4 bytes" in repr(file)


def test_a_file_that_cannot_be_deleted(file: PrivateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, to be deleted by hand; it is closed all the same."""
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuses(errno.EPERM))
        with pytest.raises(IngestError, match="f: can't be deleted: Operation") as raised:
            file.remove()
    assert "by hand" in raised.value.hint
    with pytest.raises(IngestError, match="it is closed"):
        file.read(0, 1)
