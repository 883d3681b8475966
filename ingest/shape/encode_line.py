"""The line of a record, glued together from its fields' pieces by one query.

A member that some record goes without (an absent JSON key, a null that shall not be sent) takes its
comma with it, and only such members cost anything: the others are glued as they stand. As soon as
one member is always there, the commas fall into place around it: before it they stand behind a
member, from it on in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeGuard

import polars as pl
from msgspec import Struct

from ingest.shape.rules import Spelling

LINE = "line"


class Spelt(Struct, frozen=True):
    """A column of the frame whose every value is spelt in one way: a piece of a line."""

    spelling: Spelling
    name: str


Piece = str | pl.Expr | Spelt


class Member(Struct, frozen=True):
    """One field in the line: `"name":`, the pieces of its value, and which rows go without it."""

    name: str
    pieces: Sequence[Piece]
    absent: pl.Expr | None = None


def line(members: Sequence[Member], rest: str | None = None) -> pl.Expr:
    """The whole record as one text. `rest` names a column with more members, as `"k":v,...`."""
    fixed = next((i for i, m in enumerate(members) if m.absent is None), None)
    if fixed is None:
        return _of_absent(members, rest)
    before = (_unless_absent(member, behind=",") for member in members[:fixed])
    parts: list[Piece] = ["{", *before]
    for index, member in enumerate(members[fixed:]):
        comma = "," if index else ""
        if member.absent is None:
            parts += [comma + member.name, *member.pieces]
        else:
            parts.append(_unless_absent(member, before=comma))
    if rest is not None:
        parts.append(_more(rest))
    parts.append("}")
    return _spelt_line(tuple(parts)) if _are_spelt(parts) else glued(parts)


def _of_absent(members: Sequence[Member], rest: str | None) -> pl.Expr:
    """The line where no member is sure to be there: the first comma is taken off again."""
    if not members:
        return glued(["{", "" if rest is None else pl.col(rest), "}"])
    parts = [_unless_absent(member, before=",") for member in members]
    if rest is not None:
        parts.append(_more(rest))
    return glued(["{", pl.concat_str(parts).str.strip_prefix(","), "}"])


def _unless_absent(member: Member, before: str = "", behind: str = "") -> pl.Expr:
    assert member.absent is not None
    text = glued([before, member.name, *member.pieces, behind])
    return pl.when(member.absent).then(pl.lit("")).otherwise(text)


def _more(rest: str) -> pl.Expr:
    column = pl.col(rest)
    return pl.when(column == "").then(column).otherwise(glued([",", column]))


def glued(pieces: Sequence[Piece]) -> pl.Expr:
    """One text of all pieces; neighbouring constants become one."""
    merged: list[str | pl.Expr] = []
    for piece in pieces:
        parts = piece.spelling.pieces(pl.col(piece.name)) if isinstance(piece, Spelt) else (piece,)
        for part in parts:
            if isinstance(part, str) and merged and isinstance(merged[-1], str):
                merged[-1] += part
            elif not isinstance(part, str) or part:
                merged.append(part)
    return pl.concat_str([pl.lit(p) if isinstance(p, str) else p for p in merged])


def _are_spelt(parts: Sequence[Piece]) -> TypeGuard[Sequence[str | Spelt]]:
    return not any(isinstance(part, pl.Expr) for part in parts)


@lru_cache(maxsize=64)
def _spelt_line(pieces: tuple[Piece, ...]) -> pl.Expr:
    """The line of a block in which every column is spelt in one way: the same for all of them, so
    it is put together once and not once a block."""
    return glued(pieces)


def unquoted(json: pl.Expr) -> pl.Expr:
    """The texts of JSON strings; other JSON stays as it is spelt."""
    struct = pl.Struct({"v": pl.String})
    wrapped = pl.concat_str(pl.lit('{"v":'), json, pl.lit("}"))
    is_text = json.str.starts_with('"')
    text = pl.when(is_text).then(wrapped).str.json_decode(struct).struct.field("v")
    return pl.when(is_text).then(text).otherwise(json)


def to_buffer(lines: pl.Series, record_end: bytes) -> bytes:
    """The lines as bytes, each with its end."""
    # A last line that is empty: `join` puts the ends between lines only.
    ended = pl.concat([lines, pl.Series(lines.name, [""], dtype=pl.String)], rechunk=False)
    joined = ended.str.join(record_end.decode())
    return bytes(joined.cast(pl.Binary).item())
