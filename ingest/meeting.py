"""Before the first record: data, job and live table meet, and the table is made or widened.

Asks the target (`describe`), guesses the types nobody named where the table is to be made, makes a
plan for each layout, and raises one SettingsError that lists every conflict. Only when all of it
fits together does it change anything at the service (`ensure`), and only if the job says `create`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.errors import SettingsError
from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Block, Column, Format, Layout, Schema
from ingest.protocols import TableWish, Target
from ingest.shape import sql
from ingest.shape.infer import guess_types
from ingest.shape.plan import Meeting, ShapePlan, make_plan, untyped_columns

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


@dataclass(frozen=True, slots=True)
class ServiceTypes:
    """How a service's column types and our field types translate.

    `column_type` raises SettingsError for a type that the service does not have.
    """

    column_type: Callable[[FieldType], str]
    field_type: Callable[[Column], FieldType]


@dataclass(frozen=True, slots=True)
class Meant:
    """What was settled: how each layout is shaped, and the table as it is now."""

    format: Format
    plans: Mapping[Layout, ShapePlan]
    schema: Schema


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
    guessed = _guessed(job, prepared, live, note) if job.target.create else {}
    meeting = Meeting(job, live, types.field_type, guessed)
    plans: dict[Layout, ShapePlan] = {}
    conflicts: dict[str, None] = {}
    for layout, file in prepared.layouts.items():
        plan, found = make_plan(layout, meeting)
        plans[layout] = plan
        conflicts.update(dict.fromkeys(f"{text} (in {file})" for text in found))
    if conflicts:
        raise SettingsError("\n".join(conflicts))
    made = _check_sql(next(iter(plans.values()), None))
    wish = _wish(job, plans.values(), guessed | made, types)
    schema = await target.ensure(wish) if job.target.create else live
    assert schema is not None
    return Meant(prepared.format, plans, schema)


def _guessed(
    job: Job, prepared: PreparedSource, live: Schema | None, note: Note
) -> dict[str, FieldType]:
    """Types of the columns that neither the job nor the table types, said to the person."""
    if not prepared.sample:
        return {}
    layout = prepared.sample[0].layout
    wanted = untyped_columns(job, layout, live)
    guessed = guess_types(prepared.sample, wanted, job)
    if guessed:
        shown = ", ".join(f"{name} {kind}" for name, kind in guessed.items())
        note(f"types taken from the first records: {shown}")
    return guessed


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


def _wish(
    job: Job,
    plans: Iterable[ShapePlan],
    guessed: Mapping[str, FieldType],
    types: ServiceTypes,
) -> TableWish:
    """The table that the fields of all layouts need."""
    columns: dict[str, Column] = {}
    for plan in plans:
        for field in plan.fields:
            settings = job.fields.get(field.name, FieldSettings())
            known = field.type or guessed.get(field.name, "string")
            columns.setdefault(field.name, _column(field.name, known, settings, types))
        if plan.rest:
            read = {field.column for field in plan.fields}
            for name in sorted(guessed.keys() - read):
                columns.setdefault(name, Column(name, types.column_type(guessed[name])))
    columns.pop("id", None)  # every table has it
    return TableWish(job.target.table, dict(job.table), tuple(columns.values()))


def _column(name: str, known: FieldType, settings: FieldSettings, types: ServiceTypes) -> Column:
    properties = {k: v for k, v in settings.column.items() if k not in (*FLAGS, "type")}
    flags = {flag: bool(settings.column.get(flag, False)) for flag in FLAGS}
    kind = settings.target_type or settings.column.get("type") or types.column_type(known)
    return Column(name, kind, properties=properties, **flags)
