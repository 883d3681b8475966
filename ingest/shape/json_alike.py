"""Blocks of NDJSON whose records are all built alike: read by one pattern, in native code.

The pattern is made of the block's first lines (`json_pattern`) and asked of all lines, in any
number of threads at once. If it matches, they are known to be what the checks of `json_read` ask
for, one by one. With nothing to map that is all (`json_unchanged`); where only names and quotes
change, lines are written anew as they stand (`json_rewritten`); else the values of the fields are
groups of the pattern. No record ever becomes an object of the interpreter. If one line is built
otherwise, the block is read the other way: nothing is lost but the time of the question.

The lines of a file mostly go on as they were, so a block is first held against what the block
before it was like, and its own lines are looked at only where that doesn't fit. It is a matter of
time alone: whatever matches is taken out in the same way. So nothing is expected on that falls
short of the best (a member that only some lines have, or whose values are not written alike), nor
what didn't fit many lines: the next block's first lines may tell more.

First the pattern hopes for values written like the first ones (`json_spelled`). A few odd lines are
asked again without that hope, and encoded apart; if they are many, all are.

A pattern with many groups is slow, for it can't be matched in one pass any more; so fields are
taken out a few at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from ingest.model import Block
from ingest.shape.json_pattern import MATCHED, Build, Unlike, build_of, of_ascii
from ingest.shape.json_rewritten import Rewriting, rewriting_of
from ingest.shape.json_spelled import Wanted, wanted_of
from ingest.shape.odd_lines import odd_among, odd_lines
from ingest.shape.plan import ShapePlan
from ingest.shape.splitting import parts_of

LOOKED_AT = 64
GROUPS_AT_ONCE = 12
MOST_ODD = 0.1


class Members(Struct, frozen=True):
    """What was taken out of the members of some lines: these `rows` (rising), or all for None.

    `taken` is null where a record has no such key, or, if it is a text, a null. Every record has
    the keys in `always`.
    """

    rows: pl.Series | None
    wanted: Mapping[str, Wanted]
    taken: Mapping[str, pl.Series]
    always: Collection[str]


class Rewritten(Struct, frozen=True):
    """Lines that are the target's already: of these `rows` (rising), or of all for None. None of
    them has grown by more than so many bytes (`growth`)."""

    rows: pl.Series | None
    lines: pl.Series
    growth: int


Parts = tuple[Members | Rewritten, ...]


class Expected(Struct, frozen=True):
    """What lines are expected to be like: their build, and what is wanted of each member if its
    values are written like those that were seen; or how to write them anew, where that is all there
    is to do."""

    build: Build
    hoped: Mapping[str, Wanted]
    rewriting: Rewriting | None = None

    @property
    def is_best(self) -> bool:
        """Whether no other lines could make a block of such lines cost less."""
        hopes = all(one.is_text or one.group.until for one in self.hoped.values())
        return not self.hoped or (hopes and not self.build.optional)


class Alike(Struct, frozen=True):
    """The lines of a block, one record each, ended by newlines in `data`; and what becomes of them,
    in one part, or in two. `expected` is what later lines are best held against first, if
    anything."""

    data: bytes
    lines: pl.Series
    expected: Expected | None
    parts: Parts


class Text(Struct, frozen=True):
    """A block's lines, each ended by an LF in `data`."""

    data: bytes
    lines: pl.Series

    def odd(self, line: str) -> pl.Series:
        """The rows that this pattern of a line does not match, rising."""
        if (found := odd_lines(self.data, line)) is not None:
            return found.rows
        return odd_among(self.lines, of_ascii(line) if self.is_ascii else line)

    @property
    def is_ascii(self) -> bool:
        """Whether a pattern for ASCII does: it is quicker."""
        return self.data.isascii()


def read_alike(block: Block, plan: ShapePlan, before: Expected | None = None) -> Alike | None:
    """A block whose records are all built alike; None if they are not. `before` is what an earlier
    block of this layout was like."""
    if block.oversize or not block.data:
        return None
    data = ended_by_feeds(block.data)
    lines = parts_of(data, "\n")
    if lines is None:
        return None
    text = Text(data, lines)
    try:
        expected = before or expected_of(data, plan)
        parts = _matched(text, expected, plan, is_last=before is None)
        if parts is None and before is not None:
            expected = expected_of(data, plan)
            parts = _matched(text, expected, plan, is_last=True)
    except Unlike:
        return None
    if parts is None:
        return None
    return Alike(data, lines, expected if _fits(expected, parts) else None, parts)


def ended_by_feeds(data: bytes) -> bytes:
    """The lines with an LF at their ends, and no CR before it."""
    data = data.replace(b"\r\n", b"\n") if b"\r" in data else data
    return data if data.endswith(b"\n") else data + b"\n"


def _fits(expected: Expected, parts: Parts) -> bool:
    """Whether later lines are best held against this, too."""
    first = parts[0]
    if isinstance(first, Rewritten):
        return True
    return expected.rewriting is None and expected.is_best and first.wanted is expected.hoped


def _matched(text: Text, expected: Expected, plan: ShapePlan, *, is_last: bool) -> Parts | None:
    """See `_parts`; None for too large a pattern, too."""
    try:
        rewritten = _rewritten(text, expected, plan)
        return rewritten or _parts(text, expected, plan, is_last=is_last)
    except pl.exceptions.ComputeError:
        return None


def expected_of(data: bytes, plan: ShapePlan) -> Expected:
    """What the first lines are like. Raises Unlike."""
    build = build_of(first_lines(data))
    if not _suits(build, plan):
        raise Unlike
    hoped, rewriting = wanted_of(build, plan, sure=True), rewriting_of(build, plan)
    build = replace(build, seen={})  # nobody asks for the lines' values any more
    return Expected(build, hoped, rewriting)


def first_lines(data: bytes) -> list[bytes]:
    """Those that a block is judged by."""
    return [one for one in data.split(b"\n", LOOKED_AT)[:LOOKED_AT] if one]


def _suits(build: Build, plan: ShapePlan) -> bool:
    """Whether the plan asks nothing of a record that the build does not tell."""
    read = {field.column for field in plan.fields}
    made = {field.name for field in plan.fields if field.name not in read}
    return not plan.must and not (plan.rest and made & build.values.keys())


def _rewritten(text: Text, expected: Expected, plan: ShapePlan) -> Parts | None:
    """The lines written anew, and the members of a few odd ones; None if that is not enough."""
    rewriting = expected.rewriting
    if rewriting is None:
        return None
    odd = text.odd(rewriting.line)
    if not len(odd) and (lines := rewriting(text.lines)) is not None:
        return (Rewritten(None, lines, rewriting.growth),)
    odd = odd.append(rewriting.odd(text.lines)).unique().sort()
    if len(odd) > MOST_ODD * len(text.lines):
        return None
    members = _odd_members(text, odd, expected.build, plan)
    usual = _others(odd, text.lines)
    lines = rewriting(text.lines.gather(usual))
    if members is None or lines is None:
        return None
    return Rewritten(usual, lines, rewriting.growth), members


def _parts(text: Text, expected: Expected, plan: ShapePlan, *, is_last: bool) -> Parts | None:
    """The members that the plan wants; None if some line is built otherwise or, unless nothing else
    `is_last` to be expected, if the values of many are written otherwise."""
    build, hoped, lines = expected.build, expected.hoped, text.lines
    if not hoped and len(text.odd(build.line())):
        return None
    always = build.values.keys() - build.optional
    taken, odd = _taken(lines, build, hoped, is_ascii=text.is_ascii)
    if not len(odd):
        return (Members(None, hoped, taken, always),)
    few = len(odd) <= MOST_ODD * len(lines)
    if not few and not is_last:
        return None
    members = _odd_members(text, odd if few else None, build, plan)
    if members is None or not few:
        return None if members is None else (members,)
    usual = _others(odd, lines)
    taken = {key: values.gather(usual) for key, values in taken.items()}
    return Members(usual, hoped, taken, always), members


def _odd_members(
    text: Text, rows: pl.Series | None, build: Build, plan: ShapePlan
) -> Members | None:
    """The members of lines whose values may be written in any way; None if some are built
    otherwise."""
    wanted = wanted_of(build, plan, sure=False)
    lines = text.lines if rows is None else text.lines.gather(rows)
    taken, unlike = _taken(lines, build, wanted, is_ascii=text.is_ascii)
    always = build.values.keys() - build.optional
    return None if len(unlike) else Members(rows, wanted, taken, always)


def _others(rows: pl.Series, lines: pl.Series) -> pl.Series:
    everyone = pl.int_range(len(lines), eager=True, dtype=pl.UInt32)
    return everyone.filter(~everyone.is_in(rows.implode()))


def _taken(
    lines: pl.Series, build: Build, wanted: Mapping[str, Wanted], *, is_ascii: bool
) -> tuple[dict[str, pl.Series], pl.Series]:
    """What is wanted of each line, by key; and the rows that the pattern does not match, rising."""
    taken: dict[str, pl.Series] = {}
    odd = pl.Series([], dtype=pl.UInt32)
    keys = list(wanted)
    for start in range(0, len(keys), GROUPS_AT_ONCE):
        some = {key: wanted[key].group for key in keys[start : start + GROUPS_AT_ONCE]}
        pattern = build.pattern(some, is_ascii=is_ascii)
        groups = lines.str.extract_groups(pattern).struct.unnest()
        unlike = groups.get_column(MATCHED).is_null()
        if unlike.any():
            odd = odd.append(unlike.arg_true()).unique().sort()
        taken |= {key: groups.get_column(f"g{at}") for at, key in enumerate(some)}
    return taken, odd
