"""What a run's mapping was: kept in the run's directory, so that its rows can be made anew.

A field's type may have come from the data or from the live table, and the table is another one by
now: the run itself may have made it, with wider types than the fields had (aito has no dates). So
what was met then is kept: the job's settings, the table before the run, the types that were
guessed, and how many rows there were. With these, and with files that did not change, the same
plans come out.

It is written by the process that begins a run; one that takes it up finds its own table there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import orjson
from msgspec import Struct, field

from ingest.build.rows_before import known_rows_before
from ingest.display import json_bytes
from ingest.errors import SettingsError
from ingest.job import FieldSettings, FieldType, Job, make_job
from ingest.meeting import Meant
from ingest.model import Column, Layout, Schema
from ingest.shape import sql
from ingest.shape.plan import ShapePlan, make_plan, with_integers
from ingest.shape.service import Meeting, ServiceTypes
from ingest.state import RunDir, write_private

NAME = "mapping.json"


class RunMapping(Struct, frozen=True):
    """A run's mapping. `before` is the table before the run, None where the run made it."""

    job: Job
    base_url: str
    before: Schema | None
    guessed: Mapping[str, FieldType] = field(default_factory=dict)
    rows_before: int | None = None
    rehearsed: bool = False


def keep_mapping(run: RunDir, job: Job, base_url: str, meant: Meant, *, rehearsed: bool) -> None:
    """Keep it, 0600. Raises SettingsError where that can't be done."""
    path = run.path / NAME
    if path.exists():
        return
    kept = {
        "settings": job.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "base": str(job.base.absolute()),
        "base_url": base_url,
        "rehearsed": rehearsed,
        "before": meant.before,
        "guessed": guessed_in(job, meant),
    }
    try:
        write_private(path, json_bytes(kept))
    except OSError as exc:
        raise SettingsError(
            f"the run's mapping can't be kept: {path}: {exc.strerror or exc}",
            "make room, or name another place with --state-dir",
        ) from exc


def guessed_in(job: Job, meant: Meant) -> dict[str, FieldType]:
    """The types that neither the job nor the table said, by source column."""
    found: dict[str, FieldType] = {}
    for plan in meant.plans.values():
        for one in plan.fields:
            settings = job.fields.get(one.name, FieldSettings())
            known = meant.before.column(one.name) if meant.before else None
            if one.column and one.type and settings.type is None and known is None:
                found[one.column] = one.type
    return found


def mapping_of(run: RunDir) -> RunMapping:
    """What was kept. Raises SettingsError where there is nothing that can be read."""
    path = run.path / NAME
    try:
        kept = orjson.loads(path.read_bytes())
        job = make_job(kept["settings"], base=Path(kept["base"]), shown=f"settings of {run.id}")
        before = _schema(kept["before"])
        guessed = cast("dict[str, FieldType]", dict(kept["guessed"]))
        base_url, rehearsed = str(kept["base_url"]), bool(kept["rehearsed"])
    except FileNotFoundError as exc:
        raise SettingsError(
            f"{run.id}: its directory does not say how its records became rows ({NAME})",
            "only runs of this version and later ones keep that",
        ) from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SettingsError(f"{path}: can't be read: {exc}") from exc
    rows = 0 if before is None else known_rows_before(run)
    return RunMapping(job, base_url, before, guessed, rows, rehearsed)


def plans_of(
    mapping: RunMapping, layouts: Mapping[Layout, str], types: ServiceTypes
) -> dict[Layout, ShapePlan]:
    """The plans that the run had. Raises SettingsError where one can't be made any more."""
    meeting = Meeting(mapping.job, mapping.before, types, mapping.guessed)
    plans: dict[Layout, ShapePlan] = {}
    for layout, file in layouts.items():
        plan, conflicts = make_plan(layout, meeting)
        if conflicts:
            raise SettingsError(f"{conflicts[0]} (in {file})")
        plans[layout] = plan
    made = _made_by_sql(next(iter(plans.values()), None))
    return {layout: with_integers(plan, made, meeting) for layout, plan in plans.items()}


def columns_of(mapping: RunMapping, plans: Mapping[Layout, ShapePlan], schema: Schema) -> list[str]:
    """The columns of the live table that the run's records have a say in: those of its fields, and
    where other members travel too, all but the service's own."""
    names = {field.name: None for plan in plans.values() for field in plan.fields}
    if any(plan.rest for plan in plans.values()):
        own = {"created_at", "updated_at", "id", mapping.job.delivery.stamp}
        users = (c.name for c in schema.columns if not c.properties.get("system"))
        names |= {name: None for name in users if name not in own}
    return list(names)


def _made_by_sql(plan: ShapePlan | None) -> dict[str, FieldType]:
    """The types of the fields that SQL makes."""
    types: dict[str, FieldType | None] = {}
    made: dict[str, FieldType] = {}
    for one in plan.fields if plan else ():
        types[one.name] = one.type
        if one.sql is not None:
            others = {name: kind for name, kind in types.items() if name != one.name}
            made[one.name] = one.type or sql.check(one.name, one.sql, others)
            types[one.name] = made[one.name]
    return made


def _schema(kept: dict[str, Any] | None) -> Schema | None:
    if kept is None:
        return None
    columns = tuple(Column(**column) for column in kept["columns"])
    return Schema(kept["table"], columns, kept["properties"])
