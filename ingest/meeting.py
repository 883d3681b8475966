"""Before the first record: data, job and live table meet, and the table is made or widened.

Asks the target (`describe`), guesses the types nobody named where the table is to be made, makes a
plan for each layout, and raises one SettingsError that lists every conflict. Only when all of it
fits together does it change anything at the service (`ensure`), and only if the job says `create`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from ingest.errors import SettingsError
from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Block, Column, Format, Layout, Schema
from ingest.protocols import TableWish, Target
from ingest.shape import sql
from ingest.shape.infer import guess_types
from ingest.shape.plan import ShapePlan, make_plan, untyped_columns, with_integers
from ingest.shape.service import Meeting, ServiceTypes

FLAGS = ("required", "unique", "indexed")
Note = Callable[[str], None]


class PreparedSource(Protocol):
    """What a source knows of its input before it is read."""

    @property
    def format(self) -> Format:
        """csv or ndjson."""
        ...

    @property
    def layouts(self) -> Mapping[Layout, str]:
        """Every layout, with the first file that has it."""
        ...

    @property
    def sample(self) -> Sequence[Block]:
        """The first records, none if there are none; blocks of one layout."""
        ...


class Meant(Struct, frozen=True):
    """What was settled: how each layout is shaped, and the table as it is now; `made` just so.

    `before` is the table as it was, None where there was none.
    """

    format: Format
    plans: Mapping[Layout, ShapePlan]
    schema: Schema
    made: bool = False
    before: Schema | None = None


async def meet(
    job: Job, prepared: PreparedSource, target: Target, types: ServiceTypes, note: Note
) -> Meant:
    """Settle everything. Raises SettingsError naming every conflict; then nothing was changed."""
    live = await target.describe()
    if live is None and not job.target.create:
        raise SettingsError(
            f"{target.shown}: there is no such table",
            "set create = true in [target] to have it made from the fields",
        )
    guessed = _guessed(job, prepared, live, types, note) if job.target.create else {}
    meeting = Meeting(job, live, types, guessed)
    plans: dict[Layout, ShapePlan] = {}
    conflicts: dict[str, None] = {}
    for layout, file in prepared.layouts.items():
        plan, found = make_plan(layout, meeting)
        plans[layout] = plan
        conflicts.update(dict.fromkeys(f"{text} (in {file})" for text in found))
    if conflicts:
        raise SettingsError("\n".join(conflicts))
    made = _check_sql(next(iter(plans.values()), None))
    plans = {layout: with_integers(plan, made, meeting) for layout, plan in plans.items()}
    wish = _wish(plans.values(), made, meeting)
    schema = await target.ensure(wish) if job.target.create else live
    assert schema is not None
    return Meant(prepared.format, plans, schema, made=live is None, before=live)


def _guessed(
    job: Job, prepared: PreparedSource, live: Schema | None, types: ServiceTypes, note: Note
) -> dict[str, FieldType]:
    """Types of the columns that neither the job nor the table types, said to the person."""
    if not prepared.sample:
        return {}
    wanted = untyped_columns(job, prepared.sample[0].layout, live)
    guessed = guess_types(prepared.sample, wanted, job, types)
    if guessed.types:
        shown = ", ".join(f"{name} {kind}" for name, kind in guessed.types.items())
        note(f"types taken from the first records: {shown}")
    for name, reason in guessed.reasons.items():
        if live is None or live.column(wanted.get(name, name)) is None:
            note(f"{name} {guessed.types[name]}: {reason}")
    return guessed.types


def _check_sql(plan: ShapePlan | None) -> dict[str, FieldType]:
    """Refuse what is no row-wise SQL; the types that the fields made by it have."""
    types: dict[str, FieldType | None] = {}
    made: dict[str, FieldType] = {}
    for field in plan.fields if plan else ():
        types[field.name] = field.type
        if field.sql is not None:
            before = {name: kind for name, kind in types.items() if name != field.name}
            found = sql.check(field.name, field.sql, before)
            made[field.name] = field.type or found
            types[field.name] = made[field.name]
    return made


def _wish(plans: Iterable[ShapePlan], made: Mapping[str, FieldType], meeting: Meeting) -> TableWish:
    """The table that the fields of all layouts need. `made` are the types of what SQL makes."""
    job, types = meeting.job, meeting.types
    guessed = {**meeting.guessed, **made}
    columns: dict[str, Column] = {}
    for plan in plans:
        for field in plan.fields:
            known = field.type or guessed.get(field.name, "string")
            columns.setdefault(field.name, _column(field.name, known, meeting))
        if plan.rest:
            read = {field.column for field in plan.fields}
            for name in sorted(guessed.keys() - read):
                columns.setdefault(name, Column(name, types.column_type(guessed[name])))
    for name in types.own_columns:
        columns.pop(name, None)
    return TableWish(job.target.table, dict(job.table), tuple(columns.values()))


def _column(name: str, known: FieldType, meeting: Meeting) -> Column:
    """The column that a field needs, with the properties that the job gives it."""
    types, settings = meeting.types, meeting.job.fields.get(name, FieldSettings())
    meant = {*FLAGS, "type", *(["nullable"] if types.strict_nulls else [])}
    return Column(
        name,
        types.wished_type(settings, known),
        required=types.wished_required(settings, widening=meeting.schema is not None),
        unique=bool(settings.column.get("unique", False)),
        indexed=bool(settings.column.get("indexed", False)),
        properties={k: v for k, v in settings.column.items() if k not in meant},
    )
