"""A batch as a request body."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.wire.body import PIECE_BYTES, BatchBody, gathered, last_byte_apart
from tests.batches import raw_batch, sized_batch


@given(
    parts=st.lists(st.binary(max_size=40), min_size=1, max_size=30),
    piece_bytes=st.integers(1, 50),
)
@settings(max_examples=200, deadline=None)
def test_pieces_are_the_body(parts, piece_bytes):
    """However it is cut: the same bytes in order, no empty piece, none above the size, and no two
    neighbours that would fit into one."""
    batch = raw_batch(*parts)
    pieces = [bytes(p) for p in gathered(batch, piece_bytes)]
    assert b"".join(pieces) == b"".join(parts)
    assert all(0 < len(p) <= piece_bytes for p in pieces if p or len(pieces) > 1)
    whole = [bytes(v) for v in batch.pieces(piece_bytes)]
    assert len(pieces) <= max(1, len(whole))


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9))
@settings(max_examples=100, deadline=None)
def test_the_last_byte_travels_alone(pieces):
    """The same bytes; the last piece is one byte long."""
    parted = [bytes(p) for p in last_byte_apart(iter(pieces))]
    assert b"".join(parted) == b"".join(pieces)
    assert all(parted)
    assert not parted or len(parted[-1]) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("size", [1, 2, PIECE_BYTES, PIECE_BYTES + 1, 6_000_000])
async def test_handed_over_only_once_the_last_byte_was_taken(size):
    """Until the piece after the last is asked for the body is not known to be gone; a write that is
    interrupted counts from the moment the last byte was given to it."""
    body = BatchBody(sized_batch(size))
    given_bytes = 0
    seen = set()
    async for piece in body:
        given_bytes += len(piece)
        assert not body.handed_over()
        assert body.handed_over(interrupted=True) == (given_bytes == size)
        seen.add(len(piece) <= PIECE_BYTES)
    assert (given_bytes, seen) == (size, {True})
    assert body.handed_over()
