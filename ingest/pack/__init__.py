"""From slices to batches: numbering, filling bodies, taking them apart.

`numbering` puts places into files, `slices` cuts at record borders, `envelope` frames a body in
memory, `packer` fills bodies and halves them, `memory` is what the engine awaits.

`spool` packs onto the disk. It is not imported here: only one way to one service needs it and the
compressor that it brings along.
"""

from ingest.pack.envelope import MemoryBody, MemoryEnvelope
from ingest.pack.memory import MemoryPacking
from ingest.pack.numbering import Numbered, Numbering
from ingest.pack.packer import Packer, cut, earlier, halves
from ingest.pack.slices import (
    last_of_each_key,
    leading_records,
    record_border,
    split,
    without_keys,
)

__all__ = [
    "MemoryBody",
    "MemoryEnvelope",
    "MemoryPacking",
    "Numbered",
    "Numbering",
    "Packer",
    "cut",
    "earlier",
    "halves",
    "last_of_each_key",
    "leading_records",
    "record_border",
    "split",
    "without_keys",
]
