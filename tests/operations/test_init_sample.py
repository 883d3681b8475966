"""Which parts of the input are looked at: within bounds, none twice, from all three places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.operations.init_sample import PACKED_AS, SMALL_BYTES, Input, Part, is_small, parts


@pytest.mark.parametrize(
    ("inputs", "small"),
    [
        ([], True), ([Input(0, True)], True), ([Input(SMALL_BYTES, True)], True),
        ([Input(SMALL_BYTES + 1, True)], False),
        ([Input(SMALL_BYTES, True), Input(1, True)], False),
        ([Input(SMALL_BYTES // PACKED_AS, False)], True),
        ([Input(SMALL_BYTES // PACKED_AS + 1, False)], False),
    ],
)  # fmt: skip
def test_small(inputs: list[Input], small: bool):
    """By what it is unpacked, about."""
    assert is_small(inputs) is small


def test_three_places_of_one_file():
    """Its start, its middle, its end."""
    assert parts([Input(100, True)], 10) == [
        Part(0, 0, 10, 0), Part(0, 45, 10, 1), Part(0, 90, 10, 2),
    ]  # fmt: skip


def test_places_across_files():
    """A place may lie in several files; a packed one gives its start, once."""
    found = parts([Input(10, True), Input(90, False), Input(5, True)], 12)
    assert found == [
        Part(0, 0, 10, 0), Part(1, 0, 2, 0), Part(2, 0, 5, 2),
    ]  # fmt: skip


@given(
    st.lists(st.builds(Input, st.integers(0, 100), st.booleans()), max_size=6),
    st.integers(1, 60),
)
def test_bounds(inputs: list[Input], place_bytes: int):
    """Nothing beyond a file's end, nothing twice, no more than was asked for."""
    found = parts(inputs, place_bytes)
    assert sum(part.size_bytes for part in found) <= 3 * place_bytes
    bytes_ = [(p.index, at) for p in found for at in range(p.start, p.start + p.size_bytes)]
    assert len(bytes_) == len(set(bytes_))
    assert all(at < inputs[index].size_bytes for index, at in bytes_)
    assert all(part.start == 0 for part in found if not inputs[part.index].seekable)
