"""Sets of record numbers as intervals. Pure.

A run of ten thousand million records is known by what became of each. Records settle in long
stretches, nearly in order, so the set of the settled ones is a few intervals a file: everything
below a low-water mark, and what settled early above it. Neighbours merge as they come, so memory
grows with the number of holes and not with that of records or batches.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """A set of whole numbers, kept as disjoint intervals that don't touch, ascending.

    Adding behind the last one and asking cost O(1) and O(log n); adding in the middle moves the
    intervals behind it.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in intervals:
            self.add(first, last)

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # it changes, so it is no key

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The intervals, both ends included."""
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        """The number of intervals."""
        return len(self._firsts)

    @property
    def records(self) -> int:
        """How many numbers are in the set."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self._lasts[place]

    def add(self, first: int, last: int) -> None:
        """Put the numbers `first` to `last` in; none if `last` is less."""
        if last < first:
            return
        firsts, lasts = self._firsts, self._lasts
        low = bisect_left(lasts, first - 1)
        high = bisect_right(firsts, last + 1)
        if low < high:
            first, last = min(first, firsts[low]), max(last, lasts[high - 1])
        firsts[low:high] = [first]
        lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take the numbers `first` to `last` out."""
        if last < first:
            return
        firsts, lasts = self._firsts, self._lasts
        low = bisect_left(lasts, first)
        high = bisect_right(firsts, last)
        if low >= high:
            return
        left = [(firsts[low], first - 1)] if firsts[low] < first else []
        right = [(last + 1, lasts[high - 1])] if last < lasts[high - 1] else []
        kept = left + right
        firsts[low:high] = [start for start, _ in kept]
        lasts[low:high] = [end for _, end in kept]

    def update(self, other: IntervalSet) -> None:
        """Put all of `other`'s numbers in."""
        for first, last in other:
            self.add(first, last)

    def stretches(self, first: int, last: int) -> list[tuple[int, int, bool]]:
        """`first` to `last` as stretches in order, each with whether it is in the set."""
        found: list[tuple[int, int, bool]] = []
        place = bisect_left(self._lasts, first)
        while first <= last:
            start = self._firsts[place] if place < len(self._firsts) else last + 1
            if start > first:
                found.append((first, min(start - 1, last), False))
                first = start
                continue
            end = min(self._lasts[place], last)
            found.append((first, end, True))
            first, place = end + 1, place + 1
        return found
