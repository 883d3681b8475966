"""Memory of this process behind which reads fail: a file that truly can't be read from a byte on.

`/proc/self/mem` is a regular file. A map whose file was cut short is there up to the cut; a read
that goes beyond it gives what stands before, and the next one fails with EIO, as on a disk with a
bad sector.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.sources.archive import Window
from ingest.sources.discover import Place

BEYOND_BYTES = 4 * 1024 * 1024


@contextmanager
def breaking_off(folder: Path, data: bytes) -> Iterator[Place]:
    """A place that holds `data`, and `BEYOND_BYTES` more of which none can be read."""
    there = -(-max(1, len(data)) // mmap.PAGESIZE) * mmap.PAGESIZE
    path = folder / "mapped"
    path.write_bytes(bytes(there - len(data)) + data)
    os.truncate(path, there + BEYOND_BYTES)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), there + BEYOND_BYTES) as mapped:
        os.truncate(path, there)
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapped)) + there - len(data)
        length = len(data) + BEYOND_BYTES
        yield Place("/proc/self/mem", Window(start, length, None, 0, length))
