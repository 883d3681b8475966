"""What was taken out of NDJSON lines as the columns that `encode` wants.

A field's column holds the texts that its rule reads, null for null and for no such key; the two are
told apart by a column beside it. Members that no field reads are glued into one text a record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl
from msgspec import Struct

from ingest.shape.encode import Extras
from ingest.shape.encode_line import Member, line, unquoted
from ingest.shape.json_alike import Members
from ingest.shape.json_spelled import known_of
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import Spelling
from ingest.shape.values import quoted

REST = Extras(rest="rest")


class Columns(Struct, frozen=True):
    """What `encode` wants: a column of texts for each field that reads one, by its index, and the
    spellings that are known of them."""

    frame: pl.DataFrame
    names: Mapping[int, str]
    extras: Extras
    known: Mapping[int, Spelling]


def members_of(lines: pl.Series) -> pl.Series:
    """All members of each object, as they stand between its braces."""
    return lines.str.strip_prefix("{").str.strip_suffix("}")


def columns_of(
    members: Members, plan: ShapePlan, height: int, pseudo: Mapping[int, pl.Series]
) -> Columns:
    """The columns of all fields, and the members that no field reads, as one text a record.

    `pseudo` columns are those of the whole block of this height.
    """
    if members.rows is not None:
        pseudo = {index: values.gather(members.rows) for index, values in pseudo.items()}
        height = len(members.rows)
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
            found = members.taken.get(field.column, nothing)
            if field.column in members.wanted and members.wanted[field.column].is_text:
                series.append(found.alias(f"v{index}"))
            else:
                raw[index] = found
            may_lack = field.default is None and field.column not in members.always
            if may_lack and found.has_nulls():
                absent[index] = f"a{index}"
                series.append(found.is_null().alias(f"a{index}"))
    series += _texts(raw, plan)
    rest = _rest(members, {field.column for field in plan.fields}) if plan.rest else None
    if rest is not None:
        series.append(rest.alias("rest"))
    extras = Extras(absent, None if rest is None else "rest")
    return Columns(pl.DataFrame(series), names, extras, known_of(members.wanted, plan))


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


def _rest(members: Members, read: Collection[str | None]) -> pl.Series | None:
    """The members that no field reads as `"k":v,...`; None if there are none."""
    left = {key: values for key, values in members.taken.items() if key not in read}
    whole = [members.wanted[key].group.until is not None for key in left]
    if not left:
        return None
    if whole == [True]:
        return next(iter(left.values()))
    frame = pl.DataFrame([values.alias(f"r{at}") for at, values in enumerate(left.values())])
    glued = [
        Member(
            "" if whole[at] else quoted(key) + ":",
            [pl.col(f"r{at}")],
            pl.col(f"r{at}").is_null() if values.has_nulls() else None,
        )
        for at, (key, values) in enumerate(left.items())
    ]
    return members_of(frame.select(line(glued)).to_series())
