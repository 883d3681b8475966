"""Which lines of a block are not like the others, found without looking at each of them.

Where PCRE2 is there it goes over the whole block, and stops only behind lines that don't match. A
block with many of those, and a machine without PCRE2, is a matter for Polars, line by line.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from ingest import grammar
from ingest.grammar.pcre2 import Line, runs_of

MOST = 256  # odd lines; to go on behind each of more would cost what Polars takes


class OddLines(Struct, frozen=True):
    """The numbers of the odd lines, rising, and where they are in the data, ends included."""

    rows: pl.Series
    extents: tuple[Line, ...]


def odd_lines(data: bytes, line: str) -> OddLines | None:
    """The lines of `data`, each ended by an LF, that the pattern `line` does not match.

    None if that can't be said at once.
    """
    found = odd_extents(data, line)
    if found is None:
        return None
    rows = grammar.feeds_before(data, [start for start, _ in found])
    return OddLines(pl.Series(rows, dtype=pl.UInt32), tuple(found))


def odd_extents(data: bytes, line: str) -> list[Line] | None:
    """The same, without the lines' numbers."""
    runs = runs_of(rf"(?:{line})\n")
    found = None if runs is None else runs.odd_lines(data, MOST)
    return found if found is not None and len(found) <= MOST else None


def odd_among(lines: pl.Series, line: str) -> pl.Series:
    """The numbers of the lines that the pattern does not match, one by one."""
    matches = pl.col(lines.name).str.contains(rf"\A(?:{line})\z")
    return lines.to_frame().select_seq((~matches).arg_true()).to_series()
