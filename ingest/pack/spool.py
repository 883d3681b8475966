"""Packing whose bodies lie on the disk: gzip files of NDJSON, as full as the limit surely allows.

*The limit.* A spool never exceeds `limit_bytes` on the disk. How far records shrink is known only
once they are compressed, so each chunk counts with its worst case until it is written, and is begun
only if that fits. In doubt, what is under way is waited for and its true size looked at; a spool is
sealed when the worst case of a chunk, or of the next record, does not fit any more (or at the end).
That leaves at most 4 MiB unused, an eighth where the limit is tiny, and where a record is longer
than that, its length. What is looked at and when depends on the slices alone and never on which
thread was quicker: the same slices give the same spools.

*Memory* is flat: three chunks of about 4 MiB under way and one that is filled, each with the blocks
that it came from. A sealed batch's slices hold places without bytes, and lead to their source
through a file beside the spool (`origins`). Such a slice takes 0.75 KB with a block of its own, 0.5
where small files share one: 1 MB for 1 GB of spool, 60 MB where each slice is a file of 150 rows.

*A spool outlives its process* where the books say that a later one needs it (`spool_folder`).
Everything else is gone when the packing is left, whatever ends it.

*The loop never waits for the disk.* Chunks are compressed by threads of this packing's own;
writing, sealing and removing run in anyio's worker threads and are not abandoned. What was handed
in and has not been handed out is `pending` at every moment: a cancelled `add` leaves its records in
a queue and whatever it sealed for the next call to return, or for `opened` to remove.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from msgspec.structs import replace

from ingest.errors import IngestError, TargetError
from ingest.model import Batch, Origin, Restorable, Slice, Spool, spans_of
from ingest.pack.gzip_stream import LEVEL
from ingest.pack.origins import OnDisk
from ingest.pack.slices import leading_records, split
from ingest.pack.spool_envelope import SpoolEnvelope
from ingest.pack.spool_file import Chunk
from ingest.pack.spool_folder import Needed, SpoolFolder, nothing

__all__ = ["SpoolEnvelope", "SpoolPacking"]

CHUNK_BYTES = 4 * 1024 * 1024
UNDER_WAY = 3


class SpoolPacking:
    """`protocols.Packing` over spools in `directory`; used within `opened`.

    The first batch gets `first_number`. `needed` gives the names of the files that a later process
    needs: those of open intents.

    The caller guarantees that no record exceeds `envelope.largest_record`. `add` and `finish` raise
    IngestError if a spool can't be written; then it is gone, and the packing takes no more.
    """

    def __init__(
        self,
        directory: Path,
        limit_bytes: int,
        *,
        level: int = LEVEL,
        first_number: int = 1,
        needed: Needed = nothing,
    ) -> None:
        self.envelope = SpoolEnvelope(limit_bytes)
        self._folder = SpoolFolder(directory, needed)
        self._level = level
        self._chunk_bytes = max(1, min(CHUNK_BYTES, limit_bytes // 8))
        self._threads: ThreadPoolExecutor | None = None
        self._number = first_number - 1
        self._pending = 0
        self._trouble: IngestError | None = None
        self._waiting: deque[Slice] = deque()
        self._ready: list[Batch] = []
        self._reset()

    def _reset(self) -> None:
        self._file = self._folder.new_file(self.envelope.limit_bytes)
        self._chunk = Chunk()
        self._parts: list[Slice] = []
        self._last: tuple[Restorable, OnDisk] | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Threads to compress with, and the directory. On leaving they have ended, and every file
        is deleted that is not needed: what was not sent is read again from its source."""
        await self._folder.open()
        self._threads = ThreadPoolExecutor(UNDER_WAY, "spool")
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                end = partial(self._threads.shutdown, wait=True, cancel_futures=True)
                await anyio.to_thread.run_sync(end)
                await self._folder.close()

    def once_more(self) -> SpoolPacking:
        """A packing for one spool that was lost, in the same directory and closed with this one. It
        is as long as it was, whatever the limit is now: only `finish` seals it."""
        one = SpoolPacking(Path(), sys.maxsize, level=self._level)
        one._folder, one._threads = self._folder, self._threads
        one._reset()
        return one

    @property
    def pending(self) -> int:
        """Records that were handed to `add` and stand in no batch that was returned."""
        return self._pending

    async def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed, in order."""
        assert part.keys is None, "no service takes an upsert from a file"
        self._pending += part.count
        self._waiting.append(part)
        await self._pack()
        return self._hand_out()

    async def finish(self) -> list[Batch]:
        """The last batch, if there is one."""
        await self._pack()
        if self._parts:
            await self._seal()
        return self._hand_out()

    def lower(self, size_bytes: int) -> None:
        """No storage says what it would take instead: the job's own limit stays."""

    async def release(self, batch: Batch) -> None:
        """The batch has ended and its rejects are written: delete what nobody needs of it."""
        if batch.spool is not None:
            await self._folder.release(batch.spool)

    def remove(self, spool: Spool) -> None:
        """Delete a spool and its origins: its records can't be shown as they came any more.
        Blocking. Raises IngestError if that can't be done; what is gone already is no error."""
        self._folder.remove(spool)

    async def _pack(self) -> None:
        if self._trouble:
            raise self._trouble
        while self._waiting:
            part = self._waiting[0]
            fitting = part.count
            if self._chunk.plain_bytes + part.size_bytes > self._file.room_bytes:
                await self._settle()
                fitting = self._fitting(part)
            if not fitting and part.count:
                await self._seal()
                continue
            head, rest = split(part, fitting) if fitting < part.count else (part, None)
            self._waiting.popleft()
            if rest is not None:
                self._waiting.appendleft(rest)
            self._take(head)
            if self._chunk.plain_bytes >= self._chunk_bytes:
                await self._begin()

    def _fitting(self, part: Slice) -> int:
        """How many of `part`'s leading records still go into the spool; nothing is under way."""
        room_bytes = self._file.room_bytes
        if room_bytes < min(self._chunk_bytes, part.size_bytes) and not self._file.empty:
            return 0
        fitting = leading_records(part, room_bytes)
        if not fitting and part.count and self._file.empty:
            raise TargetError(
                f"{part.file.shown}: record {part.first} does not fit into any spool",
                "this is a defect: such a record should have been rejected",
            )
        return fitting

    def _take(self, part: Slice) -> None:
        if not part.count:
            return
        self._chunk.add(part)
        origin = part.origin and self._on_disk(part.origin)
        self._parts.append(part.placed(origin))

    def _on_disk(self, origin: Origin) -> Origin:
        """Slices come in order, so those of one block are neighbours: the last one is enough."""
        if self._last is None or self._last[0] is not origin.kept:
            self._last = origin.kept, self._file.origins.place()
            self._chunk.blocks.append(origin.kept)
        return replace(origin, kept=self._last[1])

    async def _begin(self) -> None:
        """Have the open chunk compressed, once there are few enough under way."""
        if not self._chunk.views:
            return
        while self._file.under_way >= UNDER_WAY:
            await self._in_thread(self._file.write_oldest)
        assert self._threads is not None, "a packing is used within `opened`"
        chunk, self._chunk = self._chunk, Chunk()
        self._file.begin(self._threads, chunk, self._level)

    async def _settle(self) -> None:
        """Have everything written, so that the room is known exactly."""
        await self._begin()
        while self._file.under_way:
            await self._in_thread(self._file.write_oldest)

    async def _seal(self) -> None:
        await self._begin()
        await self._in_thread(self._close_body)

    def _close_body(self) -> None:
        spool = self._folder.seal(self._file)
        self._number += 1
        parts, count = tuple(self._parts), sum(part.count for part in self._parts)
        spans = spans_of(parts)
        self._ready.append(
            Batch(self._number, (), spool.size_bytes, count, spans, parts, spool=spool)
        )
        self._reset()

    def _hand_out(self) -> list[Batch]:
        batches, self._ready = self._ready, []
        self._pending -= sum(batch.count for batch in batches)
        return batches

    async def _in_thread(self, function: Callable[[], None]) -> None:
        try:
            await anyio.to_thread.run_sync(function)
        except IngestError as error:
            self._trouble = error
            raise
