"""A block of CSV to its records by moving bytes: neither columns nor texts are made.

Where one pattern says of a whole block that its values are spelt as their columns want them, what
is left to do is to put names where delimiters are, and quotes around texts. `ingest.kernel` does
that in a fifth of the time that it takes to split the block into columns and glue them together.

In a PLAIN block lines that the pattern does not match are taken out, shaped by columns, and put
back where they stood. In a REGULAR one there must be none; but a text may be anything that fits
between quotes: it is unquoted, and escaped where it must be, on its way.

Whatever does not go this way (SQL, the keys of an upsert, values of several spellings) is no
trouble: the answer is None, and the columns' way leads to the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from ingest import grammar, kernel
from ingest.grammar.pcre2 import Line, runs_of
from ingest.kernel import Program, Transcript
from ingest.model import Block, Form, Shaped
from ingest.shape import quoted, spelled
from ingest.shape.encode import Encoded
from ingest.shape.odd_lines import NO_ODD_LINES, OddLines, odd_lines
from ingest.shape.places import Found, Places
from ingest.shape.plan import ShapePlan
from ingest.shape.program import per_file, program_of
from ingest.shape.rules import Spelling
from ingest.shape.shaped import Rows, assembled, pseudo_value
from ingest.shape.splitting import in_columns, parts_of
from ingest.shape.values import BadValue

# To load the kernel takes as long as to shape some megabytes without it.
SMALLEST_BYTES = 256 * 1024
EncodeOdd = Callable[[pl.DataFrame, Sequence[int]], Encoded]  # rows, and how many each segment has
ColumnPattern = Callable[[Spelling | None, Sequence[str]], str]


class Ending(Struct, frozen=True):
    """What ends a record in its target, and the most bytes of one, its end not counted."""

    record_end: bytes
    largest: int


class _Checked(Struct, frozen=True):
    """`data` of which it is known what becomes of all lines but the `odd` ones. `borders` are the
    ends of the block's segments in it."""

    program: Program
    data: bytes
    borders: Sequence[int]
    odd: OddLines = NO_ODD_LINES


class _Piece(Struct, frozen=True):
    """Whole records, from `start` to `end`; an odd one is alone."""

    start: int
    end: int
    is_odd: bool


def read_transcribed(
    block: Block, plan: ShapePlan, ending: Ending, encode_odd: EncodeOdd
) -> Shaped | None:
    """Shape a block; None if it does not go this way. `encode_odd` is asked for its odd lines."""
    is_small = len(block.data) < SMALLEST_BYTES and not kernel.is_loaded()
    if is_small or not _is_whole(block) or not kernel.is_there():
        return None
    asked = _lines_asked if block.form is Form.PLAIN else _records_asked
    checked, texts = asked(block, plan, ending.record_end), _texts(block, plan)
    if checked is None or texts is None:
        return None
    pieces = _pieces(checked.borders, checked.odd.extents)
    usual = _transcribed(checked, pieces, texts)
    if usual is None or usual.longest - len(ending.record_end) > ending.largest:
        return None
    apart = None
    if len(checked.odd.rows):
        apart = encode_odd(_frame(checked), [sum(p.is_odd for p in some) for some in pieces])
    return _put_together(block, checked, pieces, (usual, apart), ending.record_end)


def _is_whole(block: Block) -> bool:
    """Whether the segments, one behind the other, are all there is, and nothing was cut off."""
    ends = [0, *(segment.end for segment in block.segments)]
    starts = [segment.start for segment in block.segments]
    is_simple = block.form is not Form.ODD and not block.oversize
    return is_simple and bool(block.data) and ends == [*starts, len(block.data)]


def _lines_asked(block: Block, plan: ShapePlan, record_end: bytes) -> _Checked | None:
    """A PLAIN block, asked line by line."""
    first = spelled.first_values(block)
    if first is None:
        return None
    column = partial(spelled.column_pattern, block.layout.dialect.delimiter)
    for escaping in (False, True):
        pattern, spellings = _question(plan, first, column, escaping=escaping)
        program = program_of(plan, spellings, record_end, escaping=escaping)
        if program is not None:
            break
    else:
        return None
    data, mark = spelled.lines_of(block.data), program.delimiter.encode()
    odd = odd_lines(data, pattern)
    if odd is None or any(data.count(mark, *at) != program.columns - 1 for at in odd.extents):
        return None
    return _Checked(program, data, _borders(block, len(data)), odd)


def _records_asked(block: Block, plan: ShapePlan, record_end: bytes) -> _Checked | None:
    """A REGULAR block, asked as a whole."""
    first = quoted.first_values(block)
    if first is None:
        return None
    column = partial(quoted.column_pattern, block.layout.dialect)
    pattern, spellings = _question(plan, first, column, escaping=True)
    program = program_of(plan, spellings, record_end, escaping=True)
    runs = runs_of(rf"(?:{pattern})\r?\n") if program else None
    if program is None or runs is None or not runs.cover(block.data):
        return None
    return _Checked(program, block.data, _borders(block, len(block.data)))


def _question(
    plan: ShapePlan, first: Sequence[str], column: ColumnPattern, *, escaping: bool
) -> tuple[str, dict[int, Spelling]]:
    """The pattern of a record, and how the fields are spelt; with `escaping` texts are anything."""

    def pattern(spelling: Spelling | None, nulls: Sequence[str]) -> str:
        is_text = escaping and spelling is not None and spelling.inverted
        return column(None if is_text else spelling, nulls)

    return spelled.pattern_of(plan, first, plan.layout.dialect.delimiter, pattern)


def _borders(block: Block, size: int) -> list[int]:
    """Where the segments end in their lines, of this size together: each has lost its CRs."""
    ends = [segment.end for segment in block.segments]
    if size == len(block.data) or len(ends) == 1:
        return [*ends[:-1], size]
    lost = (block.data.count(b"\r", part.start, part.end) for part in block.segments)
    return [end - before for end, before in zip(ends, accumulate(lost), strict=True)]


def _texts(block: Block, plan: ShapePlan) -> list[list[bytes]] | None:
    """For each segment what its file says of all records, as JSON; None if a value is refused."""
    fields = [(f.pseudo, f.rule) for _, f in per_file(plan) if f.pseudo and f.rule]
    try:
        return [
            [rule.scalar(pseudo_value(name, part.file)).encode() for name, rule in fields]
            for part in block.segments
        ]
    except BadValue:
        return None


def _pieces(borders: Sequence[int], odd: Sequence[Line]) -> list[list[_Piece]]:
    """For each segment its pieces, in order."""
    found, extents, start = [], iter([*odd, (borders[-1], borders[-1])]), 0
    odd_start, odd_end = next(extents)
    for border in borders:
        some = []
        while odd_start < border:
            some += [_Piece(start, odd_start, False), _Piece(odd_start, odd_end, True)]
            start = odd_end
            odd_start, odd_end = next(extents)
        some.append(_Piece(start, border, False))
        start = border
        found.append([piece for piece in some if piece.end > piece.start])
    return found


def _transcribed(
    checked: _Checked, pieces: Sequence[Sequence[_Piece]], texts: Sequence[Sequence[bytes]]
) -> Transcript | None:
    usual = [
        ((piece.start, piece.end), said)
        for some, said in zip(pieces, texts, strict=True)
        for piece in some
        if not piece.is_odd
    ]
    ranges = [extent for extent, _ in usual]
    return kernel.transcribe(checked.program, checked.data, ranges, [said for _, said in usual])


def _frame(checked: _Checked) -> pl.DataFrame:
    """The values of the odd lines."""
    delimiter = checked.program.delimiter
    lines = b"".join(checked.data[start:end] for start, end in checked.odd.extents)
    values = parts_of(lines.replace(b"\n", delimiter.encode()), delimiter)
    assert values is not None  # what is PLAIN is UTF-8
    return in_columns(values, checked.program.columns)


def _put_together(
    block: Block,
    checked: _Checked,
    pieces: Sequence[Sequence[_Piece]],
    said: tuple[Transcript, Encoded | None],
    record_end: bytes,
) -> Shaped:
    usual, apart = said
    usual_parts = zip(_parts(usual), usual.records, strict=True)
    odd_parts = iter(_odd_parts(apart, len(checked.odd.rows), record_end))
    parts: list[bytes | memoryview] = []
    borders, counts = [0], []
    for some in pieces:
        found = [(next(odd_parts), 1) if p.is_odd else next(usual_parts) for p in some]
        parts += [part for part, _ in found]
        borders.append(borders[-1] + sum(len(part) for part, _ in found))
        counts.append(sum(count for _, count in found))
    buffer = b"".join(parts) if apart else usual.data
    bad = [replace(cell, row=checked.odd.rows[cell.row]) for cell in apart.bad] if apart else []
    places = Places(block, [Found(count) for count in counts], grammar.UNLIMITED)
    return assembled(block, _rows(block, counts), bad, (buffer, borders), places.__getitem__)


def _parts(usual: Transcript) -> list[memoryview]:
    view = memoryview(usual.data)
    return [view[start:end] for start, end in pairwise((0, *usual.ends))]


def _odd_parts(apart: Encoded | None, count: int, record_end: bytes) -> list[bytes]:
    """The record of each odd line, with its end; nothing for one that is refused."""
    if apart is None:
        return []
    parts = [b""] * count
    good = range(count) if apart.rows is None else apart.rows
    for row, line in zip(good, apart.lines, strict=True):
        parts[row] = line.encode() + record_end
    return parts


def _rows(block: Block, counts: Sequence[int]) -> list[Rows]:
    """A PLAIN block's records are its lines; in a REGULAR one's there may be more of them."""
    if block.form is Form.PLAIN:
        return [Rows(count, count, count) for count in counts]
    lines = [grammar.count_lines(block.data, part.start, part.end) for part in block.segments]
    return [Rows(count, count, some) for count, some in zip(counts, lines, strict=True)]
