"""What the records would make on each way that the service offers: requests and bytes. Pure.

The way that the job goes is packed by the very packer of a run, so its figures are the run's. The
others are reckoned from the same encoded records: what stands behind a record differs from way to
way (`,\n` or `\n`), and with it only its length. A record that fits by one way and not by another
(they differ by two bytes in six million) is counted there as too large.

How far records shrink is known only once they are compressed. So by way of a file the plain bytes
are exact, and the packed ones are said by a sample of the first `SAMPLE_BYTES`; the number of files
is exact only where even records that don't shrink fit into one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import anyio.to_thread
from msgspec import Struct

from ingest.model import Batch, Slice
from ingest.pack import MemoryEnvelope, Packer, record_border, split
from ingest.protocols import Envelope

SAMPLE_BYTES = 4 * 1024 * 1024


class WayCounts(Struct):
    """What one way would take. `size_bytes` are bodies with their framing (of a file: as it is
    packed); where `exact` is false, the figures of `about` are estimates."""

    way: str
    records: int = 0
    requests: int = 0
    size_bytes: int = 0
    plain_bytes: int | None = None
    superseded: int = 0
    too_large: int = 0
    about: tuple[str, ...] = ()

    def as_report(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "way": self.way,
            "records": self.records,
            "requests": self.requests,
            "bytes": self.size_bytes,
            "plain_bytes": self.plain_bytes,
            "superseded": self.superseded,
            "too_large": self.too_large,
            "about": list(self.about),
        }


class Way(Protocol):
    """Takes slices in input order and counts what they would make."""

    @property
    def counts(self) -> WayCounts:
        """So far; whole after `finish`."""
        ...

    async def add(self, part: Slice) -> None:
        """Take one slice."""
        ...

    async def finish(self) -> None:
        """No more comes."""
        ...


class CountingPacker(Packer):
    """A packer that forgets what was superseded, but for the number.

    A run keeps these records beside the open body, in case the later one is refused; here none is.
    In an upsert of many records with few keys they are the whole input.
    """

    def _take(self, part: Slice) -> None:
        super()._take(part)
        if self._dropped:
            number = sum(one.count for one in self._dropped)
            self._dropped = [Slice(part.file, b"", 0, 0, number, 0, 0)]


class PackedWay:
    """The way that the job goes, packed as a run packs it."""

    def __init__(self, way: str, envelope: Envelope) -> None:
        self.counts = WayCounts(way)
        self._packer = CountingPacker(envelope)

    async def add(self, part: Slice) -> None:
        """Take one slice."""
        self._count(self._packer.add(part))

    async def finish(self) -> None:
        """Close the last body."""
        self._count(self._packer.finish())

    def _count(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.counts.requests += 1
            self.counts.size_bytes += batch.size_bytes
            self.counts.records += batch.records
            self.counts.superseded += batch.superseded


class ReckonedWay:
    """Another way with bodies in memory. `record_end` is what the records were encoded with."""

    def __init__(self, way: str, envelope: MemoryEnvelope, record_end: bytes) -> None:
        self.counts = WayCounts(way)
        self._envelope = envelope
        self._extra = len(record_end) - len(envelope.record_end)
        self._frame = len(envelope.head) + len(envelope.tail) - envelope.last_end
        self._open = (0, 0)  # records and bytes in the open body

    async def add(self, part: Slice) -> None:
        """Take one slice."""
        while part.count:
            fitting = self._fits(part)
            if fitting:
                head, part = split(part, fitting)
                records, size_bytes = self._open
                self._open = records + head.count, size_bytes + self._size_of(head, head.count)
                self.counts.records += head.count
            elif self._size_of(part, 1) > self._envelope.room_bytes:
                _, part = split(part, 1)
                self.counts.too_large += 1
            else:
                await self.finish()

    async def finish(self) -> None:
        """Close the open body."""
        records, size_bytes = self._open
        if records:
            self.counts.requests += 1
            self.counts.size_bytes += size_bytes + self._frame
        self._open = (0, 0)

    def _size_of(self, part: Slice, records: int) -> int:
        """What the first `records` of `part` take here, with their ends."""
        return record_border(part, records) - part.start - records * self._extra

    def _fits(self, part: Slice) -> int:
        """How many of the leading records fit into the open body."""
        records, size_bytes = self._open
        room = self._envelope.room_bytes - size_bytes
        low, high = 0, min(part.count, self._envelope.limits.records - records)
        if self._size_of(part, high) <= room:
            return high
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._size_of(part, middle) <= room else (low, middle - 1)
        return low


class FileWay:
    """By way of gzip files of at most `limit_bytes`."""

    def __init__(self, limit_bytes: int, largest_record: int, record_end: bytes) -> None:
        self.counts = WayCounts("file", plain_bytes=0, about=("bytes",))
        self._limit_bytes = limit_bytes
        self._largest = largest_record
        self._extra = len(record_end) - 1
        self._sample: list[bytes] = []
        self._sampled = (0, 0)  # records and bytes

    async def add(self, part: Slice) -> None:
        """Take one slice. Records too large for a file are none of this way's."""
        records, size_bytes = part.count, part.size_bytes - part.count * self._extra
        if size_bytes > self._largest:
            records, size_bytes = self._small_ones(part)
        self.counts.too_large += part.count - records
        self.counts.records += records
        self.counts.plain_bytes = (self.counts.plain_bytes or 0) + size_bytes
        room = SAMPLE_BYTES - self._sampled[1]
        if room > 0:
            self._sample.append(bytes(part.view[:room]))
            self._sampled = self._sampled[0] + part.count, self._sampled[1] + part.size_bytes

    async def finish(self) -> None:
        """Reckon what the files would be."""
        if self.counts.records and not self.counts.requests:
            await anyio.to_thread.run_sync(self._reckon)

    def _small_ones(self, part: Slice) -> tuple[int, int]:
        lines = bytes(part.view).split(b"\n")[:-1]
        sizes = [len(line) + 1 - self._extra for line in lines]
        small = [size for size in sizes if size - 1 <= self._largest]
        return len(small), sum(small)

    def _reckon(self) -> None:
        from ingest.pack.gzip_stream import (  # noqa: PLC0415 - the compressor: few jobs need it
            HEADER,
            TRAILER_BYTES,
            deflate,
            window_bits,
            worst_case_bytes,
        )

        plain = self.counts.plain_bytes or 0
        frame = len(HEADER) + TRAILER_BYTES
        data = b"".join(self._sample)
        found = deflate([memoryview(data)], window_bits(len(data), self._sampled[0]))
        share = min(1.0, found.size_bytes / max(len(data), 1))
        chunk = max(1, min(SAMPLE_BYTES, self._limit_bytes // 8))
        chunks = plain // chunk + 1
        if frame + worst_case_bytes(plain) + 5 * chunks <= self._limit_bytes:
            self.counts.requests = 1
        else:
            usable = max(1, self._limit_bytes - chunk // 2)
            self.counts.requests = max(1, math.ceil(plain * share / usable))
            self.counts.about = ("bytes", "requests")
        self.counts.size_bytes = round(plain * share) + frame * self.counts.requests


class Ways:
    """`protocols.Packing` that hands nothing over: every record it was given is *unsent*.

    `looks` see each slice first, in a thread, in input order.
    """

    def __init__(self, ways: Sequence[Way], looks: Sequence[Callable[[Slice], None]] = ()) -> None:
        self.ways = ways
        self._looks = looks
        self._taken = 0

    async def add(self, part: Slice) -> list[Batch]:
        """Take one slice; no batch comes of it."""
        self._taken += part.count
        for look in self._looks:
            await anyio.to_thread.run_sync(look, part)
        for way in self.ways:
            await way.add(part)
        return []

    async def finish(self) -> list[Batch]:
        """Close what is open. Safe to call twice."""
        for way in self.ways:
            await way.finish()
        return []

    @property
    def pending(self) -> int:
        """All records that were handed in."""
        return self._taken

    async def release(self, batch: Batch) -> None:
        """Nothing is held."""

    def lower(self, size_bytes: int) -> None:
        """No service is asked that could know less."""
