"""Framing of bodies that are kept in memory, exact to the byte.

A limit is asked of the encoded size with its framing before a record is added, so a sealed body
never exceeds it. A body is a list of views of what the shaper encoded; nothing is copied.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ingest.model import Limits, Slice
from ingest.pack.slices import NEWLINE, leading_records
from ingest.protocols import OpenBody, Stamper


class MemoryEnvelope(Struct, frozen=True):
    """Framing of bodies that are kept in memory: `head`, records, `tail`.

    `record_end` stands behind every record; where it is more than a newline (`,\\n`), it separates,
    and the last one is left out.
    """

    head: bytes
    tail: bytes
    record_end: bytes
    limits: Limits
    stamp: Stamper | None = None

    @property
    def last_end(self) -> int:
        """Bytes of the last record's end that are left out of a sealed body."""
        return 0 if self.record_end == NEWLINE else len(self.record_end)

    @property
    def room_bytes(self) -> int:
        """What all records with their ends may take in one body."""
        return self.limits.size_bytes - len(self.head) - len(self.tail) + self.last_end

    @property
    def largest_record(self) -> int:
        """The longest encoded record, without its end, that fits into a body of its own."""
        return self.room_bytes - len(self.record_end)

    def open(self) -> OpenBody:
        """Begin a new body."""
        return MemoryBody(self)

    def lowered(self, size_bytes: int) -> MemoryEnvelope:
        """The same framing for smaller bodies."""
        return replace(self, limits=replace(self.limits, size_bytes=size_bytes))


class MemoryBody:
    """An open body: a list of views of what the shaper encoded; nothing is copied."""

    __slots__ = ("_count", "_envelope", "_size", "_views")

    def __init__(self, envelope: MemoryEnvelope) -> None:
        self._envelope = envelope
        self._views: list[memoryview] = []
        self._count = 0
        self._size = 0

    def fits(self, part: Slice) -> int:
        """How many of `part`'s leading records may still be added."""
        room_records = self._envelope.limits.records - self._count
        room_bytes = self._envelope.room_bytes - self._size
        if part.count <= room_records and part.size_bytes <= room_bytes:
            return part.count
        return min(room_records, leading_records(part, room_bytes))

    def add(self, part: Slice) -> None:
        """Add all of `part`; it must fit."""
        if not part.count:
            return  # the last view is the one whose record end is left out
        self._views.append(part.view)
        self._count += part.count
        self._size += part.size_bytes

    def seal(self) -> tuple[tuple[memoryview, ...], int]:
        """The pieces with head and tail, and their length."""
        frame = self._envelope
        views = [memoryview(frame.head), *self._views]
        if frame.last_end and self._views:
            views[-1] = views[-1][: -frame.last_end]
        pieces = tuple(v for v in (*views, memoryview(frame.tail)) if len(v))
        return pieces, sum(map(len, pieces))
