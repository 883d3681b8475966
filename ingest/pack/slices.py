"""Slices of encoded records, cut at record borders. Pure.

A limit asks for the k-th record of a slice, or for the last one below a byte position. Every
encoded record ends in a newline and holds no other, and the shaper marked where every so many of
them end; so both are answered from the nearest mark by looking at a few hundred records at most,
which matters because this runs where the loop runs. Counting all newlines of a body there cost a
third of the loop's time. Python runs per record only where a key really stands twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ingest.model import MARK_EVERY, Slice

NEWLINE = b"\n"


def leading_records(part: Slice, size_bytes: int) -> int:
    """How many whole leading records of `part`, ends included, take at most `size_bytes`."""
    if size_bytes >= part.size_bytes:
        return part.count
    border = part.buffer.rfind(NEWLINE, part.start, part.start + max(size_bytes, 0)) + 1
    position, passed = _mark(part, bisect_right(part.marks, border))
    return passed + part.buffer.count(NEWLINE, position, max(border, position))


def record_border(part: Slice, records: int) -> int:
    """The position in the buffer behind the first `records` records of `part`.

    From the last mark before it, and without marks from the start, it goes on record by record.
    """
    if records <= 0:
        return part.start
    if records >= part.count:
        return part.end
    position, passed = _mark(part, (part.index + records) // MARK_EVERY)
    for _ in range(records - passed):
        position = part.buffer.index(NEWLINE, position, part.end) + 1
    return position


def _mark(part: Slice, number: int) -> tuple[int, int]:
    """The position of a mark (from 1) in the buffer, and how many records of `part` it ends."""
    passed = number * MARK_EVERY - part.index
    if passed <= 0 or not part.marks:
        return part.start, 0
    return part.marks[number - 1], passed


def split(part: Slice, records: int) -> tuple[Slice, Slice]:
    """`part` as its first `records` records and the rest; either may be empty, not both."""
    border = record_border(part, records)
    last = part.first + records - 1
    for number in part.rejected:
        if number > last:
            break
        last += 1
    if records >= part.count:
        last = part.last
    low = tuple(n for n in part.rejected if n <= last)
    head = replace(
        part,
        end=border,
        count=min(records, part.count),
        last=last,
        rejected=low,
        keys=part.keys[:records] if part.keys is not None else None,
    )
    rest = replace(
        part,
        index=part.index + head.count,
        start=border,
        count=part.count - head.count,
        first=last + 1,
        rejected=part.rejected[len(low) :],
        keys=part.keys[records:] if part.keys is not None else None,
    )
    return head, rest


def last_of_each_key(part: Slice) -> list[Slice]:
    """`part` without the records whose key stands again behind them, as runs of records."""
    keys = part.keys or ()
    if len(set(keys)) == len(keys):
        return [part]
    last = {key: place for place, key in enumerate(keys)}
    return _runs(part, [last[key] == place for place, key in enumerate(keys)])


def superseded_in(part: Slice) -> list[Slice]:
    """The records whose key stands again behind them in `part`, as runs of records."""
    keys = part.keys or ()
    if len(set(keys)) == len(keys):
        return []
    last = {key: place for place, key in enumerate(keys)}
    return _runs(part, [last[key] != place for place, key in enumerate(keys)])


def without_keys(part: Slice, keys: Collection[str]) -> list[Slice]:
    """`part` without the records of these keys, as runs of records."""
    return _runs(part, [key not in keys for key in part.keys or ()])


def with_keys(part: Slice, keys: Collection[str]) -> list[Slice]:
    """The records of `part` that have one of these keys, as runs of records."""
    return _runs(part, [key in keys for key in part.keys or ()])


def _runs(part: Slice, keep: Sequence[bool]) -> list[Slice]:
    if all(keep):
        return [part] if part.count else []
    runs: list[Slice] = []
    place = 0
    while place < len(keep):
        length = 1
        while place + length < len(keep) and keep[place + length] == keep[place]:
            length += 1
        run, part = split(part, length)
        if keep[place]:
            runs.append(run)
        place += length
    return runs
