"""Stamps: as wide as their placeholder, once in every record, the same in a run taken up."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import TargetError
from ingest.model import Batch, Limits, Slice
from ingest.pack import MemoryEnvelope, MemoryPacking, cut, halves, split
from ingest.pack.stamp import LAST_NUMBER, LAST_RECORD, Stamp
from tests.pack.helpers import FILES, slice_of

RUN = "20261121-221500-stocks-4f2a"
STAMP = Stamp(RUN, b"a nonce of sixteen bytes"[:16])
TEXTS = st.lists(st.text(max_size=6), min_size=1, max_size=25)
ENDS = st.sampled_from([b",\n", b"\n"])


def slices_of(texts: Sequence[str], stamp: Stamp = STAMP, end: bytes = b",\n") -> list[Slice]:
    """Records with the placeholder in them, of two files."""
    records = [orjson.dumps({"t": text, "batch": stamp.placeholder}) for text in texts]
    middle = len(records) // 2
    files = [(FILES[0], records[:middle]), (FILES[1], records[middle:])]
    return [slice_of(some, file, end=end) for file, some in files if some]


def envelope_of(limits: Limits, end: bytes) -> MemoryEnvelope:
    """An array, or lines."""
    head, tail = (b"[", b"]") if end == b",\n" else (b"", b"")
    return MemoryEnvelope(head, tail, end, limits)


async def packed(envelope: MemoryEnvelope, parts: Sequence[Slice]) -> list[Batch]:
    """All batches of these slices."""
    packing = MemoryPacking(envelope)
    batches = [batch for part in parts for batch in await packing.add(part)]
    return batches + await packing.finish()


def stamped(stamp: Stamp, batch: Batch) -> bytes:
    """The body as it is sent."""
    pieces = stamp.applied(batch.body, batch.count, batch.number, batch.offset)
    assert [len(piece) for piece in pieces] == [len(piece) for piece in batch.body]
    return b"".join(pieces)


@pytest.mark.anyio
@given(TEXTS, st.integers(1, 8), st.integers(0, 99), ENDS)
@settings(max_examples=60)
async def test_every_record_bears_its_batch(
    texts: list[str], records: int, spare: int, end: bytes
) -> None:
    """Whatever the limits are, they hold of the stamped body, and nothing else has changed."""
    parts = slices_of(texts, end=end)
    widest = max(len(orjson.dumps({"t": t, "batch": STAMP.placeholder})) for t in texts)
    envelope = envelope_of(Limits(records, widest + 4 + spare), end)
    sent = []
    for batch in await packed(envelope, parts):
        body = stamped(STAMP, batch)
        assert len(body) == batch.size_bytes <= envelope.limits.size_bytes
        found = orjson.loads(body if end == b",\n" else b"[%s]" % b",".join(body.splitlines()))
        assert {record["batch"] for record in found} == {STAMP.text(batch.number, 0, batch.count)}
        sent += [record["t"] for record in found]
    assert sent == texts


@pytest.mark.anyio
@given(TEXTS, st.binary(min_size=8, max_size=32), ENDS)
@settings(max_examples=40)
async def test_a_run_taken_up_makes_the_same_bytes(
    texts: list[str], nonce: bytes, end: bytes
) -> None:
    """Another placeholder, the same bodies."""
    other = Stamp(RUN, nonce)
    envelope = envelope_of(Limits(7), end)
    first = await packed(envelope, slices_of(texts, STAMP, end))
    again = await packed(envelope, slices_of(texts, other, end))
    assert [stamped(STAMP, b) for b in first] == [stamped(other, b) for b in again]
    if nonce != STAMP.nonce:
        assert [b.digest() for b in first] != [b.digest() for b in again]


@given(st.integers(2, 40), st.data())
@settings(max_examples=80)
def test_a_part_never_shares_a_stamp(count: int, data: st.DataObject) -> None:
    """However a body is taken apart, halved or cut: every stamp counts its own records only."""
    envelope = envelope_of(Limits(), b",\n")
    (whole,) = _sealed(envelope, [str(n) for n in range(count)])
    texts = [STAMP.text(whole.number, whole.offset, whole.count)]
    waiting = [whole]
    while waiting:
        batch = waiting.pop()
        if batch.count < 2:
            continue
        at = data.draw(st.integers(1, batch.count - 1)) if data.draw(st.booleans()) else None
        parts = halves(batch, envelope) if at is None else cut(batch, at, envelope)
        for part in parts:
            assert len(stamped(STAMP, part)) == part.size_bytes
        texts += [STAMP.text(part.number, part.offset, part.count) for part in parts]
        waiting += parts
    assert len(set(texts)) == len(texts)


def _sealed(envelope: MemoryEnvelope, texts: Sequence[str]) -> list[Batch]:
    body = envelope.open()
    parts = slices_of(texts)
    for part in parts:
        body.add(part)
    pieces, size = body.seal()
    return [Batch(1, pieces, size, len(texts), (), tuple(parts))]


@pytest.mark.parametrize("number", [0, 1, 2, 999, LAST_NUMBER])
@pytest.mark.parametrize("records", [0, 1, 2, 10_000, LAST_RECORD])
def test_the_width_is_that_of_the_placeholder(number: int, records: int) -> None:
    """Whatever the numbers are, in a run of any name."""
    for run in ("r", RUN):
        stamp = Stamp(run, STAMP.nonce)
        for text in (stamp.text(number, records, 1), stamp.text(number, 0, records)):
            assert len(text) == len(text.encode()) == len(stamp.placeholder) == stamp.width
            assert orjson.dumps(text) == f'"{text}"'.encode()
    assert STAMP.text(7, 20, 300) == f"{RUN}:000000007.000020.000300"


@pytest.mark.parametrize(
    ("number", "offset", "count"),
    [(-1, 0, 1), (LAST_NUMBER + 1, 0, 1), (1, -1, 1), (1, LAST_RECORD + 1, 1), (1, 0, 10**6)],
)
def test_numbers_that_have_no_room(number: int, offset: int, count: int) -> None:
    """A wider stamp would break a limit: an error, and what to do."""
    with pytest.raises(TargetError, match="a stamp has room for") as caught:
        STAMP.text(number, offset, count)
    assert caught.value.hint


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_places_is_a_defect(count: int) -> None:
    """A record without one could not be found again, one with two holds our secret by chance."""
    part = slice_of([_record()] * 3)
    with pytest.raises(TargetError, match=rf"batch 5: 3 of {count} records") as caught:
        STAMP.applied((part.view,), count, 5)
    assert caught.value.hint == "this is a defect"


def test_only_whole_values_are_places() -> None:
    """A longer text that holds the placeholder is data."""
    body = orjson.dumps({"a": f"x{STAMP.placeholder}", "b": STAMP.placeholder})
    (piece,) = STAMP.applied((memoryview(body),), 1, 1)
    text = STAMP.text(1, 0, 1)
    assert orjson.loads(piece) == {"a": f"x{STAMP.placeholder}", "b": text}


def test_pieces_without_a_place_are_not_copied() -> None:
    """Head and tail are the envelope's own bytes."""
    head, tail = memoryview(b"["), memoryview(b"]")
    part = slice_of([_record()] * 2)
    pieces = STAMP.applied((head, part.view[:-2], tail), 2, 1)
    assert pieces[0] is head
    assert pieces[2] is tail
    assert len(orjson.loads(b"".join(pieces))) == 2
    assert STAMP.applied((), 0, 1) == ()


def test_stamping_leaves_the_slices_as_they_were() -> None:
    """A body that is taken apart is made from the same records again."""
    part = slice_of([_record()] * 4)
    before = part.buffer
    STAMP.applied((part.view,), 4, 1)
    head, rest = split(part, 2)
    assert part.buffer == before
    assert b"".join(STAMP.applied((head.view, rest.view), 4, 1)).count(RUN.encode()) == 4


def test_nonces_make_placeholders() -> None:
    """Two nonces, two placeholders, of which half is no less than the nonce promises."""
    one, other = (Stamp("r", bytes([n]) * 8).placeholder for n in (1, 2))
    assert one != other
    assert int(one, 16).bit_length() > 64


@pytest.mark.parametrize("run", ["", 'a"b', "ä", "a b", "a\n"])
def test_a_run_that_json_would_escape(run: str) -> None:
    """The width would not be what it seems."""
    with pytest.raises(TargetError, match="can't stand in a stamp"):
        Stamp(run, STAMP.nonce)


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_nonce_that_is_too_short(size: int) -> None:
    """Data could hold it by chance."""
    with pytest.raises(TargetError, match=f"nonce of {size} bytes"):
        Stamp(RUN, bytes(size))


def _record() -> bytes:
    return orjson.dumps({"batch": STAMP.placeholder})
