"""Spools taken apart again, and packing from end to end."""

from __future__ import annotations

import gzip
import hashlib
import random
import zlib
from collections.abc import Sequence
from pathlib import Path

from ingest.model import Batch, Slice
from ingest.pack.spool import SpoolPacking
from tests.pack.helpers import records_in, slice_of

LIMIT = 100_000


def noise(size: int, seed: int = 1) -> bytes:
    """A record that does not shrink."""
    return random.Random(seed).randbytes(size).replace(b"\n", b"x")


def noisy(count: int, size: int, first: int = 1) -> Slice:
    """Records that don't shrink, each another."""
    records = [noise(size, number) for number in range(first, first + count)]
    return slice_of(records, first=first, end=b"\n")


def lines(count: int, first: int = 1) -> Slice:
    """Short records."""
    records = [b'{"n":%d}' % number for number in range(first, first + count)]
    return slice_of(records, first=first, end=b"\n")


def names_in(directory: Path) -> list[str]:
    """What lies there."""
    return sorted(path.name for path in directory.iterdir())


def lines_of(batch: Batch) -> list[bytes]:
    """The records of a spool, after everything that is said of it was compared with the file."""
    spool = batch.spool
    assert spool is not None
    data = spool.path.read_bytes()
    plain = gzip.decompress(data)
    first_member = zlib.decompressobj(31)
    assert first_member.decompress(data) == plain
    assert first_member.eof
    assert first_member.unused_data == b""
    assert spool.path.stat().st_mode & 0o777 == 0o600
    assert batch.size_bytes == spool.size_bytes == len(data)
    assert spool.plain_bytes == len(plain)
    assert batch.digest() == spool.sha256 == hashlib.sha256(data).hexdigest()
    assert (batch.body, batch.keys, batch.dropped) == ((), frozenset(), ())
    assert all(p.buffer == b"" and p.size_bytes == 0 for p in batch.slices)
    lines = plain.split(b"\n")[:-1]
    assert len(lines) == batch.count == sum(part.count for part in batch.slices)
    return lines


def records_of_all(parts: Sequence[Slice]) -> list[bytes]:
    """The records of some slices."""
    return [record for part in parts for record in records_in(part, b"\n")]


async def packed_lines(
    directory: Path, limit_bytes: int, parts: Sequence[Slice], level: int = 1
) -> list[tuple[Batch, list[bytes]]]:
    """Every batch of these slices with its records; `pending` is asked after every step."""
    packing = SpoolPacking(directory, limit_bytes, level=level)
    found: list[tuple[Batch, list[bytes]]] = []
    handed_in = 0
    async with packing.opened():
        for part in [*parts, None]:
            batches = await (packing.add(part) if part else packing.finish())
            handed_in += part.count if part else 0
            found += [(batch, lines_of(batch)) for batch in batches]
            assert packing.pending == handed_in - sum(batch.count for batch, _ in found)
    assert packing.pending == 0
    assert names_in(directory) == []
    return found
