"""Encoding a frame in two parts: the rows whose spelling is known, and the odd ones among them.

A column is encoded in bulk if all of its values are spelt alike. One odd value in ten thousand
would spoil that for its column, and a few of them for every column; so they are encoded by
themselves, and the lines are put back in order, which moves views and no text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl
from msgspec.structs import replace

from ingest.shape.encode import BadCell, Encoded

Encode = Callable[[pl.DataFrame, bool], Encoded]


def encode_apart(frame: pl.DataFrame, odd: pl.Series, encode: Encode) -> Encoded:
    """Encode `frame` by `encode(rows, known)`; `odd` are the rows (rising) that are not `known`."""
    if not len(odd):
        return encode(frame, True)
    everyone = pl.int_range(frame.height, eager=True, dtype=pl.UInt32)
    usual = everyone.filter(~everyone.is_in(odd.implode()))
    parts = [(rows, encode(frame[rows], rows is usual)) for rows in (usual, odd)]
    return in_order(parts, frame.height)


def in_order(parts: Sequence[tuple[pl.Series, Encoded]], height: int) -> Encoded:
    """The parts as one; each comes with the rows that it had of a frame of this height."""
    rows = pl.concat([rows if e.rows is None else rows.gather(e.rows) for rows, e in parts])
    order = rows.arg_sort()
    bad = [replace(cell, row=int(rows[cell.row])) for rows, e in parts for cell in e.bad]
    keys = [key for _, e in parts for key in e.keys or ()]
    return Encoded(
        lines=pl.concat([e.lines for _, e in parts]).gather(order),
        rows=None if len(rows) == height else rows.gather(order),
        bad=tuple(sorted(bad, key=_row)),
        keys=None if parts[0][1].keys is None else tuple(keys[at] for at in order),
    )


def _row(cell: BadCell) -> int:
    return cell.row
