"""Requests and bytes on ways that the job does not go, against the packer that would make them."""

from __future__ import annotations

import random

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Limits, Slice
from ingest.operations.plan_ways import CountingPacker, FileWay, PackedWay, ReckonedWay, Ways
from ingest.pack import MemoryEnvelope, Packer
from tests.pack.helpers import slice_of

ENDS = (b",\n", b"\n")
LINE = st.binary(min_size=1, max_size=9).map(lambda b: b.replace(b"\n", b"x"))


def envelope(end: bytes, records: int, size: int) -> MemoryEnvelope:
    """An array or bare lines."""
    frame = (b"[", b"]") if end == b",\n" else (b"", b"")
    return MemoryEnvelope(*frame, end, Limits(records, size))


def packed(lines: list[list[bytes]], frame: MemoryEnvelope) -> tuple[int, int, int]:
    """Requests, bytes and records by the packer itself, without the lines that fit nowhere."""
    packer, batches = Packer(frame), []
    for group in lines:
        fitting = [line for line in group if len(line) <= frame.largest_record]
        batches += packer.add(slice_of(fitting, end=frame.record_end))
    batches += packer.finish()
    return len(batches), sum(b.size_bytes for b in batches), sum(b.count for b in batches)


async def reckoned(way: ReckonedWay | FileWay | PackedWay, parts: list[Slice]) -> None:
    """All of them, and the end."""
    for part in parts:
        await way.add(part)
    await way.finish()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("other", ENDS)
@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.lists(LINE, max_size=8), max_size=6),
    records=st.integers(1, 5),
    size=st.integers(6, 30),
)
def test_as_the_packer(
    end: bytes, other: bytes, lines: list[list[bytes]], records: int, size: int
) -> None:
    """Law: what was encoded for one way is counted for another as that one's packer packs it."""
    frame = envelope(other, records, size)
    way = ReckonedWay("other", frame, end)
    anyio.run(reckoned, way, [slice_of(group, end=end) for group in lines])
    counts = way.counts
    assert (counts.requests, counts.size_bytes, counts.records) == packed(lines, frame)
    assert counts.records + counts.too_large == sum(map(len, lines))


@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_packed(number: int) -> None:
    """The job's own way is the packer's."""
    frame = envelope(b",\n", 2, 1000)
    way = PackedWay("batch", frame)
    anyio.run(reckoned, way, [slice_of([b"{}"] * number)])
    assert (way.counts.requests, way.counts.records) == (-(-number // 2), number)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=6),
    records=st.integers(1, 5),
)
def test_superseded(groups: list[list[str]], records: int) -> None:
    """Law: an upsert's figures are the packer's, though only the open body's records are held."""
    frame = envelope(b",\n", records, 1000)
    way, packer, batches = PackedWay("batch", frame), Packer(frame), []
    parts = [slice_of([b"1"] * len(keys), keys=keys) for keys in groups if keys]
    for part in parts:
        batches += packer.add(part)
    batches += packer.finish()
    anyio.run(reckoned, way, parts)
    counts = way.counts
    assert (counts.requests, counts.size_bytes, counts.records, counts.superseded) == (
        len(batches), sum(b.size_bytes for b in batches), sum(b.records for b in batches),
        sum(b.superseded for b in batches),
    )  # fmt: skip


def test_superseded_records_are_not_held() -> None:
    """However many have one key, one number stands for them."""
    packer = CountingPacker(envelope(b",\n", 5, 1000))
    for _ in range(300):
        packer.add(slice_of([b"1", b"2"], keys=["a", "a"]))
    assert (packer.pending, len(packer._parts), len(packer._dropped)) == (600, 1, 1)
    assert all(not part.buffer for part in packer._dropped)


@pytest.mark.parametrize("number", [0, 1, 2, 5000])
def test_file(number: int) -> None:
    """Plain bytes to the byte; one file where even the worst fits; a sample says the rest."""
    way = FileWay(10_000_000, 1000, b",\n")
    lines = [b'{"n":%d,"name":"somebody"}' % n for n in range(number)]
    anyio.run(reckoned, way, [slice_of(lines)])
    counts = way.counts
    assert counts.plain_bytes == sum(len(line) + 1 for line in lines)
    assert counts.requests == (1 if number else 0)
    assert counts.about == ("bytes",)
    if number > 100:
        assert 0 < counts.size_bytes < counts.plain_bytes / 2


def test_several_files() -> None:
    """What may not fit into one is about so many."""
    draw = random.Random(1)
    lines = [b"%x" % draw.getrandbits(400) for _ in range(3000)]
    way = FileWay(50_000, 40_000, b"\n")
    anyio.run(reckoned, way, [slice_of(lines, end=b"\n")])
    assert way.counts.about == ("bytes", "requests")
    assert 3 <= way.counts.requests <= 5


@pytest.mark.parametrize(("length", "too_large"), [(9, 0), (10, 0), (11, 1)])
def test_too_large_for_a_file(length: int, too_large: int) -> None:
    """A record that no file holds is none of its records."""
    way = FileWay(1000, 10, b",\n")
    anyio.run(reckoned, way, [slice_of([b"1" * length, b"22"])])
    assert (way.counts.too_large, way.counts.records) == (too_large, 2 - too_large)


def test_hands_nothing_over() -> None:
    """Every record is pending for ever; looks see each slice first and once."""
    seen: list[Slice] = []
    ways = Ways([PackedWay("batch", envelope(b",\n", 1, 100))], [seen.append])

    async def all_of_it() -> None:
        assert await ways.add(slice_of([b"1", b"2"])) == []
        assert await ways.add(slice_of([b"3"])) == []
        assert await ways.finish() == []
        assert await ways.finish() == []

    anyio.run(all_of_it)
    assert (ways.pending, len(seen), ways.ways[0].counts.requests) == (3, 2, 3)
