"""Which records a body answers for, and which of them it has settled. Pure.

A body on the disk may hold tens of millions of records, so nothing here is made per record: places
are found by arithmetic on its slices, and only the stretches that a refused record stands in are
counted anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from ingest.journal.intervals import IntervalSet
from ingest.model import Batch, Refusal, Slice, Span, spans_of


def answered(batch: Batch) -> tuple[Span, ...]:
    """The spans of all records that a batch answers for, superseded ones included.

    A part of a body has only the spans of what is in it: what that superseded is added here.
    """
    if sum(span.count for span in batch.spans) == batch.records:
        return batch.spans
    parts = (*batch.slices, *batch.dropped)
    return spans_of(sorted(parts, key=lambda part: (part.file.index, part.first)))


def without_refused(batch: Batch, refused: Sequence[Refusal]) -> list[Span]:
    """The spans of a body that was taken but for these records: what it settles.

    A refused record is settled by its line in the rejects file. Should that be lost with a kill,
    the record stands in no span and is sent again.
    """
    gone: dict[int, list[int]] = {}
    for file, number in places_at(batch.slices, sorted(one.index for one in refused)):
        gone.setdefault(file, []).append(number)
    left: list[Span] = []
    for span in answered(batch):
        left += _without(span, gone[span.file], batch) if span.file in gone else [span]
    return left


def places_at(slices: Sequence[Slice], indexes: Iterable[int]) -> list[tuple[int, int]]:
    """File and record number of the records at these places (from 0) of a body."""
    ends = list(accumulate(part.count for part in slices))
    found: list[tuple[int, int]] = []
    for index in indexes:
        place = bisect_right(ends, index)
        part = slices[place]
        number = part.first + index - (ends[place] - part.count)
        for rejected in part.rejected:
            if rejected > number:
                break
            number += 1
        found.append((part.file.index, number))
    return found


def _without(span: Span, numbers: Iterable[int], batch: Batch) -> list[Span]:
    kept = IntervalSet([(span.first, span.last)])
    for number in numbers:
        kept.remove(number, number)
    if kept.records == span.last - span.first + 1:
        return [span]
    parts = [part for part in (*batch.slices, *batch.dropped) if part.file.index == span.file]
    return [
        Span(span.file, first, last, sum(_records_in(part, first, last) for part in parts))
        for first, last in kept
    ]


def _records_in(part: Slice, first: int, last: int) -> int:
    """How many of a slice's records have these numbers."""
    first, last = max(first, part.first), min(last, part.last)
    if first > last:
        return 0
    rejected = bisect_right(part.rejected, last) - bisect_left(part.rejected, first)
    return last - first + 1 - rejected
