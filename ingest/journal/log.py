"""The journal's log, brought to the disk when that is worth a sync.

SQLite is told `synchronous=NORMAL`: a commit hands its pages to the kernel, in their order behind
those before it, so it outlives a kill from then on; it outlives a power cut once the log was synced
after it. SQLite itself syncs the log before it brings it into the file, and a log that a power cut
left torn ends at the last whole commit (sqlite.org/wal.html): only the newest commits can be lost.

An intent is worth a sync: no body goes out before it. Most outcomes are not: where a power cut
takes one the body is in doubt again, as it was a moment before, and its fate is found out. The next
intent's sync takes them along (`writing.may_wait_for_sync`). So a batch costs one sync, not two,
and no writer waits for the disk when its body has landed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ingest.journal.place import sides
from ingest.journal.room import FULL, no_room

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Log:
    """The log beside the journal at `path`. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = sides(path)[0]
        self._handle: int | None = None

    def sync(self, make_room: Callable[[], bool]) -> None:
        """All commits so far outlive a power cut. Raises DiskFull; what was committed stands all
        the same, only nobody may rely on it."""
        try:
            try:
                self._sync()
            except OSError as exc:
                if exc.errno not in FULL or not make_room():
                    raise
                self._sync()
        except OSError as exc:
            what = f"the journal can't be written: {self._path}: {exc.strerror or exc}"
            raise no_room(self._path.parent, what) from exc

    def close(self) -> None:
        """Close it, before SQLite deletes it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _sync(self) -> None:
        # Another handle's sync is as good: it is of the file. SQLite's own locks are on the others.
        if self._handle is None:
            self._handle = os.open(self._path, _FLAGS)
        getattr(os, "fdatasync", os.fsync)(self._handle)  # macOS has the second only
