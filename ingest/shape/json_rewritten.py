"""Lines of NDJSON of which only names and quotes change, written anew without taking them apart.

Where each field is made of one member, in the members' own order, and every value travels as it is
written but for its quotes, all there is to do to a line is to put other texts between its values.
One pattern says of a block that its lines are such. Then a line is cut where a member starts, which
is behind `,"`; from each piece the key is cut off, and the target's is put before it.

That mark stands nowhere else, unless a text ends with a comma: a quote within a text is escaped,
and there are no objects and no arrays here. So if there are as many pieces as there should be, each
of them is a member; and a line that has more is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import polars as pl
from msgspec import Struct

from ingest.shape.encode_line import LINE
from ingest.shape.json_pattern import FILLED_TEXT, NUMBER, PLAIN_TEXT, Build
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import NEEDS_ESCAPE, Rule
from ingest.shape.splitting import in_columns, split
from ingest.shape.values import BadValue, quoted

_NUMBER_STARTS = tuple("-0123456789")


class Rewriting(Struct, frozen=True, dict=True):
    """How lines that match `line` become the target's.

    They are cut at each `mark` into one piece a member. A piece is preceded by its text of `before`
    and follows its own `cut` characters; `tails` are what it loses at its end. `end` ends the line.
    """

    line: str
    mark: str
    before: tuple[str, ...]
    cuts: tuple[int, ...]
    tails: tuple[str, ...]
    end: str

    @property
    def growth(self) -> int:
        """How many bytes a line grows by at most."""
        return sum(len(text.encode()) for text in (*self.before, self.end))

    def odd(self, lines: pl.Series) -> pl.Series:
        """The rows, rising, of lines that have another number of pieces."""
        marks = lines.str.count_matches(self.mark, literal=True)
        return (marks != len(self.cuts) - 1).arg_true()

    def __call__(self, lines: pl.Series) -> pl.Series | None:
        """The lines, written anew; None if some of them have another number of pieces."""
        pieces = split(lines, self.mark)
        if len(pieces) != len(lines) * len(self.cuts):
            return None
        return in_columns(pieces, len(self.cuts)).select_seq(self._glued).to_series()

    @cached_property
    def _glued(self) -> pl.Expr:
        """The line that is made of the pieces."""
        parts: list[pl.Expr] = []
        for at, (before, cut, tail) in enumerate(
            zip(self.before, self.cuts, self.tails, strict=True)
        ):
            value = pl.col(f"c{at}").str.slice(cut)
            parts += [pl.lit(before), value.str.strip_suffix(tail) if tail else value]
        return pl.concat_str([*parts, pl.lit(self.end)]).alias(LINE)


class _Value(Struct, frozen=True):
    """The value of a member: its pattern, and the quote around it that is, or shall be; of one that
    stays, neither."""

    pattern: str
    was: str = ""
    shall_be: str = ""


def rewriting_of(build: Build, plan: ShapePlan) -> Rewriting | None:
    """How to write lines of this build anew; None where they need more than that."""
    keys = list(build.values)
    if not _suits(build, plan):
        return None
    read = [field.column for field in plan.fields if field.column is not None]
    if keys[: len(read)] != read or not (plan.rest or len(read) == len(keys)):
        return None
    values = {key: _Value(f"(?:{build.values[key]}|null)") for key in keys[len(read) :]}
    for field in plan.fields:
        if field.column is not None:
            value = _value_of(build, field.column, field, plan)
            if value is None:
                return None
            values[field.column] = value
    return _rewriting(build, plan, values)


def _suits(build: Build, plan: ShapePlan) -> bool:
    """Whether the members can be told apart, and the fields are members and constants."""
    comma = build.style.comma
    plain = all(build.is_spelt_once(key) and not key.endswith(comma) for key in build.values)
    constants = (field.constant for field in plan.fields if field.column is None)
    fields = all(c is not None and (c != "null" or not plan.omit_nulls) for c in constants)
    return plain and fields and build.is_flat and not build.optional and plan.key is None


def _value_of(build: Build, key: str, field: FieldPlan, plan: ShapePlan) -> _Value | None:
    """A member's values if they are like those that were seen; None if they can't stay as written.

    A null stays a null; where it may not, none may be there. No text may be a word for it.
    """
    may_lack = not field.required and field.default is None and not plan.omit_nulls
    if field.rule is None:
        if field.nulls:
            return None
        return _Value(f"(?:{build.values[key]}|null)" if may_lack else build.values[key])
    seen = [value.decode() for value in build.seen[key] if value != b"null"]
    is_text = all(value[0] == '"' and "\\" not in value for value in seen)
    if not seen or (not is_text and any(value[0] == '"' for value in seen)):
        return None
    was = '"' if is_text else ""
    texts = [value.strip('"') for value in seen]
    spelt = _spelt(texts, field, field.rule, is_text=is_text)
    body = spelt and _but(field.nulls, texts, spelt[0])
    if spelt is None or body is None:
        return None
    shall_be = spelt[1]
    pattern = f"{was}(?:{body}){was}"
    if was != shall_be:
        return _Value(pattern, was, shall_be)
    return _Value(f"(?:{pattern}|null)" if may_lack else pattern)


def _but(words: Sequence[str], seen: Sequence[str], body: str) -> str | None:
    """What a pattern matches but for these words; None if that is no matter of a pattern, or some
    of them were seen."""
    matched = {word for word in words if re.fullmatch(body, word)}
    if not matched:
        return body
    is_empty = matched == {""} and body == PLAIN_TEXT and "" not in seen
    return FILLED_TEXT if is_empty else None


def _spelt(
    seen: Sequence[str], field: FieldPlan, rule: Rule, *, is_text: bool
) -> tuple[str, str] | None:
    """A pattern of texts that the field's rule lets stay as they are, and the quotes around them.

    Without quotes they are JSON, whatever the rule would take besides.
    """
    if rule.also is not None:
        return None
    if field.type == "boolean" and not is_text and {*seen} <= {"true", "false"}:
        return ("true|false", "") if _keeps_truth(rule) else None
    spelling = rule.spelling(seen[0])
    if spelling is None or spelling.respells or spelling.prefix != spelling.suffix:
        return None
    if spelling.pattern == NEEDS_ESCAPE:
        numbers = all(text[:1] in _NUMBER_STARTS for text in seen)
        body = PLAIN_TEXT if is_text else NUMBER if numbers else None
        return None if body is None else (body, spelling.prefix)
    if spelling.inverted or (spelling.prefix and not is_text):
        return None
    return spelling.body, spelling.prefix


def _keeps_truth(rule: Rule) -> bool:
    try:
        return (rule.scalar("true"), rule.scalar("false")) == ("true", "false")
    except BadValue:
        return False


def _rewriting(build: Build, plan: ShapePlan, values: Mapping[str, _Value]) -> Rewriting:
    mark, colon = build.style.comma + '"', build.style.colon
    before: list[str] = []
    cuts: list[int] = []
    tails: list[str] = []
    named = [(field.name, field.column, field.constant) for field in plan.fields]
    read = {field.column for field in plan.fields}
    named += [(key, key, None) for key in build.values if key not in read]
    put = "{"
    for index, (name, key, constant) in enumerate(named):
        put += ("," if index else "") + quoted(name) + ":"
        if key is None:
            put += constant or ""
            continue
        value = values[key]
        before.append(put + value.shall_be)
        cuts.append(len(("" if cuts else '{"') + quoted(key)[1:] + colon + value.was))
        tails.append(value.was)
        put = value.shall_be
    tails[-1] += "}"
    line = build.line({key: value.pattern for key, value in values.items()})
    return Rewriting(line, mark, tuple(before), tuple(cuts), tuple(tails), put + "}")
