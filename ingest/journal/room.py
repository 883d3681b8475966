"""Room on the disk that is held back for what is in flight when the disk fills up.

A body that is under way then still has an outcome, and one that can't be recorded must be settled,
or even sent a second time, by the next run. So before a run begins a file is allocated beside the
journal, and it is given up in the moment when something of ours finds the disk full: outcomes, the
rejects of what the service refused, and the report find room there. Asking how much is free
(statvfs) comes before that and is not enough: others may fill the disk between the question and the
answer's use, and a quota stands in no answer.

Nothing is intended any more once the reserve was given up, or while less than as much again is
free. The file has no name, so that it is gone with the process, however that ends.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ingest.display import size
from ingest.errors import IngestError
from ingest.journal.place import unusable

RESERVE_BYTES = 4 * 1024 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskFull(IngestError):  # noqa: N818 - it says what happened
    """There is no room where the journal lies, or the disk fails in a way that may mean it (SQLite
    tells a quota from a broken disk no more than that). What is recorded stays true."""


def no_room(directory: Path, what: str) -> DiskFull:
    """`what` is the matter in `directory`."""
    return DiskFull(
        what,
        f"make room in {directory}, then run the same command again: it goes on where it stopped"
        " (another state directory would know nothing of what was sent)",
    )


class Room:
    """The reserve in one directory. `give_up` may be called from any thread."""

    def __init__(self, directory: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._directory = directory
        self._handle: int | None = None
        self.reserve_bytes = reserve_bytes
        self.given_up = False

    def hold(self) -> None:
        """Allocate the reserve, if it is not. Raises DiskFull; does without where no file can be
        allocated, as on some file systems."""
        if self._handle is not None:
            return
        self.given_up = False
        path = self._directory / ".reserve"
        path.unlink(missing_ok=True)
        try:
            handle = os.open(path, _FLAGS, 0o600)
        except OSError as exc:
            raise self._trouble(exc) from exc
        path.unlink()
        try:
            if self.reserve_bytes:
                _allocate(handle, self.reserve_bytes)
        except OSError as exc:
            os.close(handle)
            if exc.errno in FULL:
                raise self._trouble(exc) from exc
        else:
            self._handle = handle

    def give_up(self) -> bool:
        """The reserve is there for others from now on. False if there is none any more."""
        self.given_up = True
        handle, self._handle = self._handle, None
        if handle is None:
            return False
        os.close(handle)
        return True

    def lack(self) -> IngestError | None:
        """Why nothing more may be intended; None if there is room."""
        if self.given_up:
            return self._full("what was held back is given up, nothing more is sent")
        try:
            found = os.statvfs(self._directory)
        except OSError as exc:
            return unusable(self._directory, exc.strerror or str(exc))
        free = found.f_bavail * found.f_frsize
        if free >= self.reserve_bytes:
            return None
        return self._full(f"only {size(free)} are free, nothing more is sent")

    def _trouble(self, exc: OSError) -> IngestError:
        why = exc.strerror or str(exc)
        if exc.errno in FULL:
            return self._full(f"{why}; {size(2 * self.reserve_bytes)} are needed, nothing was sent")
        return unusable(self._directory, why)

    def _full(self, why: str) -> DiskFull:
        return no_room(self._directory, f"the disk is full: {self._directory}: {why}")


def _allocate(handle: int, size_bytes: int) -> None:
    """Have the disk give all of it now. macOS knows no posix_fallocate."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size_bytes)
        return
    piece = bytes(64 * 1024)
    for start in range(0, size_bytes, len(piece)):
        os.pwrite(handle, piece[: size_bytes - start], start)
    os.fsync(handle)
