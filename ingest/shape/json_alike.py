"""Blocks of NDJSON whose records are all built alike: read by one pattern, in native code.

The pattern is made of the block's first lines (`json_pattern`) and asked of every line, in any
number of threads at once. If it matches all of them, they are known to be what the checks of
`json_read` ask for, one by one; and the values of the fields are groups of that pattern, so no
record ever becomes an object of the interpreter. If one line is built otherwise, the block is read
the other way: nothing is lost but the time of the question.

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
from ingest.shape.json_pattern import MATCHED, Build, Unlike, build_of
from ingest.shape.json_spelled import Wanted, wanted_of
from ingest.shape.plan import ShapePlan

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


class Expected(Struct, frozen=True):
    """What lines are expected to be like: their build, and what is wanted of each member if its
    values are written like those that were seen (nothing, where there is nothing to map)."""

    build: Build
    hoped: Mapping[str, Wanted]

    @property
    def is_best(self) -> bool:
        """Whether no other lines could make a block of such lines cost less."""
        hopes = all(one.is_text or one.group.until for one in self.hoped.values())
        return not self.hoped or (hopes and not self.build.optional)


class Alike(Struct, frozen=True):
    """The lines of a block, one record each, ended by newlines in `data`; and their members, in one
    part, or in two. With nothing to map there are none. `expected` is what lines that come later
    are best held against first, if anything."""

    data: bytes
    lines: pl.Series
    expected: Expected | None
    parts: tuple[Members, ...] = ()


def read_alike(block: Block, plan: ShapePlan, before: Expected | None = None) -> Alike | None:
    """A block whose records are all built alike; None if they are not. `before` is what an earlier
    block of this layout was like."""
    if block.oversize or not block.data:
        return None
    data = block.data.replace(b"\r\n", b"\n") if b"\r" in block.data else block.data
    data = data if data.endswith(b"\n") else data + b"\n"
    try:
        text = data.decode()
        expected = before or _expected(data, plan)
        lines = pl.Series([text.removesuffix("\n")]).str.split("\n").explode()
        is_ascii = text.isascii()
        parts = _matched(lines, expected, plan, is_ascii=is_ascii, is_last=before is None)
        if parts is None and before is not None:
            expected = _expected(data, plan)
            parts = _matched(lines, expected, plan, is_ascii=is_ascii, is_last=True)
    except (UnicodeDecodeError, Unlike):
        return None
    if parts is None:
        return None
    fits = expected.is_best and (not parts or parts[0].wanted is expected.hoped)
    return Alike(data, lines, expected if fits else None, parts)


def _matched(
    lines: pl.Series, expected: Expected, plan: ShapePlan, *, is_ascii: bool, is_last: bool
) -> tuple[Members, ...] | None:
    """See `_parts`; None for too large a pattern, too."""
    try:
        return _parts(lines, expected, plan, is_ascii=is_ascii, is_last=is_last)
    except pl.exceptions.ComputeError:
        return None


def _expected(data: bytes, plan: ShapePlan) -> Expected:
    """What the first lines are like. Raises Unlike."""
    build = build_of([one for one in data.split(b"\n", LOOKED_AT)[:LOOKED_AT] if one])
    if not _suits(build, plan):
        raise Unlike
    hoped = {} if plan.passthrough else wanted_of(build, plan, sure=True)
    return Expected(replace(build, seen={}), hoped)  # nobody asks for the lines' values any more


def _suits(build: Build, plan: ShapePlan) -> bool:
    """Whether the plan asks nothing of a record that the build does not tell."""
    if plan.passthrough:
        return True
    read = {field.column for field in plan.fields}
    made = {field.name for field in plan.fields if field.name not in read}
    return not plan.must and not (plan.rest and made & build.values.keys())


def _parts(
    lines: pl.Series,
    expected: Expected,
    plan: ShapePlan,
    *,
    is_ascii: bool,
    is_last: bool,
) -> tuple[Members, ...] | None:
    """The members that the plan wants; None if some line is built otherwise or, unless nothing else
    `is_last` to be expected, if the values of many are written otherwise."""
    build, hoped = expected.build, expected.hoped
    if not hoped:
        are_alike = lines.str.contains(build.pattern(is_ascii=is_ascii)).all()
        if plan.passthrough or not are_alike:
            return () if are_alike else None
    always = build.values.keys() - build.optional
    taken, odd = _taken(lines, build, hoped, is_ascii=is_ascii)
    if not len(odd):
        return (Members(None, hoped, taken, always),)
    everyone = pl.int_range(len(lines), eager=True, dtype=pl.UInt32)
    few = len(odd) <= MOST_ODD * len(lines)
    if not few and not is_last:
        return None
    rest = lines.gather(odd) if few else lines
    wanted = wanted_of(build, plan, sure=False)
    again, unlike = _taken(rest, build, wanted, is_ascii=is_ascii)
    if len(unlike):
        return None
    if not few:
        return (Members(None, wanted, again, always),)
    usual = everyone.filter(~everyone.is_in(odd.implode()))
    taken = {key: values.gather(usual) for key, values in taken.items()}
    return Members(usual, hoped, taken, always), Members(odd, wanted, again, always)


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
