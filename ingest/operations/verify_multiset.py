"""Two multisets of rows compared in constant memory. Pure.

Each side goes into `BUCKETS` buckets by the first bits of a row's 128-bit hash (XXH3); a bucket
keeps how many rows it got and the sum of their hashes modulo 2^128. Sums don't depend on the order,
and two multisets that differ have the same sums with a chance of 2^-128 for accidents (there is no
adversary: whoever wants to deceive changes the files). So memory is some 10 MB whatever the number
of rows: none for a row. Only rows of buckets that differ are looked at one by one, by going through
both sides once more: `Resolved` keeps those, up to a number of rows; of the buckets beyond it only
what their counts say is known, which is a lower bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import xxhash
from msgspec import Struct, field

BUCKETS = 1 << 16
_MASK = (1 << 128) - 1


class Sketch:
    """One side."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sums = [0] * BUCKETS

    def add(self, row: bytes) -> None:
        """One row, in its canonical bytes."""
        digest = xxhash.xxh3_128_intdigest(row)
        bucket = digest & (BUCKETS - 1)
        self.counts[bucket] += 1
        self.sums[bucket] = (self.sums[bucket] + digest) & _MASK

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return sum(self.counts)

    def differing(self, other: Sketch) -> frozenset[int]:
        """The buckets in which the two differ."""
        return frozenset(
            bucket
            for bucket in range(BUCKETS)
            if (self.counts[bucket], self.sums[bucket])
            != (other.counts[bucket], other.sums[bucket])
        )

    def chosen(
        self, other: Sketch, differing: Iterable[int], rows: int
    ) -> tuple[frozenset[int], list[int]]:
        """The differing buckets to look into, of about `rows` rows at most (but one at least); and
        of each other one, how many rows more are here than there."""
        found = set[int]()
        left: list[int] = []
        for bucket in sorted(differing):
            size = self.counts[bucket] + other.counts[bucket]
            if not found or rows >= size:
                found.add(bucket)
                rows -= size
            else:
                left.append(self.counts[bucket] - other.counts[bucket])
        return frozenset(found), left


def bucket_of(row: bytes) -> int:
    """The bucket that a row is in."""
    return xxhash.xxh3_128_intdigest(row) & (BUCKETS - 1)


class Resolved(Struct):
    """The rows of the buckets that differ: how often each is expected, and found."""

    expected: Counter[bytes] = field(default_factory=Counter)
    found: Counter[bytes] = field(default_factory=Counter)

    def missing(self) -> Counter[bytes]:
        """Rows that are expected more often than they are found."""
        return self.expected - self.found

    def extra(self) -> Counter[bytes]:
        """Rows that are found more often than they are expected."""
        return self.found - self.expected


def paired(
    missing: Sequence[bytes],
    extra: Sequence[bytes],
    unlike: Callable[[bytes, bytes], int],
    most: int,
) -> Iterator[tuple[bytes, bytes]]:
    """Missing and extra rows that are likely one row that was changed: the most alike first.

    `unlike` counts the cells that differ; pairs with more than `most` are none. Beyond `PAIRED`
    rows a side they are taken as they come, since every two would be compared.
    """
    if len(missing) > PAIRED or len(extra) > PAIRED:
        yield from zip(missing, extra, strict=False)
        return
    ranked = sorted(
        (distance, i, k)
        for i, row in enumerate(missing)
        for k, other in enumerate(extra)
        if (distance := unlike(row, other)) <= most
    )
    left, right = set[int](), set[int]()
    for _, i, k in ranked:
        if i not in left and k not in right:
            left.add(i)
            right.add(k)
            yield missing[i], extra[k]


PAIRED = 200
