"""What is tried while nothing lands: the next batches and single records, by turns."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.delivery.apart import Piece
from ingest.delivery.parts import Part
from ingest.delivery.probing import Probing, no_other
from ingest.errors import Permanent
from ingest.model import Batch
from tests.delivery.service import Service, batches_of, records_in

ENVELOPE = Service().envelope
PLACES = [9, 24, 6, 32, 18]


def probing(others: Iterable[Batch] = ()) -> Probing:
    """Probes of the first batch; these are behind it."""
    behind = iter(others)
    return Probing(1, lambda: next(behind, None), ENVELOPE)


def test_the_next_batch_and_a_single_record_by_turns():
    """The batch itself and those that were tried are looked into by turns, at their far ends."""
    first, *others = batches_of(40, 10)
    one, waiting, seen = probing(others), [Part(Piece(first))], list[list[int]]()
    for _ in range(8):
        part = one.choose(waiting)
        assert part is not None
        assert part.is_further is not part.is_probe
        seen.append(records_in(part.piece.batch))
        if part.is_further:
            waiting.insert(0, part)
    assert [found for found in seen if len(found) > 1] == [records_in(batch) for batch in others]
    assert [found[0] for found in seen if len(found) == 1] == PLACES
    left = sorted(n for part in waiting for n in records_in(part.piece.batch))
    assert left == [n for n in range(40) if n not in PLACES]


def test_without_another_batch():
    """Single records alone, until there is but one."""
    (batch,) = batches_of(3, 3)
    one, waiting = Probing(1, no_other, ENVELOPE), [Part(Piece(batch))]
    found = [one.choose(waiting) for _ in range(3)]
    assert [part and records_in(part.piece.batch) for part in found] == [[2], [0], None]
    assert (one.sent, one.singles) == (2, 2)
    assert probing().choose([]) is None


def test_what_was_known_is_so_no_more():
    """A part from which a record is taken may be good without it."""
    first, second = batches_of(8, 4)
    other = Part(Piece(second), bad=Permanent("x"))
    one = Part(Piece(first), other=other, words=Permanent("x"))
    assert probing().choose([other]) is not None
    assert other.bad is None
    assert probing().choose([one, other]) is not None
    assert one.other is None
