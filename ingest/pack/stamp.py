"""Stamps: the batch that a record came with, in a column of the record. Pure.

A stamp is `<run>:<batch>.<offset>.<count>`. The target's count of one settles exactly whether that
body landed, and `undo` deletes by it. A record is encoded once, before its batch is known: so the
shaper gives the column a *placeholder* as a constant, and sealing a body puts the stamp in its
place. Both have the same width, whatever the batch, so every limit that was asked of the one holds
of the other. The placeholder is made of a random nonce of 64 bits or more: data can't hold it by
chance, and a body in which it does not stand once a record is a defect that is never sent.

The stamp itself holds nothing random: a run that is taken up has another placeholder, and makes the
same bytes of the same batch.

A batch that is refused is taken apart, and no part may share a stamp with the whole, of which
perhaps some records did land. Its place in a tree of halves would not do for a name: a service that
names bad rows has them cut out one by one, and the tree grows a level with each. So a part is named
as the journal names it, by the records before it in the whole body and those in it; any true part
has fewer than what it is a part of.
"""

from __future__ import annotations

import hashlib
import re

from msgspec import Struct

from ingest.errors import TargetError

LAST_NUMBER = 999_999_999
LAST_RECORD = 999_999
NONCE_BYTES = 8
_SUFFIX = len(":000000000.000000.000000")
_DEFECT = "this is a defect"


class Stamp(Struct, frozen=True):
    """The stamps of one run. `nonce` is random, at least `NONCE_BYTES` long.

    Raises TargetError, a defect, for a run id that JSON would escape and for a short nonce.
    """

    run_id: str
    nonce: bytes

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", self.run_id):
            raise TargetError(f"{self.run_id!r} can't stand in a stamp", _DEFECT)
        if len(self.nonce) < NONCE_BYTES:
            raise TargetError(f"a nonce of {len(self.nonce)} bytes could stand in data", _DEFECT)

    @property
    def width(self) -> int:
        """Characters, and bytes, of every stamp and of the placeholder."""
        return len(self.run_id) + _SUFFIX

    @property
    def placeholder(self) -> str:
        """What the shaper writes into the column."""
        return hashlib.shake_256(self.nonce).hexdigest(self.width)[: self.width]

    def text(self, number: int, offset: int, count: int) -> str:
        """The stamp of the body of `count` records behind the first `offset` of a batch.

        Raises TargetError where one of the numbers has no room in it.
        """
        if not 0 <= number <= LAST_NUMBER:
            raise TargetError(
                f"batch {number}: a stamp has room for {LAST_NUMBER:,} batches",
                "load the files by several jobs",
            )
        if not (0 <= offset <= LAST_RECORD and 0 <= count <= LAST_RECORD):
            raise TargetError(
                f"batch {number}: a stamp has room for {LAST_RECORD:,} records, not for {count:,}"
                f" behind {offset:,}",
                "set a lower [limits] records",
            )
        return f"{self.run_id}:{number:09d}.{offset:06d}.{count:06d}"

    def applied(
        self, pieces: tuple[memoryview, ...], count: int, number: int, offset: int = 0
    ) -> tuple[memoryview, ...]:
        """The pieces of a body with its stamp in each of its `count` records; as long as before.

        Each piece ends at a record's border. Raises TargetError where the placeholder does not
        stand in them just `count` times.
        """
        mark = f'"{self.placeholder}"'.encode()
        text = f'"{self.text(number, offset, count)}"'.encode()
        found = 0
        stamped = []
        for piece in pieces:
            data = bytes(piece)
            here = data.count(mark)
            found += here
            stamped.append(memoryview(data.replace(mark, text)) if here else piece)
        if found != count:
            raise TargetError(
                f"batch {number}: {found} of {count} records have a place for the stamp", _DEFECT
            )
        return tuple(stamped)
