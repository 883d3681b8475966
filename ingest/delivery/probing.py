"""What is tried while nothing lands: is it all records, or those that happen to come first?

Bad records often stand together, most often at a file's start. So by turns are tried: the next
batch, if one is packed already, whole, and a single record from far behind, of the batch itself and
of those that were tried. The next batch costs nothing where it lands, since it had to be sent
anyway; single records find what is good where every batch has a bad one.

The next batch is taken over from whoever hands out batches (`another`): its parts are waited for
like those of the first. It is always sent whole first: it may be one that an earlier process had
under way, which is settled before anything else becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from ingest.delivery.apart import Piece, far_place
from ingest.delivery.parts import Part
from ingest.model import Batch
from ingest.protocols import Envelope

Another = Callable[[], Batch | None]


def no_other() -> Batch | None:
    """There is no next batch, or nobody knows of one."""
    return None


class Probing(Struct):
    """The probes of batch `number`; `sent` were chosen so far, `singles` of them single records."""

    number: int
    another: Another
    envelope: Envelope
    sent: int = 0
    singles: int = 0

    def choose(self, waiting: Sequence[Part]) -> Part | None:
        """The next probe: a batch more, or a record taken out of one of those that wait. None if
        none of these has more than one."""
        further = self.another() if self.sent % 2 == 0 else None
        if further is not None:
            self.sent += 1
            return Part(Piece(further), is_further=True)
        part = self._largest(waiting)
        if part is None or part.piece.batch.count == 1:
            return None
        place = far_place(self.singles, part.piece.batch.count)
        self.sent += 1
        self.singles += 1
        part.piece, one = part.piece.without(place, self.envelope)
        part.bad = None
        for other in waiting:  # what would be known of the other one is no more so
            other.other = None
        return Part(one, is_probe=True)

    def _largest(self, waiting: Sequence[Part]) -> Part | None:
        """Of the batch itself and of the further ones by turns."""
        wants_own = self.sent % 4 < 2
        chosen = [p for p in waiting if (p.piece.batch.number == self.number) is wants_own]
        return max(chosen or waiting, key=lambda part: part.piece.batch.count, default=None)
