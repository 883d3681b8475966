"""Places within a segment to places in the file; the limit of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from ingest.kept import Kept
from ingest.model import Block, Layout, Reject, Segment, Shaped, ShapedSegment
from ingest.pack import Numbering
from tests.pack.helpers import FILES, runs


@dataclass(frozen=True)
class Part:
    """A segment as a test writes it: one character a record, `x` for a reject, two lines each."""

    file: int
    records: str
    first_line: int | None = None
    first_record: int | None = None


def shaped_of(parts: Sequence[Part], number: int = 0) -> Shaped:
    """A shaped block of these segments."""
    buffer, segments, made = b"", [], []
    for part in parts:
        start = len(buffer)
        good = [c for c in part.records if c != "x"]
        buffer += b"".join(c.encode() + b",\n" for c in good)
        rejects = tuple(
            Reject(f"f{part.file}.csv", 2 * n - 1, 0, n, "parse", "odd", "odd", b"x")
            for n, c in enumerate(part.records, 1)
            if c == "x"
        )
        at = Segment(FILES[part.file], 0, 0, 0, first_line=part.first_line)
        segments.append(replace(at, first_record=part.first_record))
        found = len(part.records)
        made.append(ShapedSegment(start, len(buffer), found, 2 * found, rejects))
    block = Block(number, b"", Layout("csv", ("v",)), tuple(segments))
    return Shaped(block, buffer, tuple(made), Kept(block))


BLOCKS = (
    (Part(0, "axb", first_line=2),),
    (Part(0, "xc"), Part(1, "", first_line=5), Part(2, "dx", first_line=4)),
    (Part(2, "xx"), Part(3, "e", first_line=1)),
    (Part(3, "fxg"),),
)
ALL = [(p.file, c) for block in BLOCKS for p in block for c in p.records]


def naive(limit: int | None) -> tuple[list[tuple[int, int, str]], dict[int, int]]:
    """File, number and character of each record read, and how many of each file."""
    counts: dict[int, int] = {}
    records = []
    for file, character in ALL[:limit]:
        counts[file] = counts.get(file, 0) + 1
        records.append((file, counts[file], character))
    return records, counts


@pytest.mark.parametrize("limit", [None, *range(len(ALL) + 2)])
def test_numbers_go_on_over_blocks(limit: int | None) -> None:
    """Numbers count in the file, over all its blocks; a limit counts over all files."""
    numbering = Numbering(limit)
    parts, rejects, read = [], [], 0
    for block in BLOCKS:
        numbered = numbering.number(shaped_of(block))
        parts += numbered.slices
        rejects += numbered.rejects
        read += numbered.read
        assert [r.file for r in numbered.rejects] == [f"f{n}.csv" for n in numbered.rejected_in]
    records, counts = naive(limit)
    assert read == len(records)
    assert numbering.done is (limit is not None and limit <= len(ALL))
    assert {f: n for f, n in numbering.per_file.items() if n} == counts
    good = [(p.file.index, n, r.decode()) for p in parts for n, r in runs([p])]
    assert good == [r for r in records if r[2] != "x"]
    assert [(r.file, r.record) for r in rejects] == [
        (f"f{file}.csv", n) for file, n, c in records if c == "x"
    ]
    assert all(part.count for part in parts)
    # What a span calls settled must have been read.
    assert all(part.last <= counts[part.file.index] for part in parts)
    for part in parts:
        for n in part.rejected:
            assert (part.file.index, n, "x") in records


def test_lines_go_on_over_blocks() -> None:
    """The first segment of a file knows its line, the others go on from there."""
    numbering = Numbering()
    lines = []
    for block in BLOCKS:
        rejects = numbering.number(shaped_of(block)).rejects
        lines += [(r.file, r.record, r.line) for r in rejects]
    assert lines == [
        ("f0.csv", 2, 4),
        ("f0.csv", 4, 8),
        ("f2.csv", 2, 6),
        ("f2.csv", 3, 8),
        ("f2.csv", 4, 10),
        ("f3.csv", 3, 5),
    ]


def test_a_slice_knows_where_it_came_from() -> None:
    """Its block and segment, and the number and line that the segment starts with."""
    numbering = Numbering()
    numbering.number(shaped_of(BLOCKS[0]))
    shaped = shaped_of(BLOCKS[1], number=1)
    parts = numbering.number(shaped).slices
    origins = [part.origin for part in parts]
    assert [(o.segment, o.first_record, o.first_line) for o in origins if o] == [
        (0, 4, 8),
        (2, 1, 4),
    ]
    assert all(o is not None and o.kept is shaped.kept for o in origins)


def test_keys_are_cut_with_the_limit() -> None:
    """A limit within a segment leaves as many keys as records."""
    shaped = shaped_of((Part(0, "axbc", first_line=1),))
    (segment,) = shaped.segments
    shaped = replace(shaped, segments=(replace(segment, keys=("1", "2", "3")),))
    numbered = Numbering(3).number(shaped)
    parts = numbered.slices
    assert (numbered.read, len(numbered.rejects), numbered.ranges) == (3, 1, [(0, 1, 3)])
    assert [(p.keys, p.count, p.last, p.rejected) for p in parts] == [(("1", "2"), 2, 3, (2,))]


def test_records_out_of_the_middle_keep_their_numbers() -> None:
    """Where a segment says which record it begins with; one that does not goes on behind it."""
    parts = (Part(0, "a", 90, 7), Part(0, "xb", 91, 30), Part(0, "c"), Part(1, "x", 5, 3))
    numbered = Numbering().number(shaped_of(parts))
    assert [(p.file.index, p.first, p.last, p.rejected) for p in numbered.slices] == [
        (0, 7, 7, ()), (0, 30, 31, (30,)), (0, 32, 32, ()),
    ]  # fmt: skip
    assert [(r.record, r.line) for r in numbered.rejects] == [(30, 91), (3, 5)]
    assert [p.origin.first_record for p in numbered.slices if p.origin] == [7, 30, 32]
    assert numbered.ranges == [(0, 7, 7), (0, 30, 31), (0, 32, 32), (1, 3, 3)]
