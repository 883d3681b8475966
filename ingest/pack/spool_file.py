"""One spool while it is filled: the gzip member and, beside it, where its records came from.

Chunks are compressed by several threads at once and written in their order, by whoever awaits the
oldest. What touches the disk is blocking and is run in a thread, one call at a time: `begin` is the
only method for the loop. A lock holds that even where a caller is torn away from a call that goes
on (a task of asyncio cancelled from outside): `discard` then waits for it, so no thread ever writes
to a file that was removed.

Any trouble discards both files at once: a full disk is what the journal and the rejects need too.

The digest of a sealed file tells whether it is whole. Of its content it tells little: the same
records pack to other bytes where blocks, limits or the compressor's version differ. So the length
and the CRC-32 of what it unpacks to are kept beside it, as gzip itself does; they cost nothing, and
a spool that is filled once more is known by them.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

from msgspec import Struct, field

from ingest.errors import IngestError
from ingest.model import Restorable, Slice, Spool
from ingest.pack.gzip_stream import (
    HEADER,
    TRAILER_BYTES,
    Deflated,
    Totals,
    deflate,
    room_for,
    window_bits,
    worst_case_bytes,
)
from ingest.pack.origins import Origins
from ingest.pack.private_file import PrivateFile
from ingest.pack.spool_leftovers import NAME

FRAME_BYTES = len(HEADER) + TRAILER_BYTES


class Chunk(Struct):
    """Records that are compressed together: views of them, and the blocks that come up in them."""

    views: list[memoryview] = field(default_factory=list)
    blocks: list[Restorable] = field(default_factory=list)
    plain_bytes: int = 0
    records: int = 0

    def add(self, part: Slice) -> None:
        """Put the records of a slice behind the others."""
        self.views.append(part.view)
        self.plain_bytes += part.size_bytes
        self.records += part.count


class SpoolFile:
    """Filled by `begin` and `write_oldest`, ended by `seal` or `discard`.

    Takes its number from `numbers`: the first whose names are free, since a killed run may have
    left files that are still needed to settle what it sent.
    """

    def __init__(self, directory: Path, numbers: Iterator[int], limit_bytes: int) -> None:
        self._directory = directory
        self._numbers = numbers
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._file: PrivateFile | None = None
        self._ended = False
        self._under_way: deque[tuple[Future[Deflated], Chunk]] = deque()
        self._totals = Totals()
        self._sha256 = hashlib.sha256()
        self.origins = Origins()

    @property
    def under_way(self) -> int:
        """Chunks that were begun and are not written."""
        return len(self._under_way)

    @property
    def empty(self) -> bool:
        """True before the first chunk."""
        return self._file is None and not self._under_way

    @property
    def room_bytes(self) -> int:
        """Plain bytes that surely still fit, were all that is under way not to shrink at all."""
        begun = sum(worst_case_bytes(chunk.plain_bytes) for _, chunk in self._under_way)
        written = len(HEADER) if self._file is None else self._file.size_bytes
        return room_for(self._limit_bytes - TRAILER_BYTES - written - begun)

    def begin(self, threads: Executor, chunk: Chunk, level: int) -> None:
        """Have a chunk compressed. It must fit."""
        assert chunk.plain_bytes <= self.room_bytes
        window = window_bits(chunk.plain_bytes, chunk.records)
        self._under_way.append((threads.submit(deflate, chunk.views, window, level), chunk))

    def write_oldest(self) -> None:
        """Wait for the oldest chunk under way and write it. Raises IngestError if it can't be."""
        with self._lock:
            self._write_oldest()

    def seal(self) -> Spool:
        """Write what is under way, end the member, have it on the disk for good."""
        with self._lock:
            while self._under_way:
                self._write_oldest()
            assert self._file is not None
            try:
                self._put((self._totals.trailer(),))
                self._file.keep()
            except IngestError:
                self._discard()
                raise
            self._ended = True
            return Spool(
                self._file.path,
                self._file.size_bytes,
                self._totals.plain_bytes,
                self._sha256.hexdigest(),
                self._totals.crc32,
            )

    def let_go(self) -> None:
        """Delete what only this process can use; the sealed spool stays. Raises IngestError."""
        with self._lock:
            self.origins.remove()

    def discard(self) -> None:
        """Delete both files, sealed or not. May be called again. Raises IngestError if it can't."""
        with self._lock:
            self._discard()

    def _write_oldest(self) -> None:
        if self._ended or not self._under_way:
            return
        future, chunk = self._under_way[0]
        deflated = future.result()
        try:
            if self._file is None:
                self._open()
            self._put(deflated.pieces)
            for kept in chunk.blocks:
                self.origins.write(kept)
        except IngestError:
            self._discard()
            raise
        self._totals = self._totals.joined(deflated)
        self._under_way.popleft()

    def _put(self, pieces: tuple[bytes, ...]) -> None:
        assert self._file is not None
        self._file.write(pieces)
        for piece in pieces:
            self._sha256.update(piece)

    def _open(self) -> None:
        for number in self._numbers:
            name = f"{NAME}{number:06}"
            try:
                file = PrivateFile(self._directory / f"{name}.ndjson.gz")
            except FileExistsError:
                continue
            try:
                self.origins.opened(PrivateFile(self._directory / f"{name}.origins"))
            except FileExistsError:
                file.remove()
                continue
            except IngestError:
                file.remove()
                raise
            self._file = file
            self._put((HEADER,))
            return

    def _discard(self) -> None:
        self._ended = True
        self._under_way.clear()
        try:
            self.origins.remove()
        finally:
            if self._file is not None:
                self._file.remove()
