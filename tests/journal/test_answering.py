"""Which records a body has settled: by arithmetic, and as if each were looked at."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.journal.answering import answered, places_at, without_refused
from ingest.model import Batch, Refusal, spans_of
from tests.journal.helpers import body, part_of


@st.composite
def bodies(draw: st.DrawFn) -> Batch:
    """Slices of some files with rejected records between, with and without gaps."""
    parts = []
    for file in range(draw(st.integers(1, 3))):
        first = 1
        for _ in range(draw(st.integers(1, 3))):
            first += draw(st.integers(0, 2))
            drawn = draw(st.sets(st.integers(first, first + 8), max_size=3))
            part = part_of(first, draw(st.integers(1, 6)), file, sorted(drawn))
            gaps = [number for number in part.rejected if number <= part.last]
            parts.append(part_of(first, part.count, file, gaps))
            first = part.last + 1
    return body(1, *parts)


def one_by_one(batch: Batch) -> list[tuple[int, int]]:
    """File and number of each record."""
    return [
        (part.file.index, number)
        for part in batch.slices
        for number in range(part.first, part.last + 1)
        if number not in part.rejected
    ]


@settings(max_examples=200)
@given(bodies(), st.data())
def test_what_is_left_without_the_refused(batch: Batch, data: st.DataObject) -> None:
    """Each other record stands in one span, refused ones in none; counts add up."""
    places = one_by_one(batch)
    assert places_at(batch.slices, range(batch.count)) == places
    indexes = data.draw(st.sets(st.integers(0, batch.count - 1)))
    spans = without_refused(batch, [Refusal(index, "bad") for index in indexes])
    gone = {places[index] for index in indexes}
    covered = [(s.file, n) for s in spans for n in range(s.first, s.last + 1)]
    assert len(covered) == len(set(covered))
    assert set(places) - gone == set(places) & set(covered)
    for span in spans:
        within = [n for file, n in places if file == span.file and span.first <= n <= span.last]
        assert span.count == len(within)
    if not gone:
        assert tuple(spans) == answered(batch)


def test_memory_does_not_grow_with_the_records() -> None:
    """Ten million in a spool, fifty of them refused."""
    size = 10_000_000
    one = part_of(1, 1)
    part = replace(one, count=size, last=size)
    big = replace(body(1, one), count=size, slices=(part,), spans=spans_of([part]))
    tracemalloc.start()
    try:
        spans = without_refused(big, [Refusal(n * 1000, "bad") for n in range(50)])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(span.count for span in spans) == size - 50
    assert peak < 1_000_000
