"""Putting a shaped block together: buffer borders, rejects and keys for each segment. Pure.

What parsing and encoding found is spoken of in rows of a frame; what leaves the shape stage is
spoken of in segments and places in files. This is the one place where the first becomes the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import PurePath

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from ingest.kept import keep
from ingest.model import Block, FileInfo, Place, Reject, Segment, Shaped, ShapedSegment
from ingest.shape.encode import BadCell, Encoded
from ingest.shape.encode_line import to_buffer
from ingest.shape.plan import ShapePlan

RAW_BYTES = 64 * 1024
PACKED_SUFFIXES = (".gz", ".zst", ".zstd", ".bz2", ".zip")


class Rows(Struct, frozen=True):
    """What one segment gave to the frame: `rows` good ones, of `records` found in `lines` lines."""

    rows: int
    records: int
    lines: int
    rejects: tuple[Reject, ...] = ()


def put_together(
    block: Block,
    segments: Sequence[Rows],
    encoded: Encoded,
    place: Callable[[int], Place],
    record_end: bytes,
) -> Shaped:
    """The shaped block. `place` tells where a row of the frame stands."""
    buffer = to_buffer(encoded.lines, record_end)
    borders = list(accumulate((s.rows for s in segments), initial=0))
    bad = _bad_by_segment(encoded.bad, borders)
    counts = [s.rows - len(cells) for s, cells in zip(segments, bad, strict=True)]
    line_borders = list(accumulate(counts, initial=0))
    offsets = _offsets(encoded.lines, len(record_end), line_borders, len(buffer))
    shaped = assembled(block, segments, bad, (buffer, offsets), place)
    if encoded.keys is None:
        return shaped
    keyed = (
        replace(part, keys=encoded.keys[start:end])
        for part, (start, end) in zip(shaped.segments, pairwise(line_borders), strict=True)
    )
    return replace(shaped, segments=tuple(keyed))


def assembled(
    block: Block,
    segments: Sequence[Rows],
    bad: Sequence[Sequence[BadCell]],
    encoded: tuple[bytes, Sequence[int]],
    place: Callable[[int], Place],
) -> Shaped:
    """The shaped block of its good records, encoded, and the borders of the segments in them;
    `bad` are the cells of each segment."""
    buffer, offsets = encoded
    shaped = []
    for index, (part, cells) in enumerate(zip(segments, bad, strict=True)):
        file = block.segments[index].file
        refused = [reject_of(file, cell, place(cell.row)) for cell in cells]
        shaped.append(
            ShapedSegment(
                start=offsets[index],
                end=offsets[index + 1],
                records=part.records,
                lines=part.lines,
                rejects=tuple(sorted((*part.rejects, *refused), key=lambda r: r.record)),
            )
        )
    kept = keep(block, sum(part.records for part in segments))
    return Shaped(block, buffer, tuple(shaped), kept)


def unchanged(block: Block, records: Sequence[int], buffer: bytes, growth: int) -> Shaped:
    """A block whose lines are its records, each longer by `growth` in the `buffer`, and by a CR
    shorter where it ended with one; each segment has so many `records`."""
    borders = [0]
    for part, count in zip(block.segments, records, strict=True):
        returns = block.data.count(b"\r\n", part.start, part.end) if len(records) > 1 else 0
        borders.append(borders[-1] + part.end - part.start - returns + growth * count)
    borders[-1] = len(buffer)
    shaped = tuple(
        ShapedSegment(start, end, count, count)
        for (start, end), count in zip(pairwise(borders), records, strict=True)
    )
    return Shaped(block, buffer, shaped, keep(block, sum(records)))


def _bad_by_segment(bad: Sequence[BadCell], borders: Sequence[int]) -> list[list[BadCell]]:
    groups: list[list[BadCell]] = [[] for _ in range(len(borders) - 1)]
    segment = 0
    for cell in bad:
        while cell.row >= borders[segment + 1]:
            segment += 1
        groups[segment].append(cell)
    return groups


def _offsets(lines: pl.Series, end_bytes: int, borders: Sequence[int], size: int) -> list[int]:
    """Where in the buffer of this size each border between lines is, the first and the last one
    included."""
    within = borders[1:-1]
    if not within:
        return [0, size]
    ends = (lines.str.len_bytes().cast(pl.Int64) + end_bytes).cum_sum()
    return [0, *(int(ends[border - 1]) if border else 0 for border in within), size]


def reject_of(file: FileInfo, cell: BadCell, place: Place) -> Reject:
    """A bad cell as a reject at its place."""
    field = cell.field
    return Reject(
        file=file.shown,
        line=place.line,
        byte=place.byte,
        record=place.record,
        stage=cell.stage,
        reason=cell.trouble.reason,
        message=cell.trouble.message,
        raw=place.raw[:RAW_BYTES],
        column=(field.column or field.pseudo) if field else None,
        field=field.name if field else None,
        raw_truncated=len(place.raw) > RAW_BYTES,
    )


def pseudo_value(name: str, file: FileInfo) -> str:
    """The value of `@stem`, `@name` or `@path` for a file."""
    if name == "@path":
        return file.shown
    path = PurePath(file.member or ("stdin" if file.path == "-" else file.path))
    if name == "@name":
        return path.name
    while path.suffix.lower() in PACKED_SUFFIXES:
        path = path.with_suffix("")
    return path.stem


def pseudo_columns(
    plan: ShapePlan,
    segments: Sequence[Segment],
    rows: Sequence[Rows],
    line: Callable[[int], int],
) -> Mapping[int, pl.Series]:
    """A column of texts for every field that reads a pseudo column, by the field's index.

    `line` tells the line, within its segment and from 1, where a row's record starts.
    """
    columns = {}
    for index, field in enumerate(plan.fields):
        if field.pseudo is None:
            continue
        if field.pseudo == "@line":
            texts = pl.Series(_lines(segments, rows, line), dtype=pl.String)
        else:
            parts = [
                pl.Series([pseudo_value(field.pseudo, s.file)]).new_from_index(0, r.rows)
                for s, r in zip(segments, rows, strict=True)
            ]
            texts = pl.concat(parts)
        columns[index] = texts
    return columns


def _lines(
    segments: Sequence[Segment], rows: Sequence[Rows], line: Callable[[int], int]
) -> list[str]:
    texts, row = [], 0
    for segment, part in zip(segments, rows, strict=True):
        base = (segment.first_line or 1) - 1
        texts += [str(base + line(r)) for r in range(row, row + part.rows)]
        row += part.rows
    return texts
