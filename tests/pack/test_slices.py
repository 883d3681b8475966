"""Slices cut at record borders."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest import grammar
from ingest.model import Slice
from ingest.pack import last_of_each_key, leading_records, record_border, split, without_keys
from ingest.pack import slices as slices_module
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
def test_what_is_left_of_a_slice_is_a_slice(records: list[bytes], data: st.DataObject) -> None:
    """Borders and counts are those of the records that are left."""
    at = data.draw(st.integers(0, len(records) - 1))
    rest, bare = split(slice_of(records), at)[1], slice_of(records[at:])
    for count in range(rest.count + 1):
        assert record_border(rest, count) - rest.start == record_border(bare, count) - bare.start
    for size in range(-1, rest.size_bytes + 2):
        assert leading_records(rest, size) == leading_records(bare, size)


def test_few_bytes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a border among records of about one length: less than the half of them, once or twice;
    one that is longer than all others together hides it once more."""
    sizes = [150 + number % 40 for number in range(20_000)]
    whole = [slice_of([b"x" * size for size in all_of]) for all_of in (sizes, [*sizes, 5_000_000])]
    looked_at: list[int] = []

    def counted(buffer: bytes, start: int, end: int) -> int:
        looked_at.append(end - start)
        return grammar.count_feeds(buffer, start, end)

    monkeypatch.setattr(slices_module, "count_feeds", counted)
    monkeypatch.setattr(slices_module, "STEPS", 64)
    for part, count in product(whole, (100, 5_000, 10_000, 15_000, 19_900)):
        looked_at.clear()
        record_border(part, count)
        assert 1 <= len(looked_at) <= 3
        assert sum(looked_at) <= 0.51 * sum(sizes) + (part.count - 20_000) * 5_100_000
