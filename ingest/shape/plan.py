"""Where the job's fields, the source's columns and the live schema meet. Pure.

`make_plan` answers two questions at once: how is each field of the target made (`ShapePlan`), and
what does not go together (`conflicts`, each a sentence with the way on). Conflicts are all found
before anything is sent. A plan belongs to one layout; files whose headers differ have plans of
their own that agree in everything but positions.

The order of the fields in a record is the job's, then the source's for what travels under its own
name (`rest = "keep"`). A field with no type takes the live column's; failing that, what the first
part of the data showed (`guessed`); failing that it is text.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Layout, Schema
from ingest.shape.conflicts import Named, near, of_names, of_settings, of_table
from ingest.shape.field_types import Constant, literal, rule_for, type_of_constant
from ingest.shape.rules import Rule
from ingest.shape.service import Meeting


class FieldPlan(Struct, frozen=True):
    """How one field is made. Exactly one of `column`, `pseudo`, `constant` and `sql` is set.

    `column` is the source's name, `position` its place in a CSV's columns. `constant` and `default`
    are JSON texts. `rule` is None for a JSON value that travels as it came. `nulls` are the words
    that mean null.
    """

    name: str
    type: FieldType | None = None
    rule: Rule | None = None
    column: str | None = None
    position: int = -1
    pseudo: str | None = None
    constant: str | None = None
    sql: str | None = None
    nulls: tuple[str, ...] = ()
    default: str | None = None
    required: bool = False


class ShapePlan(Struct, frozen=True):
    """How records of one layout become the target's.

    `rest` is true if JSON keys that no field names travel on (a CSV's columns are all in `fields`);
    those in `must` may not lack or be null. `key` is the upsert key. With `omit_nulls` a field
    without a value is left out of the record.
    """

    layout: Layout
    fields: tuple[FieldPlan, ...]
    rest: bool = False
    key: str | None = None
    must: tuple[str, ...] = ()
    omit_nulls: bool = False

    @property
    def passthrough(self) -> bool:
        """True if NDJSON lines travel just as they came."""
        return self.layout.format == "ndjson" and self.rest and not self.fields and not self.key


def make_plan(layout: Layout, meeting: Meeting) -> tuple[ShapePlan, tuple[str, ...]]:
    """The plan for this layout, and every conflict as a sentence.

    Raises SettingsError for a constant or a format that no record could be made with.
    """
    job = meeting.job
    conflicts: list[str] = of_settings(meeting)
    plans = [_plan_field(n, f, layout, meeting, conflicts) for n, f in job.fields.items()]
    plans += _plan_rest(layout, meeting, conflicts)
    keep = job.source.rest == "keep" and layout.format == "ndjson"
    named = Named({p.name: p.type for p in plans}, {p.column for p in plans}, rest=keep)
    conflicts += of_names(named, meeting)
    must: tuple[str, ...] = ()
    if plans or not keep:
        found, must = of_table(named, meeting)
        conflicts += found
    key = job.target.upsert_key
    if key is not None and key not in named.types:
        if layout.format == "csv":
            conflicts.append(f"upsert_key {key!r} is no field of this job{near(key, named.types)}")
        else:  # the key must be known of every record, so it is read though nobody named it
            plans.insert(0, FieldPlan(key, column=key, required=True))
    if not plans and not keep:
        conflicts.append('there is nothing to send: no [fields], and rest = "drop"')
    omit = job.target.nulls == "omit"
    return ShapePlan(layout, tuple(plans), keep, key, must, omit), tuple(conflicts)


def with_integers(plan: ShapePlan, made: Mapping[str, FieldType], meeting: Meeting) -> ShapePlan:
    """The plan with the bounds of their columns on integers that SQL makes.

    `made` are the types of the fields made by SQL.
    """
    fields = list(plan.fields)
    for index, field in enumerate(fields):
        settings = meeting.job.fields.get(field.name)
        if settings is None or field.rule is not None or made.get(field.name) != "integer":
            continue
        if meeting.integers(field.name, settings) is not None:
            fields[index] = replace(field, rule=_rule(field.name, "integer", settings, meeting))
    return replace(plan, fields=tuple(fields))


def source_column(name: str, settings: FieldSettings) -> str | None:
    """The source column that a field reads, None if it reads none."""
    if settings.sql is not None or settings.value is not None:
        return None
    column = settings.from_ or name
    return None if column.startswith("@") else column


def untyped_columns(job: Job, layout: Layout, schema: Schema | None) -> dict[str, str]:
    """Source columns whose type nobody says yet, with the names they travel under."""
    wanted = {
        column: name
        for name, f in job.fields.items()
        if f.type is None and (column := source_column(name, f)) is not None
    }
    named = {source_column(name, f) for name, f in job.fields.items()}
    if job.source.rest == "keep":
        wanted |= {c: c for c in layout.columns if c not in named}
    live = schema.columns if schema else ()
    known = {column.name for column in live}
    return {c: n for c, n in wanted.items() if n not in known}


def _plan_field(
    name: str,
    settings: FieldSettings,
    layout: Layout,
    meeting: Meeting,
    conflicts: list[str],
) -> FieldPlan:
    if settings.sql is not None:
        kind = settings.type
        rule = _rule(name, kind, settings, meeting) if kind else None
        required = meeting.is_required(name, settings)
        return FieldPlan(name, kind, rule, sql=settings.sql, required=required)
    if settings.value is not None:
        return _constant_plan(name, settings.value, settings, meeting)
    kind = _type_of(name, settings, meeting)
    if settings.from_ is not None and settings.from_.startswith("@"):
        kind = kind or ("integer" if settings.from_ == "@line" else "string")
        rule = _rule(name, kind, settings, meeting)
        return FieldPlan(name, kind, rule, pseudo=settings.from_)
    column = settings.from_ or name
    if layout.format == "csv" and column not in layout.columns:
        there = near(column, layout.columns)
        conflicts.append(f"fields.{name}: the source has no column {column!r}{there}")
    return _reading_plan(name, column, settings, layout, (kind, meeting))


def _constant_plan(
    name: str, value: Constant, settings: FieldSettings, meeting: Meeting
) -> FieldPlan:
    """A text takes the live column's type, as a source's text would; the others have their own."""
    live, own = meeting.live(name), type_of_constant(value)
    kind = settings.type
    if kind is None:
        kind = meeting.types.field_type(live) if live and isinstance(value, str) else own
    rule = _rule(name, kind, settings, meeting)
    return FieldPlan(name, kind, rule, constant=literal(f"fields.{name}.value", value, kind, rule))


def _reading_plan(
    name: str,
    column: str,
    settings: FieldSettings,
    layout: Layout,
    context: tuple[FieldType | None, Meeting],
) -> FieldPlan:
    kind, meeting = context
    rule = None
    if kind is not None or layout.format == "csv":
        rule = _rule(name, kind or "string", settings, meeting)
    default = None
    if settings.default is not None:
        own = kind or ("string" if rule else type_of_constant(settings.default))
        reader = rule or _rule(name, own, settings, meeting)
        default = literal(f"fields.{name}.default", settings.default, own, reader)
    return FieldPlan(
        name,
        kind,
        rule,
        column=column,
        position=layout.columns.index(column) if column in layout.columns else -1,
        nulls=_nulls(settings, layout, meeting.job),
        default=default,
        required=meeting.is_required(name, settings),
    )


def _rule(name: str, kind: FieldType, settings: FieldSettings, meeting: Meeting) -> Rule:
    integers = meeting.integers(name, settings) if kind == "integer" else None
    return rule_for(name, kind, settings, meeting.live(name), integers)


def _nulls(settings: FieldSettings, layout: Layout, job: Job) -> tuple[str, ...]:
    """NDJSON has a null of its own, so there only words that somebody wrote down mean null."""
    if settings.nulls is not None:
        return settings.nulls
    said = layout.format == "csv" or "nulls" in job.source.model_fields_set
    return job.source.nulls if said else ()


def _plan_rest(layout: Layout, meeting: Meeting, conflicts: list[str]) -> list[FieldPlan]:
    job = meeting.job
    if job.source.rest == "drop" or layout.format == "ndjson":
        return []
    named = {source_column(name, f) for name, f in job.fields.items()}
    plans = []
    for column in layout.columns:
        if column in named:
            continue
        if column in job.fields:
            conflicts.append(
                f"the source column {column!r} would travel under the name of the field {column!r},"
                ' which reads another one; rename the field or set rest = "drop"'
            )
            continue
        empty = FieldSettings()
        kind = _type_of(column, empty, meeting)
        plans.append(_reading_plan(column, column, empty, layout, (kind, meeting)))
    return plans


def _type_of(name: str, settings: FieldSettings, meeting: Meeting) -> FieldType | None:
    if settings.type is not None:
        return settings.type
    live = meeting.live(name)
    if live is not None:
        return meeting.types.field_type(live)
    return meeting.guessed.get(settings.from_ or name)
