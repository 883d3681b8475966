"""A block's own bytes, kept while its records are under way.

A record that the service refuses is shown as it came, so its bytes must be there until its batch
has ended. Where records are small, that is little beside the bodies. Where they are so large that
bodies are full by bytes and not by count, eight in flight would hold as much again in blocks:
there the bytes are kept packed, which costs a fraction of what sending them does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ingest.model import Block

LARGE_RECORD_BYTES = 512
LEVEL = 1  # the quickest: half a gigabyte a second, in native code, without the interpreter's lock


class Kept(Struct, frozen=True):
    """A block, or one without its bytes and these packed. Made by `keep`."""

    block: Block
    packed: bytes | None = None

    def restored(self) -> Block:
        """The block as it was."""
        if self.packed is None:
            return self.block
        data = _zstandard().ZstdDecompressor().decompress(self.packed)
        return replace(self.block, data=data)


def keep(block: Block, records: int) -> Kept:
    """Keep a block of so many records; runs where it was shaped, in a thread."""
    if len(block.data) < LARGE_RECORD_BYTES * records:
        return Kept(block)
    packed = _zstandard().ZstdCompressor(level=LEVEL).compress(block.data)
    return Kept(replace(block, data=b""), packed)


@lru_cache(maxsize=1)
def _zstandard() -> Any:
    import zstandard  # noqa: PLC0415 - 10 ms that most runs don't need

    return zstandard
