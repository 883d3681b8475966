"""Cuts: no record lost, every part known by a place of its own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.delivery.apart import Piece, far_place, smaller_part
from ingest.model import Batch, FileInfo, Limits, Slice
from ingest.pack import MemoryEnvelope, Packer
from tests.delivery.service import END, batches_of, records_in

ENVELOPE = MemoryEnvelope(b"[", b"]", END, Limits(10**6, 10**9))


class Places:
    """Writes the place and the count of a body before its first record's bracket."""

    def applied(
        self, pieces: tuple[memoryview, ...], count: int, number: int, offset: int = 0, /
    ) -> tuple[memoryview, ...]:
        return (memoryview(b"%d.%d" % (offset, count)), *pieces)


def whole(count: int) -> Batch:
    """One batch of so many records."""
    (batch,) = batches_of(count, count)
    return batch


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_without_one_record(place):
    """The rest is one body with a hole; the record alone has its place; both spans are right."""
    rest, one = Piece(whole(5)).without(place, ENVELOPE)
    left = [n for n in range(5) if n != place]
    assert (records_in(rest.batch), records_in(one.batch)) == (left, [place])
    assert [rest.place(n) for n in range(4)] == left
    assert (one.batch.offset, one.batch.count) == (place, 1)
    spans = [(s.first, s.last, s.count) for s in rest.batch.spans]
    numbers = [n for first, last, _ in spans for n in range(first, last + 1)]
    assert numbers == [n + 1 for n in left]
    assert sum(count for *_, count in spans) == rest.batch.count == 4


def test_without_the_only_record():
    """Nothing is left."""
    rest, one = Piece(whole(1)).without(0, ENVELOPE)
    assert (rest.batch.count, records_in(one.batch)) == (0, [0])


def test_what_was_superseded_goes_with_the_record_that_superseded_it():
    """The named record's earlier version is not in the rest."""
    packer = Packer(ENVELOPE)
    data = b"a0,\nb0,\na1,\nb1,\n"
    keys = ("a", "b", "a", "b")
    packer.add(Slice(FileInfo(0, "f"), data, 0, len(data), 4, 1, 4, keys=keys))
    (batch,) = packer.finish()
    rest, one = Piece(batch).without(0, ENVELOPE)
    assert rest.batch.keys == {"b"}
    assert one.batch.keys == {"a"}
    assert [bytes(p.view) for p in rest.batch.dropped] == [b"b0,\n"]
    assert [bytes(p.view) for p in one.batch.dropped] == [b"a0,\n"]


@given(st.integers(1, 60), st.data())
@settings(max_examples=150, deadline=None)
def test_however_a_batch_is_taken_apart(count, data):
    """Every record stands in one part, at its place; no two bodies that were ever made of it have
    place and count in common, so no stamp is used twice."""
    envelope = MemoryEnvelope(b"", b"", END, ENVELOPE.limits, Places())
    parts, made = [Piece(whole(count))], {(0, count)}
    for _ in range(data.draw(st.integers(1, 40))):
        large = [part for part in parts if part.batch.count > 1]
        if not large:
            break
        part = data.draw(st.sampled_from(large))
        parts.remove(part)
        place = data.draw(st.integers(0, part.batch.count - 1))
        if place and data.draw(st.booleans()):
            new = part.cut(place, envelope)
        else:
            new = part.without(place, envelope)
        parts += new
        keys = {(one.batch.offset, one.batch.count) for one in new}
        assert len(keys) == 2
        assert made.isdisjoint(keys)
        made |= keys
        for one in new:
            first = f"{one.batch.offset}.{one.batch.count}".encode()
            assert bytes(one.batch.body[0]) == first
    found = [(one.place(n), number) for one in parts for n, number in enumerate(numbers(one.batch))]
    assert sorted(found) == [(n, n + 1) for n in range(count)]


def numbers(batch: Batch) -> list[int]:
    """The record numbers of a body, by its slices."""
    return [n for part in batch.slices for n in range(part.first, part.last + 1)]


@pytest.mark.parametrize(("count", "place"), [(2, 1), (3, 1), (4, 2), (100, 38), (10_000, 3820)])
def test_the_smaller_part(count, place):
    """Never all, never none."""
    assert smaller_part(count) == place


def test_the_longest_way_to_one_bad_record():
    """Of 10,000 records 20 requests, where halves would take 26 and the issue allows 2 log2 n."""
    cost = {1: 0}
    for count in range(2, 10_001):
        first = smaller_part(count)
        second = count - first
        # In the first part: both are sent. In the second: it need not be, unless it is alone.
        cost[count] = max(2 + cost[first], 1 + (cost[second] or 1))
    assert cost[10_000] == 20
    assert all(cost[n] <= 2 * math.log2(n) for n in range(2, 10_001))


def test_where_records_are_tried():
    """The last one, the middle one, those between: never the same, for as many as there are."""
    assert [far_place(n, 1000) for n in range(5)] == [999, 499, 749, 249, 874]
    assert [far_place(n, 1) for n in range(3)] == [0, 0, 0]
    assert len({far_place(n, 64) for n in range(64)}) == 64
