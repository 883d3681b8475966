"""A file of our own on the disk: somebody's records, for nobody else's eyes. Blocking.

Its mode is 0600 from its first byte, it is never one that was there before, and never opened
through a link. Whatever the system says against it becomes an IngestError that names the place and
the way on.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.errors import IngestError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PIECES_AT_ONCE = 512  # POSIX lets a system take as few as 16, Linux and macOS take 1024


class PrivateFile:
    """One new file. Not thread-safe; `close` and `remove` may be called again."""

    def __init__(self, path: Path) -> None:
        """Create it. Raises FileExistsError if the name is taken, IngestError if it can't be."""
        self.path = path
        self.size_bytes = 0
        try:
            self._handle = os.open(path, _FLAGS, 0o600)
        except FileExistsError:
            raise
        except OSError as exc:
            raise _trouble(path, exc) from exc

    def __repr__(self) -> str:
        return f"<PrivateFile {self.path}, {self.size_bytes} bytes>"

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append the pieces, in order."""
        with _explained(self.path):
            for first in range(0, len(pieces), _PIECES_AT_ONCE):
                self._write(pieces[first : first + _PIECES_AT_ONCE])

    def _write(self, pieces: Sequence[bytes]) -> None:
        written = os.writev(self._handle, pieces)
        self.size_bytes += written
        if written == sum(map(len, pieces)):
            return
        rest = memoryview(b"".join(pieces))[written:]
        while rest:  # a full disk takes a part first, and says so at the next byte
            written = os.write(self._handle, rest)
            self.size_bytes += written
            rest = rest[written:]

    def read(self, start: int, size_bytes: int) -> bytes:
        """So many bytes from `start` on. Raises IngestError if they are not there (any more)."""
        if self._handle < 0:
            raise IngestError(f"{self.path}: can't be read: it is closed", _DEFECT)
        with _explained(self.path):
            found = bytearray()
            while len(found) < size_bytes:
                piece = os.pread(self._handle, size_bytes - len(found), start + len(found))
                if not piece:
                    raise IngestError(f"{self.path}: was cut short by somebody else")
                found += piece
            return bytes(found)

    def keep(self) -> None:
        """Have it outlive a power cut, bytes and name; then close it."""
        with _explained(self.path):
            os.fsync(self._handle)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self.close()

    def close(self) -> None:
        """Close it."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def remove(self) -> None:
        """Close it and delete it. Raises IngestError if it can't be deleted."""
        self.close()
        remove_file(self.path)


def remove_file(path: Path) -> None:
    """Delete such a file; gone already is no error. Raises IngestError if it can't be deleted."""
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise IngestError(
            f"{path}: can't be deleted: {exc.strerror or exc}",
            "delete it by hand: it holds records, and no later run needs it",
        ) from exc


def make_directory(path: Path) -> None:
    """For such files: 0700, unless it is there. Raises IngestError if it can't be made."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise IngestError(
            f"{path}: can't be made: {exc.strerror or exc}",
            "bodies for a file upload are kept there: name another place with --state-dir",
        ) from exc


_DEFECT = "this is a defect: it is asked for after the batch was settled"


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise _trouble(path, exc) from exc


def _trouble(path: Path, exc: OSError) -> IngestError:
    words = f"{path}: can't be written: {exc.strerror or exc}"
    if exc.errno in _NO_ROOM:
        return IngestError(
            words,
            f"free space in {path.parent}, or lower limits.spool_bytes: a spool takes that much"
            " there, and the source of its records about twice as much; then run again",
        )
    return IngestError(words, f"make {path.parent} writable, or name another --state-dir")
