"""Blocks of NDJSON whose records are all built alike: read by one pattern, in native code.

The pattern is made of the block's first lines (`json_pattern`) and asked of every line, in any
number of threads at once. If it matches all of them, they are known to be what the checks of
`json_read` ask for, one by one; and the values of the fields are groups of that pattern, so no
record ever becomes an object of the interpreter. If one line is built otherwise, the block is read
the other way: nothing is lost but the time of the question.

A pattern with many groups is slow, for it can't be matched in one pass any more; so fields are
taken out a few at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from ingest.model import Block
from ingest.shape.encode import Extras
from ingest.shape.encode_line import Member, line, unquoted
from ingest.shape.json_pattern import Build, Unlike, build_of
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.values import quoted

REST = Extras(rest="rest")
LOOKED_AT = 64
GROUPS_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class Alike:
    """The lines of a block, one record each; of the members that are wanted, the values as they are
    written, null where a record has no such key."""

    lines: pl.Series
    raw: Mapping[str, pl.Series]


@dataclass(frozen=True, slots=True)
class Columns:
    """What `encode` wants: a column of texts for each field that reads one, by its index."""

    frame: pl.DataFrame
    names: Mapping[int, str]
    extras: Extras


def read_alike(block: Block, plan: ShapePlan) -> Alike | None:
    """A block whose records are all built alike; None if they are not."""
    if block.oversize or not block.data:
        return None
    try:
        text = block.data.decode()
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        build = build_of([one.encode() for one in text.split("\n", LOOKED_AT)[:LOOKED_AT] if one])
    except (UnicodeDecodeError, Unlike):
        return None
    if not _suits(build, plan):
        return None
    lines = pl.Series([text.removesuffix("\n")]).str.split("\n").explode()
    try:
        raw = _extracted(lines, build, plan)
    except pl.exceptions.ComputeError:  # too large a pattern
        return None
    return None if raw is None else Alike(lines, raw)


def _suits(build: Build, plan: ShapePlan) -> bool:
    """Whether the plan asks nothing of a record that the build does not tell."""
    if plan.passthrough:
        return True
    read = {field.column for field in plan.fields}
    made = {field.name for field in plan.fields if field.name not in read}
    return not plan.must and not (plan.rest and made & build.values.keys())


def _extracted(lines: pl.Series, build: Build, plan: ShapePlan) -> dict[str, pl.Series] | None:
    """The values that the plan wants; None if some line is built otherwise."""
    read = {field.column for field in plan.fields}
    keys = [key for key in build.values if key in read or (plan.rest and not plan.passthrough)]
    fixed = next(key for key in build.values if key not in build.optional)
    if not keys:
        return {} if lines.str.contains(build.pattern()).all() else None
    found: dict[str, pl.Series] = {}
    for start in range(0, len(keys), GROUPS_AT_ONCE):
        some = keys[start : start + GROUPS_AT_ONCE]
        asked = list(dict.fromkeys([*some, fixed]))  # one that no line lacks tells of the match
        groups = lines.str.extract_groups(build.pattern(asked)).struct.unnest()
        if groups.get_column(f"g{asked.index(fixed)}").has_nulls():
            return None
        found |= {key: groups.get_column(f"g{at}") for at, key in enumerate(some)}
    return found


def members_of(lines: pl.Series) -> pl.Series:
    """All members of each object, as they stand between its braces."""
    return lines.str.strip_prefix("{").str.strip_suffix("}")


def columns_of(alike: Alike, plan: ShapePlan, pseudo: Mapping[int, pl.Series]) -> Columns:
    """The columns of all fields, and the members that no field reads, as one text a record."""
    height = len(alike.lines)
    nothing = pl.Series("_", [None], dtype=pl.String).new_from_index(0, height)
    names: dict[int, str] = {}
    absent: dict[int, str] = {}
    series, raw = [nothing], dict[int, pl.Series]()
    for index, field in enumerate(plan.fields):
        if index in pseudo:
            names[index] = f"p{index}"
            series.append(pseudo[index].alias(f"p{index}"))
        elif field.column is not None:
            names[index] = f"v{index}"
            raw[index] = found = alike.raw.get(field.column, nothing)
            if field.default is None and found.has_nulls():
                absent[index] = f"a{index}"
                series.append(found.is_null().alias(f"a{index}"))
    series += _texts(raw, plan)
    if plan.rest:
        read = {field.column for field in plan.fields}
        left = {key: values for key, values in alike.raw.items() if key not in read}
        series.append(_rest(left, height).alias("rest"))
    return Columns(pl.DataFrame(series), names, Extras(absent, "rest" if plan.rest else None))


def _texts(raw: Mapping[int, pl.Series], plan: ShapePlan) -> list[pl.Series]:
    """Members' values as the texts that the rules read; null for null and for no such key."""
    if not raw:
        return []
    frame = pl.DataFrame([values.alias(f"v{index}") for index, values in raw.items()])
    facts = frame.select(
        pl.all().eq("null").any().name.suffix("null"),
        pl.all().str.starts_with('"').any().name.suffix("text"),
        pl.all().str.contains("\\", literal=True).any().name.suffix("escape"),
    ).row(0, named=True)
    return frame.select(
        _text(
            name, plan.fields[index], *(facts[name + fact] for fact in ("null", "text", "escape"))
        )
        for index, name in zip(raw, frame.columns, strict=True)
    ).get_columns()


def _text(name: str, field: FieldPlan, nulls: bool, texts: bool, escapes: bool) -> pl.Expr:
    """One field's texts; what none of its values is need not be asked of any."""
    value = column = pl.col(name)
    if texts:
        is_text = column.str.starts_with('"')
        bare = column.str.strip_prefix('"').str.strip_suffix('"')
        text = unquoted(column) if escapes else bare
        if field.rule is not None and field.type != "json":
            value = text if not escapes else pl.when(is_text).then(text).otherwise(column)
        elif field.nulls:  # it travels as it came, unless the word in it means null
            value = pl.when(~(is_text & text.is_in(list(field.nulls)))).then(column)
    return (pl.when(column != "null").then(value) if nulls else value).alias(name)


def _rest(raw: Mapping[str, pl.Series], height: int) -> pl.Series:
    """These members as `"k":v,...`."""
    if not raw:
        return pl.Series([""]).new_from_index(0, height)
    frame = pl.DataFrame([values.alias(f"r{at}") for at, values in enumerate(raw.values())])
    members = [
        Member(
            quoted(key) + ":",
            [pl.col(f"r{at}")],
            pl.col(f"r{at}").is_null() if values.has_nulls() else None,
        )
        for at, (key, values) in enumerate(raw.items())
    ]
    return members_of(frame.select(line(members)).to_series())
