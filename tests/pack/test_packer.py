"""Slices to batches: limits, fullness, spans, keys, halves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import TargetError
from ingest.model import Slice, Span
from ingest.pack import Packer, halves
from ingest.pack import packer as packer_module
from tests.pack.helpers import (
    FILES,
    HEAD,
    TAIL,
    assert_spans,
    envelope_of,
    packed,
    records_in,
    records_of,
    slice_of,
    slices,
)


@given(slices(), st.integers(1, 8), st.integers(16 + 14, 80), st.sampled_from([b",\n", b"\n"]))
@settings(max_examples=300)
def test_bodies_are_within_limits_and_full(
    parts: list[Slice], records: int, size: int, end: bytes
) -> None:
    """No body over a limit; one closes only because the next record would not fit; all records
    are there, in order, and their spans answer for each of them once."""
    parts = [slice_of(records_in(p), p.file, p.first, p.rejected, end) for p in parts]
    envelope = envelope_of(records, size, end)
    batches = packed(envelope, parts)
    found = [records_of(batch, end) for batch in batches]
    assert [r for body in found for r in body] == [r for p in parts for r in records_in(p, end)]
    frame = len(envelope.head) + len(envelope.tail)
    for batch, body in zip(batches, found, strict=True):
        assert 1 <= batch.count == len(body) <= records
        assert batch.size_bytes <= size
    for batch, following in zip(batches, found[1:], strict=False):
        more = [*records_of(batch, end), following[0]]
        last_end = 0 if end == b",\n" else len(end)
        bigger = frame + len(end.join(more)) + last_end
        assert len(more) > records or bigger > size
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    assert_spans(batches, parts)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("records", [1, 2, 3, 100])
def test_a_limit_of_records(count: int, records: int) -> None:
    """Bodies of exactly the limit, and one of the rest."""
    batches = packed(envelope_of(records), [slice_of([b"{}"] * count)] if count else [])
    whole, rest = divmod(count, records)
    assert [b.count for b in batches] == [records] * whole + [rest] * (rest > 0)


@pytest.mark.parametrize("spare", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("fitting", [1, 2, 5])
def test_a_limit_of_bytes(fitting: int, spare: int) -> None:
    """A body of exactly the limit is sent; a byte less holds one record less."""
    size = len(HEAD) + len(TAIL) + 4 * fitting + 2 * (fitting - 1)
    part = slice_of([b'"ab"'] * (3 * fitting))
    batches = packed(envelope_of(size=size + spare), [part])
    assert [b.size_bytes for b in batches] == [size] * 3
    if fitting > 1:
        assert packed(envelope_of(size=size - 1), [part])[0].count == fitting - 1


@pytest.mark.parametrize("end", [b",\n", b"\n"])
def test_the_largest_record(end: bytes) -> None:
    """It fills a body of its own exactly; one byte more fits into none and is a defect."""
    envelope = envelope_of(size=100, end=end)
    largest = b"x" * envelope.largest_record
    (batch,) = packed(envelope, [slice_of([largest], end=end)])
    assert batch.size_bytes == 100
    assert records_of(batch, end) == [largest]
    with pytest.raises(TargetError, match=r"f0\.csv: record 3 does not fit"):
        Packer(envelope).add(slice_of([largest + b"x"], first=3, end=end))


@pytest.mark.parametrize(("records", "size"), [(0, 10**9), (10, 0), (10, len(HEAD) + len(TAIL))])
def test_limits_that_allow_nothing(records: int, size: int) -> None:
    """An error that says so, and no endless loop."""
    with pytest.raises(TargetError, match="does not fit into any request"):
        packed(envelope_of(records, size), [slice_of([b"{}"])])


def test_nothing_to_pack() -> None:
    """No slice, no batch; an empty slice is none."""
    assert packed(envelope_of(), []) == []
    assert packed(envelope_of(), [slice_of([])]) == []


def test_small_files_share_a_body() -> None:
    """Each with its span; neighbours of one file are one span."""
    parts = [
        slice_of([b"1"], FILES[0]),
        slice_of([b"2", b"3"], FILES[1], 1, [2]),
        slice_of([b"4"], FILES[1], 4),
        slice_of([b"5"], FILES[1], 6),
    ]
    (batch,) = packed(envelope_of(), parts)
    assert records_of(batch) == [b"1", b"2", b"3", b"4", b"5"]
    assert batch.spans == (Span(0, 1, 1, 1), Span(1, 1, 4, 3), Span(1, 6, 6, 1))
    assert batch.superseded == 0


def test_what_is_pending() -> None:
    """Records in the open body, until it closes."""
    packer = Packer(envelope_of(2))
    assert packer.pending == 0
    assert packer.add(slice_of([b"1"])) == []
    assert packer.pending == 1
    assert len(packer.add(slice_of([b"2", b"3"], first=2))) == 1
    assert packer.pending == 1
    packer.finish()
    assert packer.pending == 0


def test_nothing_is_copied() -> None:
    """A body is views of what the shaper encoded."""
    part = slice_of([b"1", b"2"])
    (batch,) = packed(envelope_of(), [part])
    assert any(piece.obj is part.buffer for piece in batch.body)


@given(slices(keyed=True), st.integers(1, 6), st.integers(40, 90))
@settings(max_examples=300)
def test_a_key_stands_once_in_a_body(parts: list[Slice], records: int, size: int) -> None:
    """The last record of a key wins in its body, the others are counted and answered for."""
    batches = packed(envelope_of(records, size), parts)
    stream = [
        (key, record)
        for part in parts
        for key, record in zip(part.keys or (), records_in(part), strict=True)
    ]
    passed = 0
    for batch in batches:
        assert batch.count <= records
        assert batch.size_bytes <= size
        mine = stream[passed : passed + batch.records]
        passed += batch.records
        last = {key: place for place, (key, _) in enumerate(mine)}
        kept = [mine[place] for place in sorted(last.values())]
        assert records_of(batch) == [record for _, record in kept]
        assert batch.keys == {key for key, _ in kept}
        assert batch.superseded == len(mine) - len(kept)
    assert passed == len(stream)
    assert_spans(batches, parts)


def test_a_later_record_takes_an_earlier_ones_place() -> None:
    """Within a slice and over slices; the body goes on filling with the room that this gives."""
    packer = Packer(envelope_of(3))
    assert packer.add(slice_of([b"1", b"2", b"3"], keys=["a", "b", "a"])) == []
    assert packer.pending == 3
    assert packer.add(slice_of([b"4"], first=4, keys=["b"])) == []
    (batch,) = packer.finish()
    assert records_of(batch) == [b"3", b"4"]
    assert (batch.count, batch.superseded, batch.records) == (2, 2, 4)
    assert batch.spans == (Span(0, 1, 4, 4),)


@given(slices(), st.integers(2, 8))
@settings(max_examples=150)
def test_halves_are_the_whole(parts: list[Slice], records: int) -> None:
    """In order, of nearly one size, under the same number, with spans of their own."""
    envelope = envelope_of(records)
    for batch in packed(envelope, parts):
        if batch.count < 2:
            continue
        first, second = halves(batch, envelope)
        assert records_of(first) + records_of(second) == records_of(batch)
        assert first.count == batch.count // 2
        assert first.number == second.number == batch.number
        assert_spans([first, second], batch.slices)


@given(slices(keyed=True))
@settings(max_examples=100)
def test_halves_of_an_upsert_keep_count_and_keys(parts: list[Slice]) -> None:
    """What was superseded goes with what superseded it; no key is in both."""
    envelope = envelope_of()
    for batch in packed(envelope, parts):
        if batch.count < 2:
            continue
        first, second = halves(batch, envelope)
        assert first.records + second.records == batch.records
        for half in (first, second):
            assert {key for part in half.dropped for key in part.keys or ()} <= half.keys
        assert first.keys | second.keys == batch.keys
        assert not first.keys & second.keys


def test_halves_of_halves_are_single_records() -> None:
    """Taken apart to the end, each record is alone, with its number."""
    envelope = envelope_of()
    (batch,) = packed(
        envelope, [slice_of([b"1", b"2", b"3"], rejected=[2]), slice_of([b"4"], FILES[1])]
    )
    stack, alone = [batch], []
    while stack:
        one = stack.pop()
        if one.count == 1:
            alone.append((records_of(one)[0], one.spans))
        else:
            first, second = halves(one, envelope)
            stack += [second, first]
    assert [record for record, _ in alone] == [b"1", b"2", b"3", b"4"]
    assert all(sum(span.count for span in spans) == 1 for _, spans in alone)
    numbers = [(span.file, n) for _, (span,) in alone for n in range(span.first, span.last + 1)]
    assert numbers == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1)]


@pytest.mark.parametrize(("kept", "bodies"), [(60, 29), (100, 19), (1_000, 3), (10**9, 1)])
def test_a_body_does_not_keep_superseded_records_without_end(
    monkeypatch: pytest.MonkeyPatch, kept: int, bodies: int
) -> None:
    """200 versions of one record of 11 bytes, its end included: a body is sealed when it keeps more
    than that, and the last version is in the last one."""
    monkeypatch.setattr(packer_module, "KEPT_BYTES", kept)
    versions = [b'{"n":%d}' % n for n in range(100, 300)]
    size = 60
    parts = [slice_of([one], first=n, keys=["k"]) for n, one in enumerate(versions, 1)]
    batches = packed(envelope_of(100, size), parts)
    assert len(batches) == bodies
    assert sum(batch.records for batch in batches) == 200
    assert [batch.count for batch in batches] == [1] * bodies
    kept_bytes = [sum(part.size_bytes for part in batch.dropped) for batch in batches]
    assert max(kept_bytes) <= kept + parts[0].size_bytes
    assert records_of(batches[-1], b",\n") == versions[-1:]
