"""Framing in memory: what fits, what a sealed body is, to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Limits
from ingest.pack import MemoryEnvelope, split
from tests.pack.helpers import HEAD, RECORD, TAIL, envelope_of, slice_of

ENDS = st.sampled_from([b",\n", b"\n"])


def framed(envelope: MemoryEnvelope, records: list[bytes]) -> bytes:
    """The body as one would write it by hand."""
    if envelope.record_end == b"\n":
        return b"".join(record + b"\n" for record in records)
    return HEAD + b",\n".join(records) + TAIL


@given(
    st.lists(RECORD, max_size=8),
    st.lists(RECORD, min_size=1, max_size=8),
    st.tuples(st.integers(1, 16), st.integers(30, 120)),
    ENDS,
)
@settings(max_examples=300)
def test_what_fits_is_what_stays_within_the_limits(
    held: list[bytes], more: list[bytes], limits: tuple[int, int], end: bytes
) -> None:
    """Asked of the real bytes: so many records more, and not one beyond."""
    records, size = limits
    envelope = envelope_of(records, size, end)
    if len(held) > records or len(framed(envelope, held)) > size:
        return
    body, part = envelope.open(), slice_of(more, end=end)
    body.add(slice_of(held, end=end))
    wanted = max(
        n
        for n in range(len(more) + 1)
        if n == 0 or (len(held) + n <= records and len(framed(envelope, held + more[:n])) <= size)
    )
    assert body.fits(part) == wanted
    body.add(split(part, wanted)[0])
    pieces, size_bytes = body.seal()
    whole = held + more[:wanted]
    if whole:
        assert b"".join(pieces) == framed(envelope, whole)
    assert size_bytes == sum(map(len, pieces))


@pytest.mark.parametrize("end", [b",\n", b"\n"])
def test_the_largest_record_fills_a_body(end: bytes) -> None:
    """The envelope says exactly how long a record may be."""
    envelope = envelope_of(size=64, end=end)
    largest = b"x" * envelope.largest_record
    assert len(framed(envelope, [largest])) == 64
    assert envelope.open().fits(slice_of([largest], end=end)) == 1
    assert envelope.open().fits(slice_of([largest + b"x"], end=end)) == 0


def test_an_empty_body_is_its_frame() -> None:
    """Nothing in it but head and tail."""
    pieces, size_bytes = envelope_of().open().seal()
    assert b"".join(pieces) == HEAD + TAIL
    assert size_bytes == len(HEAD) + len(TAIL)


@pytest.mark.parametrize("limits", [Limits(0, 100), Limits(10, 0), Limits(10, 1)])
def test_limits_that_allow_nothing(limits: Limits) -> None:
    """Nothing fits, and no count goes below zero."""
    envelope = MemoryEnvelope(HEAD, TAIL, b",\n", limits)
    assert envelope.open().fits(slice_of([b"{}"])) == 0
