"""Which parts of the input are looked at: all of it where it is small, else its start, its middle
and its end. Pure.

A bound on what is read is what makes looking at 50 GB a matter of a second. Three places and not
one, because files are sorted, and because what was written last may be spelt otherwise. Places are
found in the input as a whole, as if its files lay one behind the other; a file that can only be
read from its start (a packed one) gives its start where a place falls into it.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

SMALL_BYTES = 64 * 1024 * 1024
PACKED_AS = 6  # text packs to about a sixth
PLACES = 3
PLACE_BYTES = 8 * 1024 * 1024


class Input(Struct, frozen=True):
    """One file: `size_bytes` on the disk; `seekable`: it can be read from anywhere."""

    size_bytes: int
    seekable: bool


class Part(Struct, frozen=True):
    """`size_bytes` of the file at `index`, from `start`; `place` is 0 to 2: start, middle, end."""

    index: int
    start: int
    size_bytes: int
    place: int


def is_small(inputs: Sequence[Input]) -> bool:
    """Whether all of it is looked at where nobody wishes otherwise."""
    return sum(_text_bytes(one) for one in inputs) <= SMALL_BYTES


def _text_bytes(one: Input) -> int:
    return one.size_bytes if one.seekable else one.size_bytes * PACKED_AS


def parts(inputs: Sequence[Input], place_bytes: int) -> list[Part]:
    """What to read: three places of `place_bytes` each, in order, none of them twice."""
    total = sum(one.size_bytes for one in inputs)
    size = max(1, min(place_bytes, total // PLACES))
    starts = dict.fromkeys((0, (total - size) // 2, total - size))  # of a few bytes, some are one
    found: list[Part] = []
    passed = 0
    for index, one in enumerate(inputs):
        for place, start in enumerate(starts):
            first = max(start - passed, 0)
            last = min(start + size - passed, one.size_bytes)
            if first >= last:
                continue
            if one.seekable:
                found.append(Part(index, first, last - first, place))
            elif not any(part.index == index for part in found):
                found.append(Part(index, 0, last - first, place))
        passed += one.size_bytes
    return sorted(found, key=lambda part: (part.place, part.index, part.start))
