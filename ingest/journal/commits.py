"""Reading and committing: what SQLite says against it becomes an error that says what to do.

Where the disk is full, what can be done a second time is, in the room that was held back; and what
must outlive a power cut is synced behind its commit (`log`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.journal import schema
from ingest.journal.log import Log
from ingest.journal.room import DiskFull, Room


class Commits:
    """Transactions on one connection; `count` of them were committed. One thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, room: Room) -> None:
        self.count = 0
        self._path = path
        self._connection = connection
        self._room = room
        self._log = Log(path)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing is written in the block. Raises an IngestError for SQLite's errors."""
        try:
            yield
        except sqlite3.Error as exc:
            raise schema.as_refusal(exc, self._path) from exc

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of the block, durable when it is left, or nothing of it."""
        with self._committing():
            yield
        self._log.sync(self._room.give_up)

    def keep(self, work: Callable[[], None], *, synced: bool = True) -> None:
        """Do `work` in one commit; where the disk is full, once more in what was held back. Not
        `synced`, it outlives a kill, and a power cut from the next sync on."""
        try:
            with self._committing():
                work()
        except DiskFull:
            if not self._room.give_up():
                raise
            with self._committing():
                work()
        if synced:
            self._log.sync(self._room.give_up)

    def close(self) -> None:
        """Let go of the log; the connection is the caller's."""
        self._log.close()

    @contextmanager
    def _committing(self) -> Iterator[None]:
        with self.reading(), schema.transaction(self._connection):
            yield
        self.count += 1
