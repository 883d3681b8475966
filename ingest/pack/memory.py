"""Packing in memory: the pure packer behind the promise that the engine awaits."""

from __future__ import annotations

from ingest.model import Batch, Slice
from ingest.pack.packer import Packer
from ingest.protocols import Envelope


class MemoryPacking:
    """`protocols.Packing` over bodies that are views of what the shaper encoded."""

    def __init__(self, envelope: Envelope, first_number: int = 1) -> None:
        self._packer = Packer(envelope, first_number)

    async def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed."""
        return self._packer.add(part)

    async def finish(self) -> list[Batch]:
        """The last, partly filled batch."""
        return self._packer.finish()

    @property
    def pending(self) -> int:
        """Records that stand in the open body or were superseded in it."""
        return self._packer.pending

    async def release(self, batch: Batch) -> None:
        """Memory goes by itself."""

    def lower(self, size_bytes: int) -> None:
        """Bodies that are opened from now on are at most this large."""
        self._packer.lower(size_bytes)
