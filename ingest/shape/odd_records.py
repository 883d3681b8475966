"""The records of a block's odd lines: those whose values are not spelt like the first line's.

They are few, so each is read by itself (`one_record`), and its place is known without a look at
all the lines before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from ingest import grammar
from ingest.grammar.pcre2 import Line
from ingest.kernel import Program
from ingest.model import Block, Place
from ingest.shape.encode import BadCell
from ingest.shape.one_record import RecordMaker
from ingest.shape.places import Found, Offsets, Places, lines_of_each
from ingest.shape.plan import ShapePlan


class Ending(Struct, frozen=True):
    """What ends a record in its target, and the most bytes of one, its end not counted."""

    record_end: bytes
    largest: int


class Checked(Struct, frozen=True):
    """`data` of which it is known what becomes of all lines but the `odd` ones. `borders` are the
    ends of the block's segments in it."""

    program: Program
    data: bytes
    borders: Sequence[int]
    odd: Sequence[Line] = ()


class Piece(Struct, frozen=True):
    """Whole records, from `start` to `end`; an odd one is alone."""

    start: int
    end: int
    is_odd: bool = False


class OddRecords:
    """Makes them one by one, in order, and knows the `bad` among them, by segment."""

    def __init__(
        self,
        block: Block,
        plan: ShapePlan,
        checked: Checked,
        texts: Sequence[Mapping[int, str]],
        ending: Ending,
    ) -> None:
        self.bad: list[list[BadCell]] = [[] for _ in block.segments]
        self._block = block
        self._checked = checked
        self._texts = texts
        self._end = ending.record_end
        self._maker = RecordMaker(plan, ending.largest)
        self._places: dict[int, Place] = {}
        self._offsets: dict[int, Offsets] = {}

    def made(self, piece: Piece, row: int, among: tuple[int, int]) -> bytes:
        """The record of a line, with its end; nothing if it is bad. `among` are its segment and the
        row that this one starts with."""
        line = self._checked.data[piece.start : piece.end - 1]
        values = line.decode().split(self._checked.program.delimiter)
        made = self._maker.made(row, values, self._texts[among[0]])
        if isinstance(made, bytes):
            return made + self._end
        self.bad[among[0]].append(made)
        self._note_place(line, piece.start, row, among)
        return b""

    def place(self, row: int) -> Place:
        """Where a bad row stands."""
        return self._places[row] if row in self._places else self._all_places[row]

    def _note_place(self, line: bytes, start: int, row: int, among: tuple[int, int]) -> None:
        segment, first = among
        if len(self._checked.data) != len(self._block.data):
            return  # CRs have been taken out: a line's place is another in the block
        if segment not in self._offsets:
            self._offsets[segment] = Offsets(self._block, self._block.segments[segment])
        number = row - first + 1
        self._places[row] = Place(number, number, self._offsets[segment].original(start), line)

    @cached_property
    def _all_places(self) -> Places:
        counts = lines_of_each(self._block, grammar.count_feeds(self._checked.data))
        return Places(self._block, [Found(count) for count in counts], grammar.UNLIMITED)
