"""What a run would find and change at the live table. Pure.

A run makes a table, or adds the columns that it lacks; it never changes what is there. So what the
job says of a column that is there already (its type, its flags, other properties) has no effect,
and is named here. What does not go together at all is a conflict and stops a run before it sends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ingest.job import FieldSettings, Job
from ingest.model import Column, Schema
from ingest.protocols import TableWish

FLAGS = ("required", "unique", "indexed")
_NOT_PROPERTIES = {*FLAGS, "type", "nullable"}


def table_report(
    job: Job,
    live: Schema | None,
    wish: TableWish | None,
    sent: Collection[str],
    own: Collection[str],
) -> dict[str, Any]:
    """The table and what would become of it. `wish` is what a run would have made, None where it
    makes nothing; `sent` are the names that travel, `own` the service's own columns."""
    lacking = (
        [c for c in wish.columns if live is None or live.column(c.name) is None] if wish else []
    )
    return {
        "exists": live is not None,
        "made": live is None and wish is not None,
        "columns_made": [_column(column) for column in lacking],
        "differs": list(_differences(job, live)) if live else [],
        "not_filled": [
            {"name": c.name, "type": c.type, "required": c.required}
            for c in (live.columns if live else ())
            if c.name not in sent and c.name not in own
        ],
    }


def column_types(live: Schema | None, wish: TableWish | None) -> Mapping[str, str]:
    """The service's type of each column, as it is or would be."""
    wished = {column.name: column.type for column in wish.columns} if wish else {}
    return {**wished, **({column.name: column.type for column in live.columns} if live else {})}


def _column(column: Column) -> dict[str, Any]:
    flags = [flag for flag in FLAGS if getattr(column, flag)]
    return {"name": column.name, "type": column.type, "flags": flags}


def _differences(job: Job, live: Schema) -> Iterable[str]:
    for name, settings in job.fields.items():
        column = live.column(name)
        if column is not None:
            yield from _of_column(name, settings, column)
    if job.target.create:
        for key, wished in job.table.items():
            found = live.properties.get(key)
            if found is not None and found != wished:
                yield f"table.{key}: the job says {wished!r}, the table has {found!r} and keeps it"


def _of_column(name: str, settings: FieldSettings, live: Column) -> Iterable[str]:
    wished = settings.target_type or settings.column.get("type")
    if wished and str(wished) != live.type:
        yield f"{name}: the job says type {wished}, the column is {live.type} and stays so"
    for flag in FLAGS:
        said = settings.column.get(flag)
        if isinstance(said, bool) and said != getattr(live, flag):
            state = flag if getattr(live, flag) else f"not {flag}"
            yield f"{name}: the job says {flag} = {str(said).lower()}, the column is {state}"
    for key, value in settings.column.items():
        found = live.properties.get(key)
        if key not in _NOT_PROPERTIES and found is not None and found != value:
            yield f"{name}: the job says {key} = {value!r}, the column has {found!r} and keeps it"
