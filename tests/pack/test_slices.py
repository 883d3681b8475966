"""Slices cut at record borders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.model import Slice
from ingest.pack import last_of_each_key, leading_records, record_border, split, without_keys
from tests.pack.helpers import RECORD, numbers_in, records_in, runs, slice_of, slices


@given(st.lists(RECORD, max_size=60), st.integers(-2, 200), st.sampled_from([b"\n", b",\n"]))
@settings(max_examples=200)
def test_leading_records_by_size(records: list[bytes], size: int, end: bytes) -> None:
    """As many as fit whole, their ends included."""
    part = slice_of(records, end=end)
    wanted = 0
    while wanted < len(records) and sum(len(r + end) for r in records[: wanted + 1]) <= size:
        wanted += 1
    assert leading_records(part, size) == wanted


@given(
    st.lists(st.one_of(RECORD, st.integers(0, 3000).map(lambda n: b"x" * n)), max_size=80),
    st.integers(-1, 90),
)
@settings(max_examples=200)
def test_the_border_behind_some_records(records: list[bytes], count: int) -> None:
    """However unlike their lengths are."""
    part = slice_of(records)
    border = record_border(part, count)
    taken = records[: max(count, 0)]
    assert bytes(part.buffer[part.start : border]) == b"".join(r + b",\n" for r in taken)


@pytest.mark.parametrize(
    "sizes",
    [[1] * 3000 + [50_000] + [1] * 3000, [50_000] + [1] * 5000, [1] * 5000 + [50_000], [0] * 5000],
)
def test_the_border_among_very_unlike_records(sizes: list[int]) -> None:
    """Every border of a slice whose mean says nothing."""
    part = slice_of([b"x" * size for size in sizes])
    position = part.start
    for count, size in enumerate(sizes):
        if count % 97 == 0 or size > 1:
            assert record_border(part, count) == position
        position += size + 2


@given(slices(), st.integers(0, 8))
@settings(max_examples=200)
def test_splitting_loses_nothing(parts: list[Slice], count: int) -> None:
    """Records, numbers, rejects and keys are those of the whole, in order."""
    for plain in parts:
        part = replace(plain, keys=tuple(map(str, numbers_in(plain))))
        head, rest = split(part, count)
        assert records_in(head) + records_in(rest) == records_in(part)
        assert head.count == min(count, part.count) == len(records_in(head))
        assert numbers_in(head) + numbers_in(rest) == numbers_in(part)
        assert head.rejected + rest.rejected == part.rejected
        assert (head.first, head.last + 1, rest.last) == (part.first, rest.first, part.last)
        for piece in (head, rest):
            assert piece.keys == tuple(map(str, numbers_in(piece)))
            assert all(piece.first <= n <= piece.last for n in piece.rejected)


@given(slices(keyed=True), st.sets(st.sampled_from("abc")))
@settings(max_examples=100)
def test_runs_without_some_records(parts: list[Slice], keys: set[str]) -> None:
    """The kept records, in order, with the numbers they had."""
    for part in parts:
        pairs = list(zip(part.keys or (), numbers_in(part), records_in(part), strict=True))
        kept = [(n, r) for key, n, r in pairs if key not in keys]
        assert runs(without_keys(part, keys)) == kept
        latest = {key: n for key, n, _ in pairs}
        kept = [(n, r) for key, n, r in pairs if latest[key] == n]
        assert runs(last_of_each_key(part)) == kept


@given(st.lists(RECORD, min_size=1, max_size=40), st.data())
@settings(max_examples=200)
def test_marks_change_nothing(records: list[bytes], data: st.DataObject) -> None:
    """With marks and without, whole or as what is left of a slice: the same borders and counts."""
    part = slice_of(records)
    cut = data.draw(st.integers(0, len(records) - 1))
    marked = split(part, cut)[1]
    bare = replace(marked, marks=())
    for count in range(marked.count + 1):
        assert record_border(marked, count) == record_border(bare, count)
    for size in range(-1, marked.size_bytes + 2):
        assert leading_records(marked, size) == leading_records(bare, size)
