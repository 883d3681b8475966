"""A block of CSV to its records by moving bytes: neither columns nor texts are made.

Where one pattern says of a whole block that its values are spelt as their columns want them, what
is left to do is to put names where delimiters are, and quotes around texts. `ingest.kernel` does
that in a fifth of the time that it takes to split the block into columns and glue them together.

In a PLAIN block lines that the pattern does not match are taken out, read one by one, and put back
where they stood. In a REGULAR one there must be none; but a text may be anything that fits between
quotes: it is unquoted, and escaped where it must be, on its way.

Whatever does not go this way (SQL, the keys of an upsert, values of several spellings) is no
trouble: the answer is None, and the columns' way leads to the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise

from ingest import grammar, kernel
from ingest.grammar.pcre2 import Line, runs_of
from ingest.kernel import Transcript
from ingest.model import Block, Form, Place, Shaped
from ingest.shape import quoted, spelled
from ingest.shape.odd_lines import odd_extents
from ingest.shape.odd_records import Checked, Ending, OddRecords, Piece
from ingest.shape.plan import ShapePlan
from ingest.shape.program import per_file, program_of
from ingest.shape.rules import Spelling
from ingest.shape.shaped import Rows, assembled, pseudo_value
from ingest.shape.values import BadValue

# To load the kernel takes as long as to shape some megabytes without it.
SMALLEST_BYTES = 256 * 1024
ColumnPattern = Callable[[Spelling | None, Sequence[str]], str]


def read_transcribed(block: Block, plan: ShapePlan, ending: Ending) -> Shaped | None:
    """Shape a block; None if it does not go this way."""
    is_small = len(block.data) < SMALLEST_BYTES and not kernel.is_loaded()
    if is_small or not _is_whole(block) or not kernel.is_there():
        return None
    asked = _lines_asked if block.form is Form.PLAIN else _records_asked
    checked, texts = asked(block, plan, ending.record_end), _texts(block, plan)
    if checked is None or texts is None:
        return None
    pieces = _pieces(checked.borders, checked.odd)
    usual = _transcribed(checked, pieces, texts)
    if usual is None or usual.longest - len(ending.record_end) > ending.largest:
        return None
    if not checked.odd:  # a piece for each segment
        rows = _rows(block, usual.records)
        none = [()] * len(rows)
        return assembled(block, rows, none, (usual.data, [0, *usual.ends]), _nowhere)
    records = OddRecords(block, plan, checked, texts, ending)
    return _put_together(block, pieces, usual, records)


def _is_whole(block: Block) -> bool:
    """Whether the segments, one behind the other, are all there is, and nothing was cut off."""
    ends = [0, *(segment.end for segment in block.segments)]
    starts = [segment.start for segment in block.segments]
    is_simple = block.form is not Form.ODD and not block.oversize
    return is_simple and bool(block.data) and ends == [*starts, len(block.data)]


def _lines_asked(block: Block, plan: ShapePlan, record_end: bytes) -> Checked | None:
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
    odd = odd_extents(data, pattern)
    if odd is None or any(data.count(mark, *at) != program.columns - 1 for at in odd):
        return None
    return Checked(program, data, _borders(block, len(data)), odd)


def _records_asked(block: Block, plan: ShapePlan, record_end: bytes) -> Checked | None:
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
    return Checked(program, block.data, _borders(block, len(block.data)))


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


def _texts(block: Block, plan: ShapePlan) -> list[dict[int, str]] | None:
    """For each segment what its file says of all records, as JSON, by the fields' indexes; None if
    a value is refused."""
    fields = [(index, f.pseudo, f.rule) for index, f in per_file(plan) if f.pseudo and f.rule]
    try:
        return [
            {index: rule.scalar(pseudo_value(name, part.file)) for index, name, rule in fields}
            for part in block.segments
        ]
    except BadValue:
        return None


def _pieces(borders: Sequence[int], odd: Sequence[Line]) -> list[list[Piece]]:
    """For each segment its pieces, in order: usual and odd ones in turn, so some may be empty."""
    found, extents, start = [], iter([*odd, (borders[-1], borders[-1])]), 0
    odd_start, odd_end = next(extents)
    for border in borders:
        some = []
        while odd_start < border:
            some += [Piece(start, odd_start), Piece(odd_start, odd_end, is_odd=True)]
            start = odd_end
            odd_start, odd_end = next(extents)
        found.append([*some, Piece(start, border)])
        start = border
    return found


def _transcribed(
    checked: Checked, pieces: Sequence[Sequence[Piece]], texts: Sequence[Mapping[int, str]]
) -> Transcript | None:
    ranges, said = list[tuple[int, int]](), list[list[bytes]]()
    for some, known in zip(pieces, texts, strict=True):
        usual = [(piece.start, piece.end) for piece in some if not piece.is_odd]
        ranges += usual
        said += [[text.encode() for text in known.values()]] * len(usual)
    return kernel.transcribe(checked.program, checked.data, ranges, said)


def _put_together(
    block: Block, pieces: Sequence[Sequence[Piece]], usual: Transcript, odd: OddRecords
) -> Shaped:
    """All records in order, the usual and the odd ones."""
    view = memoryview(usual.data)
    views = (view[start:end] for start, end in pairwise((0, *usual.ends)))
    usual_parts = zip(views, usual.records, strict=True)
    parts, rows, borders = list[bytes | memoryview](), list[int](), [0]
    size = row = 0
    for segment, some in enumerate(pieces):
        first = row
        for piece in some:
            part: bytes | memoryview
            if piece.is_odd:
                part, count = odd.made(piece, row, (segment, first)), 1
            else:
                part, count = next(usual_parts)
            parts.append(part)
            size, row = size + len(part), row + count
        rows.append(row - first)
        borders.append(size)
    return assembled(block, _rows(block, rows), odd.bad, (b"".join(parts), borders), odd.place)


def _rows(block: Block, counts: Sequence[int]) -> list[Rows]:
    """A PLAIN block's records are its lines; in a REGULAR one's there may be more of them."""
    if block.form is Form.PLAIN:
        return [Rows(count, count, count) for count in counts]
    lines = [grammar.count_lines(block.data, part.start, part.end) for part in block.segments]
    return [Rows(count, count, some) for count, some in zip(counts, lines, strict=True)]


def _nowhere(row: int) -> Place:
    raise AssertionError(f"row {row} is no odd one")
