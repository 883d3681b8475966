"""The fields of a drafted job: for each column its name, its settings, and the sentences for it.

A column of the live table says what its field's type is; where the data do not go with it, that is
said, and the run will reject what does not fit. `column` settings are left to the person: what the
data show is no reason to make a column unique or indexed. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ingest.operations.init_decide import decide
from ingest.operations.init_decide_keys import decide_key
from ingest.operations.init_decided import Decided
from ingest.operations.init_names import free, target_names
from ingest.operations.init_seen import Seen, ServiceSeen
from ingest.shape.field_types import FITS

FILE_FIELD = "file"
AS_NUMBERS = "; they are 1 and 0, since the service has no booleans"


class FieldDraft(Struct, frozen=True):
    """One field: `settings` as they stand in the job, the evidence, the doubts. `unique`: no value
    stands twice."""

    name: str
    settings: Mapping[str, Any]
    why: str
    doubts: tuple[str, ...] = ()
    unique: bool = False
    active: bool = True


def drafted(seen: Seen, service: ServiceSeen) -> list[FieldDraft]:
    """The fields of all columns that can be named, and of the files' names."""
    sources = [name for name in seen.shared if _can_be_named(name)]
    live = [column.name for column in service.live.columns] if service.live else []
    problem = service.types.column_name_problem
    names = target_names(sources, live, service.kept, problem)
    fields = [_drafted(source, names[source], seen, service) for source in sources]
    return [*fields, *_of_files(seen, service, fields)]


def unnamed(seen: Seen) -> list[str]:
    """The columns that no field can name: they travel under their own."""
    return [*(name for name in seen.shared if not _can_be_named(name)), *seen.other]


def _can_be_named(source: str) -> bool:
    """`from` takes `@...` for one of our own words, and an empty text for none."""
    return bool(source) and not source.startswith("@")


def _drafted(source: str, name: str, seen: Seen, service: ServiceSeen) -> FieldDraft:
    if seen.layout.format == "csv":
        evidence = seen.look.columns[source]
        found, unique = decide(source, evidence, service.holds), evidence.is_unique()
    else:
        key = seen.look.keys[source]
        found = decide_key(source, key, seen.look.records, service.holds)
        unique = any(
            part.values == seen.look.records and part.is_unique()
            for part in (key.texts, key.numbers)
        )
    found = _with_live(found, name, service)
    nulls = found.nulls
    if nulls and seen.layout.format == "csv":
        nulls = ("", *nulls)
    settings: dict[str, Any] = {"from": source} if source != name else {}
    settings["type"] = found.type
    optional = (
        ("format", found.format),
        ("decimal", found.decimal if found.decimal != "." else ""),
        ("true", list(found.true)),
        ("false", list(found.false)),
        ("nulls", list(dict.fromkeys(nulls))),
    )
    settings |= {key: thing for key, thing in optional if thing}
    said = (
        f"Renamed: {_renaming(source, service)}. "
        if source != name and not _alike(source, name)
        else ""
    )
    why = f"{said}{found.why}{AS_NUMBERS if _is_flag(found) else ''}"
    return FieldDraft(name, settings, why, found.doubts, unique)


def _alike(source: str, name: str) -> bool:
    """Whether a name is only another spelling."""
    return re.sub(r"[\W_]+", "", source).casefold() == name.replace("_", "").casefold()


def _renaming(source: str, service: ServiceSeen) -> str:
    if source.casefold() in service.kept:
        return f"{source!r} is a column of the service's own"
    problem = service.types.column_name_problem(source)
    return problem or f"{source!r} begins with no letter, or another column is called so"


def _is_flag(found: Decided) -> bool:
    return found.type == "integer" and bool(found.true)


def _with_live(found: Decided, name: str, service: ServiceSeen) -> Decided:
    """The decision where the table has the column."""
    column = service.live.column(name) if service.live else None
    if column is None:
        return found
    takes = service.types.field_type(column)
    why = f"{found.why}; the table's column is {column.type}"
    if _is_flag(found) and takes in FITS["string"]:
        return Decided("string", why)
    if takes not in FITS[found.type]:
        doubt = (
            f"the column takes {takes}, which these values are not: what does not fit is rejected"
        )
        return Decided(takes, why, found.nulls, doubts=(doubt, *found.doubts))
    keeps = found.type in ("date", "timestamp") or takes == found.type or _is_flag(found)
    return replace(found, why=why, type=found.type if keeps else takes)


def _of_files(seen: Seen, service: ServiceSeen, fields: list[FieldDraft]) -> list[FieldDraft]:
    """A field of the files' names, where they say what their records don't."""
    stems = seen.stems
    if len(stems) < 2 or len(set(stems)) < len(stems) or seen.other:
        return []
    used = {field.name.casefold() for field in fields} | {name.casefold() for name in service.kept}
    name, matched = _live_name(used, service), ", which the table has and no column gives"
    if not name:
        name, matched = free(FILE_FIELD, used), ": give it the name of what that is"
    parts = len({re.sub(r"\d+", "#", stem) for stem in stems}) == 1
    examples = ", ".join(stems[:3])
    why = f"The {len(stems):,} files' names, like {examples}, without their endings{matched}"
    if parts:
        why = f"The {len(stems):,} files' names differ in their numbers only, like {examples}"
    return [FieldDraft(name, {"from": "@stem", "type": "string"}, why, active=not parts)]


def _live_name(used: set[str], service: ServiceSeen) -> str:
    """The only text column of the live table that no source column gives."""
    columns = service.live.columns if service.live else ()
    left = [
        column.name
        for column in columns
        if column.name.casefold() not in used and service.types.field_type(column) == "string"
    ]
    return left[0] if len(left) == 1 else ""
