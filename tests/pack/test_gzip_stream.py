"""One gzip member out of chunks: what any unpacker reads, and never longer than its bound."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.pack.gzip_stream import (
    HEADER,
    LEVEL,
    TRAILER_BYTES,
    Deflated,
    Totals,
    deflate,
    room_for,
    window_bits,
    worst_case_bytes,
)

REPEATED = st.builds(lambda piece, times: piece * times, st.binary(max_size=40), st.integers(0, 99))
NOISE = st.builds(
    lambda seed, size: random.Random(seed).randbytes(size), st.integers(), st.just(900)
)
CHUNK = st.lists(st.one_of(st.binary(max_size=60), REPEATED, NOISE), max_size=4)


def deflated(*parts: bytes, window: int = 15, level: int = LEVEL) -> Deflated:
    """A chunk of these parts."""
    return deflate([memoryview(part) for part in parts], window, level)


def member_of(chunks: Sequence[Deflated]) -> bytes:
    """The whole file."""
    totals = Totals()
    for chunk in chunks:
        totals = totals.joined(chunk)
    return HEADER + b"".join(piece for c in chunks for piece in c.pieces) + totals.trailer()


@given(st.lists(CHUNK, max_size=4), st.integers(12, 15), st.integers(0, 3))
@settings(max_examples=150)
def test_any_chunks_make_one_member(chunks: list[list[bytes]], window: int, level: int) -> None:
    """Python's gzip reads it, checksum and length checked; an unpacker that stops behind the first
    member has read all; no chunk is longer than its worst case."""
    made = [deflated(*parts, window=window, level=level) for parts in chunks]
    plain = b"".join(part for parts in chunks for part in parts)
    file = member_of(made)
    assert gzip.decompress(file) == plain
    one = zlib.decompressobj(31)
    assert one.decompress(file) == plain
    assert one.eof
    assert one.unused_data == b""
    for chunk, parts in zip(made, chunks, strict=True):
        assert chunk.plain_bytes == sum(map(len, parts))
        assert chunk.crc32 == zlib.crc32(b"".join(parts))
        assert chunk.size_bytes <= worst_case_bytes(chunk.plain_bytes)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 65_534, 65_535, 65_536, 300_000])
def test_what_does_not_shrink_is_stored(size: int, level: int) -> None:
    """Noise takes its worst case at most, over several stored blocks, and comes back."""
    noise = random.Random(size).randbytes(size)
    chunk = deflated(noise[: size // 3], noise[size // 3 :], level=level)
    assert size < chunk.size_bytes <= worst_case_bytes(size)
    assert gzip.decompress(member_of([chunk, chunk])) == noise * 2


def test_a_single_byte_is_stored() -> None:
    """Compressed it would take more: 5 bytes and itself are the worst case, and exactly taken."""
    assert deflated(b"a").size_bytes == worst_case_bytes(1) == 6


def test_nothing_is_a_member_too() -> None:
    """No chunk, and a chunk of nothing, take the frame alone."""
    assert deflated().pieces == deflated(b"").pieces == ()
    assert len(member_of([])) == len(HEADER) + TRAILER_BYTES
    assert gzip.decompress(member_of([deflated(b"")])) == b""


def test_the_header_says_nothing_about_the_run() -> None:
    """No name, no time: the same records give the same file."""
    with gzip.GzipFile(fileobj=io.BytesIO(member_of([deflated(b"a")]))) as file:
        file.read()
        assert file.mtime == 0
    assert HEADER[3] == 0


@given(st.integers(-10, 400_000))
def test_room_is_the_worst_case_turned_round(size: int) -> None:
    """The longest chunk that surely fits: one byte more might not."""
    room = room_for(size)
    assert room >= 0
    assert worst_case_bytes(room) <= max(size, 0)
    assert worst_case_bytes(room + 1) > size


@pytest.mark.parametrize(
    ("size", "room"),
    [(0, 0), (1, 0), (5, 0), (6, 1), (7, 2), (65_540, 65_535), (65_545, 65_535), (65_546, 65_536)],
)
def test_room_at_its_borders(size: int, room: int) -> None:
    """A stored block has a head of 5 bytes and holds 65,535."""
    assert room_for(size) == room


def test_the_length_is_kept_modulo_4_gigabytes() -> None:
    """As RFC 1952 has it: a larger member is no error."""
    trailer = Totals(7, 2**32 + 5).trailer()
    assert len(trailer) == TRAILER_BYTES
    assert trailer[-8:] == (7).to_bytes(4, "little") + (5).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("plain_bytes", "records", "bits"),
    [
        (0, 0, 12),
        (10, 1, 12),
        (256 * 100, 100, 12),
        (257 * 100, 100, 13),
        (1024 * 9, 9, 14),
        (2048 * 9, 9, 15),
        (10**7, 1, 15),
    ],
)
def test_the_window_holds_sixteen_records(plain_bytes: int, records: int, bits: int) -> None:
    """Within 4 KiB, which small records don't need more than, and deflate's 32."""
    assert window_bits(plain_bytes, records) == bits


def test_records_of_one_kind_shrink_to_a_fraction() -> None:
    """Compressing is what it is for."""
    lines = b"".join(b'{"date":"2020-01-%02d","n":%d}\n' % (n % 28, n * 7919) for n in range(5000))
    assert deflated(lines, window=12).size_bytes < len(lines) / 3
