"""A run's directory of spools: what lies in it, and what has to go.

A spool outlives the process that filled it as long as its intent is open: a run that is taken up
sends it on, or finds in it the rows that the service refused. Nobody else is asked: the books say
which names are needed, and all else that a packing of ours left there is deleted, when the
directory is opened, when a batch is released, and when the directory is left. What can't be deleted
is no reason to stop: it is tried again the next time. Where the books can't be asked, what may be
needed stays, until a later process asks them.

Names alone count, never the whole path: a state directory may be moved, or named otherwise.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import anyio.to_thread

from ingest.errors import IngestError
from ingest.model import Spool
from ingest.pack.private_file import make_directory, remove_file
from ingest.pack.spool_file import SpoolFile
from ingest.pack.spool_leftovers import sweep

Needed = Callable[[], Awaitable[Collection[str]]]


async def nothing() -> Collection[str]:
    """For a run outside of the books: no later process needs a file."""
    return ()


class SpoolFolder:
    """The spools of this process in `directory`. `needed` may raise IngestError."""

    def __init__(self, directory: Path, needed: Needed = nothing) -> None:
        self._directory = directory
        self._needed = needed
        self._names = itertools.count(1)
        self._filling: set[SpoolFile] = set()
        self._sealed: dict[Path, SpoolFile] = {}

    async def open(self) -> None:
        """Make the directory, and delete what killed processes left. Raises IngestError."""
        await anyio.to_thread.run_sync(make_directory, self._directory)
        await anyio.to_thread.run_sync(sweep, self._directory, await self._needed())

    async def close(self) -> None:
        """Delete everything but what is needed."""
        try:
            needed = await self._needed()
        except IngestError:
            needed = [path.name for path in self._sealed]
        await anyio.to_thread.run_sync(self._close, needed)

    def new_file(self, limit_bytes: int) -> SpoolFile:
        """A spool to be filled."""
        file = SpoolFile(self._directory, self._names, limit_bytes)
        self._filling.add(file)
        return file

    def seal(self, file: SpoolFile) -> Spool:
        """End it. Blocking. Raises IngestError if that can't be done; then it is gone."""
        spool = file.seal()
        self._filling.discard(file)
        self._sealed[spool.path] = file
        return spool

    async def release(self, spool: Spool) -> None:
        """Its batch has ended: the source of its records goes, and it too if nobody needs it."""
        with contextlib.suppress(IngestError):  # `close` tries it once more
            kept = spool.path.name in await self._needed()
            await anyio.to_thread.run_sync(self._let_go if kept else self.remove, spool)

    def remove(self, spool: Spool) -> None:
        """Delete a spool and the source of its records. Blocking. Raises IngestError if that can't
        be done; what is gone already is no error."""
        file = self._sealed.get(spool.path)
        if file is None:  # taken over from a process that was killed
            remove_file(spool.path)
            return
        file.discard()
        del self._sealed[spool.path]

    def _let_go(self, spool: Spool) -> None:
        if file := self._sealed.get(spool.path):
            file.let_go()

    def _close(self, needed: Collection[str]) -> None:
        for file in self._filling:
            with contextlib.suppress(IngestError):
                file.discard()
        for path, file in self._sealed.items():
            with contextlib.suppress(IngestError):
                if path.name in needed:
                    file.let_go()
                else:
                    file.discard()
        sweep(self._directory, needed)
