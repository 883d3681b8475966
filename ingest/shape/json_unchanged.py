"""NDJSON with nothing to map: a block whose records are all built alike travels as it came.

One pattern, made of the block's first lines (`json_pattern`), says of all of them that they are
what the checks of `json_read` ask for. Then nobody takes the block apart: the target's ends are put
behind the lines, and that is all. Without PCRE2 the lines are looked at one by one.

As lines mostly go on as they were, the pattern of the block before is asked first.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from ingest import grammar
from ingest.grammar.pcre2 import runs_of
from ingest.model import Block
from ingest.shape.json_alike import Text, ended_by_feeds, first_lines
from ingest.shape.json_pattern import Unlike, build_of
from ingest.shape.places import lines_of_each
from ingest.shape.splitting import parts_of


class Unchanged(Struct, frozen=True):
    """The records of a block, each with the target's end, and how many each segment has.

    They match `line`, and so may the next block's.
    """

    buffer: bytes
    records: list[int]
    line: str


def read_unchanged(block: Block, end: bytes, largest: int, before: str | None) -> Unchanged | None:
    """A block as it came; None if its records are not all alike, or one is longer than `largest`.

    `before` is the pattern of an earlier block's lines.
    """
    if block.oversize or not block.data:
        return None
    data = ended_by_feeds(block.data)
    if not grammar.is_utf8(data) or (len(data) > largest and _longest(data) > largest):
        return None
    if before is not None and (found := _ended(data, before, end)):
        return _unchanged(block, found, before)
    try:
        line = build_of(first_lines(data)).line()
    except Unlike:
        return None
    found = None if line == before else _ended(data, line, end)
    return _unchanged(block, found, line) if found else None


def _unchanged(block: Block, found: tuple[bytes, int], line: str) -> Unchanged:
    buffer, records = found
    return Unchanged(buffer, lines_of_each(block, records), line)


def _ended(data: bytes, line: str, end: bytes) -> tuple[bytes, int] | None:
    """The lines with their new ends, and their number, if all of them match."""
    runs = runs_of(rf"(?:{line})\n")
    alike = runs.cover(data) if runs else None
    if alike is None:
        alike = _are_alike(data, line)
    return _with_ends(data, end) if alike else None


def _are_alike(data: bytes, line: str) -> bool:
    """The same, asked without PCRE2."""
    lines = parts_of(data, "\n")
    try:
        return lines is not None and not len(Text(data, lines).odd(line))
    except pl.exceptions.ComputeError:  # too large a pattern
        return False


def _with_ends(data: bytes, end: bytes) -> tuple[bytes, int]:
    if end == b"\n":
        return data, grammar.count_feeds(data)
    ended = data.replace(b"\n", end)
    growth = len(ended) - len(data)
    return ended, growth // (len(end) - 1) if len(end) > 1 else grammar.count_feeds(data)


def _longest(data: bytes) -> int:
    return max(map(len, data.split(b"\n")))
