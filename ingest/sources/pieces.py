"""One file's text to pieces that know their place, and the pieces of small files to shared blocks.

`FileCutter` puts the cutter's pieces into the file: what layout they have, where they start in the
original (unpacked, the byte order mark counted, in the file's own encoding). A file that breaks off
gives its whole records and nothing of the one it breaks off in.

`Joiner` lays small pieces of neighbouring files together while they fit into one block, so that
thousands of small files cost about what one costs; the rule looks at the pieces alone, so the
blocks are the same whatever was read when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from ingest import grammar
from ingest.job import SourceSettings
from ingest.model import Block, FileInfo, Form, Layout, Segment
from ingest.sources.cutter import CsvCutter, NdjsonCutter
from ingest.sources.cutting import Cut
from ingest.sources.dialect import Sniffed
from ingest.sources.encoding import Encoding, Offsets
from ingest.sources.forms import common_form
from ingest.sources.opening import CHUNK_BYTES


class Piece(Struct, frozen=True):
    """Whole records of one file. `byte` is where they start in the original."""

    file: FileInfo
    layout: Layout
    encoding: str
    cut: Cut
    byte: int
    first_line: int | None = None


class Cutter(Protocol):
    """What the cutters of both formats do."""

    def feed(self, data: bytes) -> list[Cut]:
        """The cuts that these next bytes allow."""
        ...

    def finish(self) -> list[Cut]:
        """The cuts of what is left."""
        ...


class FileCutter:
    """Cuts one file's text (without its byte order mark), fed from the start, in any parts."""

    def __init__(
        self, file: FileInfo, sniffed: Sniffed, found: Encoding, settings: SourceSettings
    ) -> None:
        self._file = file
        self._layout = layout = sniffed.layout
        self._encoding = found.name
        self._start = sniffed.data_start
        self._line: int | None = sniffed.data_line
        self._fed_bytes = 0
        block_bytes, record_bytes = settings.block_bytes, settings.max_record_bytes
        self._offsets = Offsets(found, block_bytes + record_bytes + CHUNK_BYTES)
        self._cutter: Cutter = (
            CsvCutter(layout, block_bytes, record_bytes)
            if layout.format == "csv"
            else NdjsonCutter(block_bytes, record_bytes)
        )

    def feed(self, text: bytes) -> list[Piece]:
        """The pieces that this text completes."""
        self._offsets.add(text)
        skipped = min(max(self._start - self._fed_bytes, 0), len(text))
        self._fed_bytes += len(text)
        if skipped == len(text):
            return []
        return self._placed(self._cutter.feed(text[skipped:] if skipped else text))

    def finish(self) -> list[Piece]:
        """The last pieces, at the file's true end."""
        return self._placed(self._cutter.finish())

    def break_off(self) -> list[Piece]:
        """The last whole records, where the file breaks off."""
        cuts = self._cutter.finish()
        kept = [cut for cut in cuts if cut.oversize]
        rest = [cut for cut in cuts if not cut.oversize]
        if rest:
            tail = b"".join(cut.data for cut in rest)
            tail = tail[: max(self._fed_bytes - self._start - rest[0].byte, 0)]
            end = self._border(tail)
            kept += [Cut(tail[:end], rest[0].byte, Form.ODD)] if end else []
        return self._placed(kept)

    def _border(self, tail: bytes) -> int:
        """Where the last whole record of a broken file's last bytes ends."""
        if self._layout.format == "ndjson":
            return tail.rfind(b"\n") + 1
        half = b"\n" if tail.endswith(b"\r") else b""  # half a line end ends a record as well
        return min(grammar.border(tail + half, self._layout.dialect), len(tail))

    def _placed(self, cuts: Iterable[Cut]) -> list[Piece]:
        placed = []
        for cut in cuts:
            byte = self._offsets.original(self._start + cut.byte)
            placed.append(Piece(self._file, self._layout, self._encoding, cut, byte, self._line))
            self._line = None
        return placed


class Joiner:
    """Groups pieces, in their order, that make one block of at most `block_bytes` each.

    A piece that is larger is a group of its own.
    """

    def __init__(self, block_bytes: int) -> None:
        self._block_bytes = block_bytes
        self._group: list[Piece] = []
        self._size_bytes = 0

    def add(self, piece: Piece) -> list[Piece]:
        """The group that is complete because `piece` does not go with it, else none."""
        done: list[Piece] = []
        if self._group and not self._goes_with(piece):
            done = self.finish()
        self._group.append(piece)
        self._size_bytes += len(piece.cut.data)
        return done

    def finish(self) -> list[Piece]:
        """The last group."""
        group, self._group, self._size_bytes = self._group, [], 0
        return group

    def _goes_with(self, piece: Piece) -> bool:
        last = self._group[-1]
        return (
            self._size_bytes + len(piece.cut.data) <= self._block_bytes
            and last.encoding == piece.encoding
            and last.layout == piece.layout
        )


def seal_all(pieces: Iterable[Piece], block_bytes: int) -> tuple[Block, ...]:
    """The blocks that all these pieces make, in order."""
    joiner = Joiner(block_bytes)
    groups = [group for piece in pieces if (group := joiner.add(piece))]
    if last := joiner.finish():
        groups.append(last)
    return tuple(seal(number, group) for number, group in enumerate(groups))


def seal(number: int, group: Sequence[Piece]) -> Block:
    """The block that a group of pieces makes."""
    first = group[0]
    segments, oversize, start = [], [], 0
    for piece in group:
        end = start + len(piece.cut.data)
        segments.append(
            Segment(piece.file, start, end, piece.byte, piece.encoding, piece.first_line)
        )
        oversize += [replace(o, start=o.start + start) for o in piece.cut.oversize]
        start = end
    data = first.cut.data if len(group) == 1 else b"".join(piece.cut.data for piece in group)
    form = common_form(((piece.cut.form, piece.cut.data) for piece in group), first.layout)
    return Block(number, data, first.layout, tuple(segments), form, tuple(oversize))
