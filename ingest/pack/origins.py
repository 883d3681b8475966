"""The source's bytes of what lies in a spool, on the disk beside it.

A record that the service refuses is shown as it came, and of a gigabyte of packed records the
source's bytes can't be held in memory. Each block is written once, however many slices came from
it, as it lies in memory. Packing it first was measured at a million records of 93 bytes each: raw
0.03 processor seconds, zstd 0.11 at level -5 (for a fifth less on the disk) and 0.21 at 1 (for
three fifths). Compressing the records themselves takes 0.35, so the cheapest is taken. Blocks that
were kept packed in memory are written so.

In memory stays, for each block, the block without its bytes and where these end in the file.
"""

from __future__ import annotations

from array import array

from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.kept import Kept
from ingest.model import Block, Restorable
from ingest.pack.private_file import PrivateFile


class Origins:
    """The blocks of one spool. `place` is asked where the loop runs, `write` in a thread, in the
    same order."""

    def __init__(self) -> None:
        self._file: PrivateFile | None = None
        self._blocks: list[Kept] = []
        self._ends = array("Q", [0])
        self._placed = 0

    def place(self) -> OnDisk:
        """The place of the block that will be written next but for those that have one already."""
        self._placed += 1
        return OnDisk(self, self._placed - 1)

    def opened(self, file: PrivateFile) -> None:
        """From now on blocks can be written, to this new file."""
        self._file = file

    def write(self, kept: Restorable) -> None:
        """Write the next block. Raises IngestError if it can't be written."""
        assert self._file is not None
        packed = kept.packed if isinstance(kept, Kept) else None
        block = kept.block if isinstance(kept, Kept) else kept.restored()
        data = block.data if packed is None else packed
        self._file.write([data])
        self._ends.append(self._file.size_bytes)
        bare = replace(block, data=b"") if block.data else block
        self._blocks.append(Kept(bare, None if packed is None else b""))

    def read(self, number: int) -> Block:
        """The block of that place, as it was. Raises IngestError if it is gone."""
        if self._file is None or number >= len(self._blocks):
            raise IngestError(
                "a record's source is asked for before it was written", "this is a defect"
            )
        kept, start = self._blocks[number], self._ends[number]
        data = self._file.read(start, self._ends[number + 1] - start)
        if kept.packed is None:
            return replace(kept.block, data=data)
        return Kept(kept.block, data).restored()

    def remove(self) -> None:
        """Delete the file. May be called again."""
        if self._file is not None:
            self._file.remove()


class OnDisk(Struct, frozen=True):
    """A `model.Restorable` that reads its block back."""

    origins: Origins
    number: int

    def restored(self) -> Block:
        """The block with its bytes. Raises IngestError if the file is gone."""
        return self.origins.read(self.number)
