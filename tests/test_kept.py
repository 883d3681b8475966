"""What is kept of a block gives it back, packed or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.kept import LARGE_RECORD_BYTES, keep
from ingest.model import Block, FileInfo, Layout, Segment


def block_of(data: bytes) -> Block:
    """A block of these bytes."""
    return Block(3, data, Layout("ndjson"), (Segment(FileInfo(0, "f"), 0, len(data), 7),))


@given(st.binary(max_size=3000), st.integers(0, 5))
def test_a_block_comes_back_as_it_was(data: bytes, records: int):
    """Bytes, segments, number and all."""
    block = block_of(data)
    assert keep(block, records).restored() == block


@pytest.mark.parametrize("records", [1, 2, 100])
def test_large_records_are_packed_and_small_ones_are_not(records: int):
    """From LARGE_RECORD_BYTES a record on, and not a byte below."""
    data = b"x" * (LARGE_RECORD_BYTES * records)
    assert keep(block_of(data), records).packed is not None
    assert keep(block_of(data[1:]), records).packed is None


def test_no_records():
    """A block of blank lines is nothing to keep apart."""
    assert keep(block_of(b"\n"), 0).restored().data == b"\n"
