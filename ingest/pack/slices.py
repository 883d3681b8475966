"""Slices of encoded records, cut at record borders. Pure.

A limit asks for the k-th record of a slice, or for the last one below a byte position. Every
encoded record ends in a newline and holds no other, so either is a matter of counting newlines. As
this runs where the loop runs, no more of them are counted than must be: from the nearer end, and
the k-th record is first looked for where it should be if all were of one length. Python runs per
record only where a key really stands twice, and among the last few before a border.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ingest.grammar import count_feeds
from ingest.model import Slice

NEWLINE = b"\n"
STEPS = 64  # records that are passed one by one: as quick as to count among a few thousand
GUESSES = 8  # lengths so unlike that these say nothing are seldom


def leading_records(part: Slice, size_bytes: int) -> int:
    """How many whole leading records of `part`, ends included, take at most `size_bytes`."""
    if size_bytes >= part.size_bytes:
        return part.count
    start = part.start
    border = max(start, part.buffer.rfind(NEWLINE, start, start + max(size_bytes, 0)) + 1)
    if 2 * (border - start) > part.size_bytes:
        return part.count - count_feeds(part.buffer, border, part.end)
    return count_feeds(part.buffer, start, border)


def record_border(part: Slice, records: int) -> int:
    """The position in the buffer behind the first `records` records of `part`."""
    if records <= 0:
        return part.start
    if records >= part.count:
        return part.end
    start, end, count = part.start, part.end, part.count  # what is left to look at
    for _ in range(GUESSES):
        if min(records, count - records) <= STEPS:
            break
        likely = start + (end - start) * records // count
        guess = part.buffer.find(NEWLINE, likely, end) + 1
        if guess == end:  # it stands in the last record, which is a long one
            guess = part.buffer.rfind(NEWLINE, start, likely) + 1
        if 2 * records > count:
            passed = count - count_feeds(part.buffer, guess, end)
        else:
            passed = count_feeds(part.buffer, start, guess)
        if passed <= records:
            start, count, records = guess, count - passed, records - passed
        else:
            end, count = guess, passed
    return _behind(part.buffer, start, end, records, count)


def _behind(buffer: bytes, start: int, end: int, records: int, count: int) -> int:
    """The position behind the first `records` of `count`, from the nearer end on."""
    if 2 * records <= count:
        for _ in range(records):
            start = buffer.index(NEWLINE, start, end) + 1
        return start
    for _ in range(count - records):
        end = buffer.rindex(NEWLINE, start, end - 1) + 1
    return end


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
