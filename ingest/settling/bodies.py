"""Reading a batch's own records back from its body. Pure.

A body is the framing's head, the records, each ended by `record_end` (the last one perhaps not),
and its tail. The records are read from the very bytes that were sent, because what the table may
hold is what stood there. An encoded record holds no newline, so a newline ends one.

What can't be read as expected gives None, never an error: then the batch is not settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from ingest.model import Batch

NEWLINE = b"\n"


class Framed(Protocol):
    """The framing of bodies in memory (`pack.MemoryEnvelope`)."""

    @property
    def head(self) -> bytes:
        """The bytes before the first record."""
        ...

    @property
    def tail(self) -> bytes:
        """The bytes behind the last record."""
        ...

    @property
    def record_end(self) -> bytes:
        """The bytes behind every record, a newline last."""
        ...


def content(batch: Batch, frame: Framed) -> bytes | None:
    """The records of a body in memory, without its framing; None of any other body."""
    body = b"".join(batch.body)
    framed = len(frame.head) + len(frame.tail)
    whole = body.startswith(frame.head) and body.endswith(frame.tail) and len(body) > framed
    if batch.spool is not None or not whole:
        return None
    records = body[len(frame.head) : len(body) - len(frame.tail)]
    return records.removesuffix(frame.record_end)


def values(records: bytes, frame: Framed, column: str) -> list[Any]:
    """That column's value in each record, in order; None where it is missing, null or unreadable"""
    return [_value(record, column) for record in records.split(frame.record_end)]


def sampled(records: bytes, frame: Framed, column: str) -> list[Any]:
    """The same of the first record, of one in the middle and of the last, as far as they differ.

    The middle is that of the bytes, so that nothing is counted."""
    half = records.rfind(NEWLINE, 0, len(records) // 2) + 1
    starts = sorted({0, half, records.rfind(NEWLINE) + 1})
    return [_value(_record_at(records, start, frame), column) for start in starts]


def stamp_of(batch: Batch, frame: Framed, column: str) -> str | None:
    """The text that the batch's records bear in that column; None if the sampled ones differ."""
    records = content(batch, frame)
    found = [] if records is None else sampled(records, frame, column)
    stamp = found[0] if found else None
    same = all(value == stamp for value in found)
    return stamp if isinstance(stamp, str) and stamp and same else None


def ids_of(batch: Batch, frame: Framed, column: str) -> list[int] | None:
    """The batch's ids in ascending order; None if a record has none or two have the same."""
    records = content(batch, frame)
    found = [] if records is None else values(records, frame, column)
    if len(found) != batch.count or any(type(value) is not int for value in found):
        return None
    return sorted(found) if len(set(found)) == len(found) else None


def runs(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending ids as runs of consecutive ones: first and last of each, both included."""
    found: list[tuple[int, int]] = []
    for number in ids:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _record_at(records: bytes, start: int, frame: Framed) -> bytes:
    end = records.find(frame.record_end, start)
    return records[start:] if end < 0 else records[start:end]


def _value(record: bytes, column: str) -> Any:
    try:
        parsed = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    return parsed.get(column) if isinstance(parsed, dict) else None
