"""What one pattern takes out of the lines of NDJSON, so that as little as possible is asked later.

The values that were seen of a member tell how the others are likely to be written: all of them
texts without escapes, say, or numbers. Then the pattern takes out what the field's rule reads (the
text without its quotes) and leaves a null out; and where the rule has a spelling for it, that
stands in the pattern, so that a line which matches is known to be spelt so. Such a column is ready
to be glued into its lines, and nobody looks at its values again.

Only spellings that can be matched in one pass are put in (the next character alone says how to go
on): one that can't makes the whole pattern several times as slow. The others are asked of their
column afterwards, as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ingest.shape.json_pattern import NUMBER, PLAIN_TEXT, Build, Group
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import PLAIN_DECIMAL, PLAIN_INTEGER, Spelling

IN_ONE_PASS = frozenset({PLAIN_DECIMAL, PLAIN_INTEGER})
AS_IT_CAME = Spelling("")


class Wanted(Struct, frozen=True):
    """What is taken out of one member.

    `is_text`: it is what the rule of its only field reads, and null for a null; else the value as
    it is written, or members that no field reads, as they stand (`group.until`). `known` is a
    spelling of all that is taken out, but of words that mean null.
    """

    group: Group
    is_text: bool = False
    known: Spelling | None = None


def wanted_of(build: Build, plan: ShapePlan, *, sure: bool) -> dict[str, Wanted]:
    """What the plan wants of each member, by key. If not `sure`, no value is hoped to be like those
    that were seen."""
    readers: dict[str, list[FieldPlan]] = {}
    for field in plan.fields:
        if field.column is not None:
            readers.setdefault(field.column, []).append(field)
    wanted: dict[str, Wanted] = {}
    run: str | None = None  # the first of the members that are taken out together
    for key, value in build.values.items():
        if key not in readers and plan.rest and build.joins(key):
            run = run or key
            wanted[run] = Wanted(Group("", until=key))
            continue
        run = None
        if key in readers or plan.rest:
            found = _hoped(build, key, readers.get(key, ())) if sure else None
            wanted[key] = found or Wanted(Group(f"(?:{value}|null)", nullable=False))
    return wanted


def _hoped(build: Build, key: str, readers: Sequence[FieldPlan]) -> Wanted | None:
    """What is taken out if the others are written like those that were seen; None for no hope."""
    if len(readers) != 1 or readers[0].type == "json":
        return None
    field, nullable = readers[0], key not in build.optional
    if field.rule is None:
        group = Group(build.values[key], nullable=nullable)
        return None if field.nulls else Wanted(group, is_text=True, known=AS_IT_CAME)
    seen = [value.decode() for value in build.seen[key] if value != b"null"]
    if seen and all(value[0] == '"' and "\\" not in value for value in seen):
        body, known = _spelt([value[1:-1] for value in seen], PLAIN_TEXT, field)
        return Wanted(Group(body, quoted=True, nullable=nullable), is_text=True, known=known)
    if seen and all(value[0] in "-0123456789" for value in seen):
        body, known = _spelt(seen, NUMBER, field)
        return Wanted(Group(body, nullable=nullable), is_text=True, known=known)
    return None


def _spelt(seen: Sequence[str], body: str, field: FieldPlan) -> tuple[str, Spelling | None]:
    """The pattern to take such texts out by, and the spelling that it holds them to, if any.

    `body` is that of all texts of the kind; none of them needs an escape.
    """
    rule = field.rule
    text = next((text for text in seen if text not in field.nulls), None)
    if rule is None or rule.also is not None or text is None:
        return body, None
    spelling = rule.spelling(text)
    if spelling is not None and spelling.inverted:
        return body, spelling
    if spelling is None or spelling.pattern not in IN_ONE_PASS or field.nulls:
        return body, None
    return spelling.body, spelling


def known_of(wanted: Mapping[str, Wanted], plan: ShapePlan) -> dict[int, Spelling]:
    """The spellings that are known, by the field's index."""
    return {
        index: found.known
        for index, field in enumerate(plan.fields)
        if field.column is not None
        and (found := wanted.get(field.column)) is not None
        and found.known is not None
    }
