"""Places within a segment to places in the file, and the limit of records. Pure.

A block does not know the number of its first record, because blocks are shaped at the same time;
whoever sees them in order adds the base.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ingest.model import FileInfo, Origin, Reject, Shaped, ShapedSegment, Slice
from ingest.pack.slices import split


class Numbered(Struct, frozen=True):
    """A shaped block with its places in the files.

    `ranges` are the records that were read: file, first, last. `rejected_in` is the file of each
    reject.
    """

    slices: list[Slice]
    rejects: list[Reject]
    rejected_in: list[int]
    ranges: list[tuple[int, int, int]]

    @property
    def read(self) -> int:
        """How many records were read."""
        return sum(last - first + 1 for _, first, last in self.ranges)


class Numbering:
    """Turns places within a segment into places in the file, and stops at a limit of records.

    Must see the shaped blocks in order. `limit` is the number of records, over all files, after
    which `done` is true and nothing more comes out.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._left = limit
        self._file: FileInfo | None = None
        self._records = 0
        self._lines = 1
        self.per_file: dict[int, int] = {}

    @property
    def done(self) -> bool:
        """True once the limit is reached."""
        return self._left == 0

    def number(self, shaped: Shaped) -> Numbered:
        """Slices and rejects with their places in the file."""
        numbered = Numbered([], [], [], [])
        for index, segment in enumerate(shaped.segments):
            if self.done:
                break
            part, found, bad = self._number_one(shaped, index, segment)
            file = part.file.index
            if found:
                numbered.ranges.append((file, part.first, part.first + found - 1))
            numbered.rejects.extend(bad)
            numbered.rejected_in.extend(file for _ in bad)
            if part.count:
                numbered.slices.append(part)
        return numbered

    def _number_one(
        self, shaped: Shaped, index: int, segment: ShapedSegment
    ) -> tuple[Slice, int, list[Reject]]:
        place = shaped.block.segments[index]
        if self._file != place.file:
            self._file, self._records, self._lines = place.file, 0, 1
        if place.first_record is not None:
            self._records = place.first_record - 1
        first_line = place.first_line if place.first_line is not None else self._lines
        base = self._records
        found = segment.records if self._left is None else min(segment.records, self._left)
        bad = [
            replace(r, record=r.record + base, line=r.line + first_line - 1)
            for r in segment.rejects
            if r.record <= found
        ]
        part = Slice(
            file=place.file,
            buffer=shaped.buffer,
            start=segment.start,
            end=segment.end,
            count=segment.records - len(segment.rejects),
            first=base + 1,
            last=base + segment.records,
            rejected=tuple(base + r.record for r in segment.rejects),
            keys=segment.keys,
            origin=Origin(shaped.kept, index, base + 1, first_line),
        )
        if found < segment.records:
            part, _ = split(part, found - len(bad))
            refused = tuple(base + r.record for r in segment.rejects if r.record <= found)
            part = replace(part, last=base + found, rejected=refused)
        if self._left is not None:
            self._left -= found
        self._records += found
        self._lines = first_line + segment.lines
        self.per_file[place.file.index] = self.per_file.get(place.file.index, 0) + found
        return part, found, bad
