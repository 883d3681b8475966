"""What does not go together between a job's fields and the service's columns. Pure.

Each conflict is a sentence with the way on; all of them are found before anything is sent, so that
a person mends them in one go. What only the data could show is no conflict but a record's reject.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from ingest.job import FieldType
from ingest.model import Column, Schema
from ingest.shape.field_types import FITS
from ingest.shape.service import Meeting


class Named(Struct, frozen=True):
    """The fields of a plan: their types by name, and the source columns that they read.

    `rest`: members of a JSON record that no field reads travel, too.
    """

    types: Mapping[str, FieldType | None]
    read: AbstractSet[str | None]
    rest: bool


def of_settings(meeting: Meeting) -> list[str]:
    """Properties of columns that mean something here and can't be read."""
    found = []
    for name, settings in meeting.job.fields.items() if meeting.types.strict_nulls else ():
        nullable = settings.column.get("nullable", False)
        place = f"fields.{name}.column.nullable"
        if not isinstance(nullable, bool):
            found.append(f"{place}: must be true or false")
        elif nullable and settings.column.get("required"):
            found.append(f"{place}: a column is required or nullable, not both")
    return found


def of_names(fields: Named, meeting: Meeting) -> list[str]:
    """Names under which the service can have no column, unless it has it."""
    unnamed = sorted(meeting.guessed.keys() - fields.read) if fields.rest else []
    found = []
    for name in dict.fromkeys((*fields.types, *unnamed)):
        problem = meeting.types.column_name_problem(name)
        if problem and meeting.live(name) is None:
            if name in meeting.job.fields:
                found.append(f"fields.{name}: {name!r} can't be a column's name: {problem}")
                continue
            better = re.sub(r"\W+", "_", name).strip("_") or "column"
            found.append(
                f"the source's {name!r} can't be a column's name: {problem}; give it another one:"
                f" [fields] {better} = {{ from = {_quoted(name)} }}"
            )
    return found


def of_table(fields: Named, meeting: Meeting) -> tuple[list[str], tuple[str, ...]]:
    """What does not go into the live table; and the names of members that no field reads, which
    every record must have."""
    schema = meeting.schema
    if schema is None:
        return [], ()
    found: list[str] = []
    for name, kind in fields.types.items():
        live = schema.column(name)
        found += _unknown(name, schema, meeting) if live is None else _misfit(live, kind, meeting)
    wanted = [
        column.name
        for column in schema.columns
        if column.required
        and column.name not in fields.types
        and column.name not in meeting.types.own_columns
    ]
    may_come = {n for n in wanted if fields.rest and n not in fields.read}
    lacking = [n for n in wanted if n not in may_come]
    if fields.rest and not meeting.types.strict_nulls:
        return found, ()
    found += [f"the table {schema.table!r} requires {n!r}, and no field gives it" for n in lacking]
    return found, tuple(n for n in wanted if n in may_come)


def _unknown(name: str, schema: Schema, meeting: Meeting) -> list[str]:
    if meeting.job.target.create or name in meeting.types.own_columns:
        return []
    known = [column.name for column in schema.columns]
    there = near(name, known)
    return [
        f"the table {schema.table!r} has no column {name!r}{there}; set create = true to add it"
    ]


def _misfit(live: Column, kind: FieldType | None, meeting: Meeting) -> list[str]:
    takes = meeting.types.field_type(live)
    if kind is None or takes in FITS[kind]:
        return []
    into = f"does not go into the live column of type {live.type}"
    return [f"fields.{live.name}: type {kind!r} {into}; it takes {takes!r}"]


def near(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    """The nearest of these names as the end of a sentence, or what there is."""
    folded = {n.casefold(): n for n in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.5)
    if close:
        return f"; did you mean {folded[close[0]]!r}?"
    return f"; it has {', '.join(map(repr, list(names)[:20]))}" if names else ""


def _quoted(name: str) -> str:
    """A name as a TOML text."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
