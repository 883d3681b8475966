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

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.job import FieldSettings, FieldType, Job
from ingest.model import Column, Layout, Schema
from ingest.shape.field_types import FITS, Constant, literal, rule_for, type_of_constant
from ingest.shape.rules import Rule


@dataclass(frozen=True, slots=True)
class FieldPlan:
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


@dataclass(frozen=True, slots=True)
class ShapePlan:
    """How records of one layout become the target's. `rest` is true if JSON keys that no field
    names travel on (a CSV's columns are all in `fields`). `key` is the upsert key."""

    layout: Layout
    fields: tuple[FieldPlan, ...]
    rest: bool = False
    key: str | None = None

    @property
    def passthrough(self) -> bool:
        """True if NDJSON lines travel just as they came."""
        return self.layout.format == "ndjson" and self.rest and not self.fields and not self.key


@dataclass(frozen=True, slots=True)
class Meeting:
    """What the plan is made from, besides the layout.

    `field_type` says which of our types a live column has; `guessed` holds types by source column.
    """

    job: Job
    schema: Schema | None
    field_type: Callable[[Column], FieldType]
    guessed: Mapping[str, FieldType] = field(default_factory=dict)


def make_plan(layout: Layout, meeting: Meeting) -> tuple[ShapePlan, tuple[str, ...]]:
    """The plan for this layout, and every conflict as a sentence."""
    job = meeting.job
    conflicts: list[str] = []
    plans = [_plan_field(n, f, layout, meeting, conflicts) for n, f in job.fields.items()]
    plans += _plan_rest(layout, meeting, conflicts)
    by_name = {plan.name: plan for plan in plans}
    if layout.format == "csv" or by_name or job.source.rest == "drop":
        _check_schema(by_name, layout, meeting, conflicts)
    key = job.target.upsert_key
    if key is not None and key not in by_name:
        if layout.format == "csv":
            conflicts.append(f"upsert_key {key!r} is no field of this job{_near(key, by_name)}")
        else:  # the key must be known of every record, so it is read though nobody named it
            plans.insert(0, FieldPlan(key, column=key, required=True))
    keep = job.source.rest == "keep" and layout.format == "ndjson"
    if not plans and not keep:
        conflicts.append('there is nothing to send: no [fields], and rest = "drop"')
    return ShapePlan(layout, tuple(plans), keep, key), tuple(conflicts)


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
    live = _live(meeting, name)
    if settings.sql is not None:
        kind = settings.type
        rule = rule_for(name, kind, settings, live) if kind else None
        return FieldPlan(name, kind, rule, sql=settings.sql, required=_is_required(settings, live))
    if settings.value is not None:
        return _constant_plan(name, settings.value, settings, meeting)
    kind = _type_of(name, settings, meeting)
    if settings.from_ is not None and settings.from_.startswith("@"):
        kind = kind or ("integer" if settings.from_ == "@line" else "string")
        rule = rule_for(name, kind, settings, live)
        return FieldPlan(name, kind, rule, pseudo=settings.from_)
    column = settings.from_ or name
    if layout.format == "csv" and column not in layout.columns:
        near = _near(column, layout.columns)
        conflicts.append(f"fields.{name}: the source has no column {column!r}{near}")
    return _reading_plan(name, column, settings, layout, (kind, meeting))


def _constant_plan(
    name: str, value: Constant, settings: FieldSettings, meeting: Meeting
) -> FieldPlan:
    """A text takes the live column's type, as a source's text would; the others have their own."""
    live = _live(meeting, name)
    taken = meeting.field_type(live) if live and isinstance(value, str) else type_of_constant(value)
    kind = settings.type or taken
    rule = rule_for(name, kind, settings, live)
    return FieldPlan(name, kind, rule, constant=literal(f"fields.{name}.value", value, kind, rule))


def _reading_plan(
    name: str,
    column: str,
    settings: FieldSettings,
    layout: Layout,
    context: tuple[FieldType | None, Meeting],
) -> FieldPlan:
    kind, meeting = context
    live = _live(meeting, name)
    rule = None
    if kind is not None or layout.format == "csv":
        rule = rule_for(name, kind or "string", settings, live)
    default = None
    if settings.default is not None:
        own = kind or ("string" if rule else type_of_constant(settings.default))
        reader = rule or rule_for(name, own, settings, live)
        default = literal(f"fields.{name}.default", settings.default, own, reader)
    return FieldPlan(
        name,
        kind,
        rule,
        column=column,
        position=layout.columns.index(column) if column in layout.columns else -1,
        nulls=_nulls(settings, layout, meeting.job),
        default=default,
        required=_is_required(settings, live),
    )


def _is_required(settings: FieldSettings, live: Column | None) -> bool:
    """A null would be refused, and with it the whole request it travels in."""
    live_wants = live is not None and live.required and settings.default is None
    return settings.required or live_wants


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


def _live(meeting: Meeting, name: str) -> Column | None:
    return meeting.schema.column(name) if meeting.schema else None


def _type_of(name: str, settings: FieldSettings, meeting: Meeting) -> FieldType | None:
    if settings.type is not None:
        return settings.type
    live = _live(meeting, name)
    if live is not None:
        return meeting.field_type(live)
    return meeting.guessed.get(settings.from_ or name)


def _near(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    folded = {n.casefold(): n for n in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    return f"; it has {', '.join(map(repr, list(names)[:20]))}" if names else ""


def _check_schema(
    plans: Mapping[str, FieldPlan], layout: Layout, meeting: Meeting, conflicts: list[str]
) -> None:
    schema, create = meeting.schema, meeting.job.target.create
    if schema is None:
        return
    for plan in plans.values():
        live = schema.column(plan.name)
        if live is None and not create and plan.name != "id":
            known = [column.name for column in schema.columns]
            conflicts.append(
                f"the table {schema.table!r} has no column {plan.name!r}{_near(plan.name, known)}"
                "; set create = true to add it"
            )
        elif live is not None and plan.type is not None:
            takes = meeting.field_type(live)
            if takes not in FITS[plan.type]:
                conflicts.append(
                    f"fields.{plan.name}: type {plan.type!r} does not go into the live column of"
                    f" type {live.type}; it takes {takes!r}"
                )
    if layout.format == "csv" or meeting.job.source.rest == "drop":
        conflicts += [
            f"the table {schema.table!r} requires {column.name!r}, and no field gives it"
            for column in schema.columns
            if column.required and column.name not in plans and column.name != "id"
        ]
