"""Multisets in constant memory: equal exactly if they are, and the differences named."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.operations.verify_multiset import PAIRED, Resolved, Sketch, bucket_of, paired


def sketch(rows: list[bytes]) -> Sketch:
    """One side."""
    made = Sketch()
    for row in rows:
        made.add(row)
    return made


ROWS = st.lists(st.integers(0, 5).map(lambda n: b"%d" % n), max_size=12)


@settings(max_examples=60, deadline=None)
@given(ROWS, ROWS)
def test_they_differ_exactly_where_the_multisets_do(one, other):
    """Whatever the order; and `chosen` leaves no difference out."""
    here, there = sketch(one), sketch(sorted(other))
    differing = here.differing(there)
    counts = Counter(one), Counter(other)
    rows = {row for row in {*one, *other} if counts[0][row] != counts[1][row]}
    assert differing == {bucket_of(row) for row in rows}
    assert here.rows == len(one)
    for most in (0, 1, 2, 100):
        chosen, left = here.chosen(there, differing, most)
        assert len(chosen) + len(left) == len(differing)
        assert not differing or chosen


def test_one_deleted_and_another_doubled():
    """The counts are the same, the sums are not."""
    here, there = sketch([b"a", b"b", b"c"]), sketch([b"a", b"a", b"c"])
    assert here.differing(there) == {bucket_of(b"a"), bucket_of(b"b")}
    resolved = Resolved(Counter([b"a", b"b"]), Counter([b"a", b"a"]))
    assert (resolved.missing(), resolved.extra()) == (Counter([b"b"]), Counter([b"a"]))


def unlike(one: bytes, other: bytes) -> int:
    """Letters that differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_the_most_alike_are_paired():
    """Those too unlike are none; each is in one pair."""
    found = list(paired([b"aaaa", b"bbbb"], [b"bbba", b"aaab", b"xyzw"], unlike, 2))
    assert sorted(found) == [(b"aaaa", b"aaab"), (b"bbbb", b"bbba")]
    assert not list(paired([b"aaaa"], [b"bbbb"], unlike, 3))
    many = [b"%04d" % n for n in range(PAIRED + 1)]
    assert list(paired(many, [b"xxxx"], unlike, 1)) == [(b"0000", b"xxxx")]
