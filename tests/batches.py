"""Batches made by hand, for whatever needs one to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ingest.model import Batch, FileInfo, Slice, spans_of
from ingest.protocols import Envelope

FILE = FileInfo(0, "made.csv")


def raw_batch(data: bytes, *more: bytes) -> Batch:
    """A batch whose body is these bytes."""
    views = tuple(memoryview(part) for part in (data, *more))
    return Batch(1, views, sum(map(len, views)), 1, ())


def sized_batch(size_bytes: int) -> Batch:
    """A body of so many bytes: JSON from 14 bytes on."""
    framed = b'{"records":[' + b"1" * (size_bytes - 14) + b"]}"
    return raw_batch(framed if size_bytes >= 14 else b"1" * size_bytes)


def made_slice(records: Sequence[dict[str, Any]], record_end: bytes, first: int = 1) -> Slice:
    """Encoded records of one file."""
    buffer = b"".join(orjson.dumps(record) + record_end for record in records)
    count = len(records)
    return Slice(FILE, buffer, 0, len(buffer), count, first, first + count - 1)


def made_batch(envelope: Envelope, records: Sequence[dict[str, Any]], number: int = 1) -> Batch:
    """A sealed batch with these records, framed as the target wants it."""
    part = made_slice(records, envelope.record_end)
    body = envelope.open()
    body.add(part)
    pieces, size_bytes = body.seal()
    return Batch(number, pieces, size_bytes, part.count, spans_of([part]), (part,))
