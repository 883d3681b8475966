"""Taking a body apart: cuts, one record taken out, and where to look for a record that lands. Pure.

Where the service names the record that it refused, the body goes again without that one: if the
rest lands, the named record was at fault, by proof and at the cost of one request. Such a body has
a hole, so its records' places in the whole are not offset, offset + 1, ...: `Piece` keeps count of
the holes, since a body is known by its place (in the journal, and in the records where they are
stamped) and no two of a batch may be taken for each other.

Where it names none, the body is cut in two, not in the middle but at the smaller part of the golden
section: if the first part lands, the other one is surely bad and need not be sent, so finding it
there costs one request and in the first part two. Cut like this both ways get equally long: one bad
record among 10,000 is found with 20 requests, where halves would take 26.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ingest.model import Batch, spans_of
from ingest.pack import cut
from ingest.protocols import Envelope

GOLDEN = 0.381966  # a to b as b to a + b


class Piece(Struct, frozen=True):
    """A part of a batch. `holes` are the places in the whole batch, ascending, of the records that
    were taken out of its midst."""

    batch: Batch
    holes: tuple[int, ...] = ()

    def place(self, record: int) -> int:
        """The place in the whole batch of this piece's record (from 0)."""
        place = self.batch.offset + record
        for hole in self.holes:
            place += hole <= place
        return place

    def cut(self, at: int, envelope: Envelope) -> tuple[Piece, Piece]:
        """The first `at` records and the rest; at least one in each."""
        first, second = cut(self.batch, at, envelope)
        place = self.place(at)
        return (
            Piece(first, tuple(hole for hole in self.holes if hole < place)),
            Piece(_at(second, place, envelope), tuple(hole for hole in self.holes if hole > place)),
        )

    def without(self, record: int, envelope: Envelope) -> tuple[Piece, Piece]:
        """All but one record (none, if there is no other), and that one alone."""
        place = self.place(record)
        before, tail = cut(self.batch, record, envelope)
        alone, behind = cut(tail, 1, envelope)
        one = Piece(_at(replace(alone, part=2 * self.batch.part + 1), place, envelope))
        rest = _joined(before, behind)
        start = before.offset if before.count else self.place(1) if behind.count else place
        holes = (h for h in (*self.holes, place) if h > start)
        rest = replace(rest, part=2 * self.batch.part, offset=start)
        return Piece(_sealed(rest, envelope), tuple(sorted(holes))), one


def smaller_part(count: int) -> int:
    """Where to cut so many records, of which one is bad and nobody knows which."""
    return min(count - 1, max(1, round(GOLDEN * count)))


def far_place(probe: int, count: int) -> int:
    """Which of `count` records the n-th probe (from 0) takes: the last, the middle one, the one
    between these two, and so on, always where the widest gap is."""
    fraction, step, left = 0.0, 0.5, probe
    while left:
        fraction += step * (left & 1)
        step, left = step / 2, left >> 1
    return count - 1 - int(fraction * count)


def _at(batch: Batch, offset: int, envelope: Envelope) -> Batch:
    """The batch at another place; where its records bear the place they are written again."""
    if batch.offset == offset:
        return batch
    moved = replace(batch, offset=offset)
    return moved if envelope.stamp is None else _sealed(moved, envelope)


def _joined(first: Batch, second: Batch) -> Batch:
    """One batch of the records of both, yet without a body."""
    slices = (*first.slices, *second.slices)
    return replace(
        first,
        count=first.count + second.count,
        slices=slices,
        spans=spans_of(slices),
        keys=first.keys | second.keys,
        dropped=(*first.dropped, *second.dropped),
    )


def _sealed(batch: Batch, envelope: Envelope) -> Batch:
    """The batch with the body of its slices."""
    body = envelope.open()
    for part in batch.slices:
        body.add(part)
    pieces, size_bytes = body.seal()
    if envelope.stamp is not None:
        pieces = envelope.stamp.applied(pieces, batch.count, batch.number, batch.offset)
    return replace(batch, body=pieces, size_bytes=size_bytes)
