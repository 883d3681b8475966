"""How bodies on the disk are framed: one JSON object a line, and how long the file may be."""

from __future__ import annotations

import sys

from msgspec import Struct

from ingest.errors import TargetError
from ingest.model import Limits
from ingest.pack.gzip_stream import room_for
from ingest.pack.slices import NEWLINE
from ingest.pack.spool_file import FRAME_BYTES
from ingest.protocols import OpenBody


class SpoolEnvelope(Struct, frozen=True):
    """A `protocols.Envelope` for the shaper to know what fits; no body is opened through it."""

    limit_bytes: int

    @property
    def record_end(self) -> bytes:
        """A newline behind every record."""
        return NEWLINE

    @property
    def limits(self) -> Limits:
        """Any number of records, and a file of `limit_bytes`, which here is the packed size."""
        return Limits(sys.maxsize, self.limit_bytes)

    @property
    def largest_record(self) -> int:
        """The longest record that fits into a spool of its own even if it does not shrink."""
        return max(room_for(self.limit_bytes - FRAME_BYTES) - len(NEWLINE), 0)

    def open(self) -> OpenBody:
        """Raises TargetError: only `SpoolPacking` fills a spool."""
        raise TargetError(
            "a body on the disk can't be opened, nor taken apart, in memory", "this is a defect"
        )

    @property
    def stamp(self) -> None:
        """Lines on the disk bear none: what became of a file its own status says."""
        return None

    def lowered(self, size_bytes: int) -> SpoolEnvelope:
        """For smaller files."""
        return SpoolEnvelope(min(size_bytes, self.limit_bytes))
