"""The kernel's program for a plan: which bytes of a record stand before and behind which value.

Only what is decided for a whole block can be put into one: a value travels as it is spelt, or, a
text of any kind, escaped where it needs it. A field that is computed has no place in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingest.kernel import ANY_SIZE, Member, Program
from ingest.shape.encode import NULL
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.rules import Spelling
from ingest.shape.values import quoted

PER_FILE = ("@stem", "@name", "@path")


def program_of(
    plan: ShapePlan, spellings: Mapping[int, Spelling], record_end: bytes, *, escaping: bool
) -> Program | None:
    """The program for blocks whose fields are spelt so; None if there can't be one.

    With `escaping` values may be quoted, and the texts among them be anything. What a file says of
    all its records, its name, say, is a text of the range (`per_file`).
    """
    if plan.key is not None:
        return None
    members, columns = _Members(plan), len(plan.layout.columns)
    texts = {index: columns + at for at, (index, _) in enumerate(per_file(plan))}
    for index, field in enumerate(plan.fields):
        if field.constant is not None or _has_no_source(field):
            members.constant(field)
        elif index in texts:
            members.add(Member(texts[index], members.start(field)))
        elif not members.read(field, spellings.get(index), escaping=escaping):
            return None
    return Program(
        columns=columns,
        delimiter=plan.layout.dialect.delimiter,
        members=tuple(members.done),
        end=members.pending + b"}" + record_end,
        escaping=escaping,
        quote=plan.layout.dialect.quote,
        texts=len(texts),
    )


def per_file(plan: ShapePlan) -> list[tuple[int, FieldPlan]]:
    """The fields, with their indexes, that have one value for all records of a file."""
    return [(i, f) for i, f in enumerate(plan.fields) if f.pseudo in PER_FILE and f.type != "json"]


def _has_no_source(field: FieldPlan) -> bool:
    """Nothing is read for it, and nothing has to be there."""
    is_read = field.position >= 0 or field.pseudo is not None or field.sql is not None
    return not is_read and not field.required


class _Members:
    """The members so far, and the constants that the next one takes along."""

    def __init__(self, plan: ShapePlan) -> None:
        self._omits = plan.omit_nulls
        self._quote = plan.layout.dialect.quote
        self.done: list[Member] = []
        self.pending = b""

    def start(self, field: FieldPlan) -> bytes:
        """What stands in front of this field's value."""
        return self.pending + f",{quoted(field.name)}:".encode()

    def constant(self, field: FieldPlan) -> None:
        """A field that has the same value in every record."""
        value = field.constant or field.default or NULL
        if value != NULL or not self._omits:
            self.pending = self.start(field) + value.encode()

    def add(self, member: Member) -> None:
        """One that has a value of its own."""
        self.done.append(member)
        self.pending = b""

    def _as_written(self, word: str) -> bytes:
        """A word as it stands in a field, quotes doubled: so fields are held against it."""
        return (word.replace(self._quote, 2 * self._quote) if self._quote else word).encode()

    def read(self, field: FieldPlan, spelling: Spelling | None, *, escaping: bool) -> bool:
        """A field that reads a column whose values are spelt so. False if it can't be moved."""
        rule, start = field.rule, self.start(field)
        if field.position < 0 or rule is None or field.type == "json":
            return False
        if spelling is None and (rule.any_text is None or not escaping):
            return False
        spelt = spelling or rule.spellings[0]
        is_left_out = self._omits and field.default is None
        most = ANY_SIZE if spelling or rule.any_text is None else rule.any_text
        null = self.pending if is_left_out else start + (field.default or NULL).encode()
        self.add(
            Member(
                cell=field.position,
                before=start + spelt.prefix.encode(),
                behind=spelt.suffix.encode(),
                nulls=tuple(self._as_written(word) for word in field.nulls),
                instead=None if field.required else null,
                strip=len(spelt.strip),
                swap=spelt.swap,
                most_bytes=min(ANY_SIZE, most),
            )
        )
        return True
