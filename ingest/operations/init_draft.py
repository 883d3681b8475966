"""From what was seen to a job that runs as it is, and whose load can be taken back. Pure.

- Ids are derived (Avalanchio): a run is then resumed, repeated and undone by them. Where a member
  `id` might travel that nobody knows of, a stamp takes their place.
- aito has no ids: a column that is unique in all of the data shows what landed, else a stamp does.
- Columns that only some of the files have can't be named in `[fields]`, since the other files would
  be refused; they travel under their own name.
- Of NDJSON that was read to its end every key is known and named, and the rest is dropped; of a
  sample the rest is kept.

What a run would refuse all the same stands in `conflicts`, by the very function that a run asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ingest.job import Job
from ingest.operations.init_fields import FieldDraft, drafted, unnamed
from ingest.operations.init_names import free
from ingest.operations.init_seen import Seen, ServiceSeen
from ingest.shape.plan import make_plan
from ingest.shape.service import Meeting

STAMP = "load_batch"
DERIVED = (
    "Each record's id is made from the job's name, its file and its number in it: a record that is"
    " sent again replaces itself, and a run can be undone exactly."
)
KEY_WORDS = ("id", "key", "uuid", "guid", "code", "number", "no")
KEY_TYPES = ("string", "integer")


class Draft(Struct, frozen=True):
    """A job: its sections as they stand in the file (`fields` apart), and the comments of each."""

    sections: Mapping[str, Mapping[str, Any]]
    fields: Sequence[FieldDraft]
    comments: Mapping[str, Sequence[str]]

    @property
    def doubts(self) -> int:
        """How many fields a person should look at."""
        return sum(bool(field.doubts) for field in self.fields)

    def document(self) -> dict[str, Any]:
        """The job's document, as `make_job` takes it."""
        fields = {field.name: dict(field.settings) for field in self.fields if field.active}
        return {name: dict(section) for name, section in self.sections.items()} | {"fields": fields}


def draft(given: Mapping[str, Mapping[str, Any]], seen: Seen, service: ServiceSeen) -> Draft:
    """The job. `given` are `[source]` and `[target]` as the person said them."""
    fields = drafted(seen, service)
    left = unnamed(seen)
    source, said = _source(given["source"], seen, left)
    target, told = _target(given["target"], fields, service)
    keeps = source.get("rest") == "keep" or bool(left)
    sections = {"source": source, "target": target}
    comments = {"source": said, "target": told}
    delivery, why = _delivery(target, fields, seen, risky=_may_bring_id(seen, left, keeps=keeps))
    if delivery:
        sections["delivery"] = delivery
        comments["delivery"] = why
    return Draft(sections, fields, comments)


def conflicts(job: Job, seen: Seen, service: ServiceSeen) -> list[str]:
    """What a run of the job would refuse before it sent anything."""
    found: dict[str, None] = {}
    for layout in seen.layouts:
        _, sentences = make_plan(layout, Meeting(job, service.live, service.types))
        found |= dict.fromkeys(sentences)
    return list(found)


def _source(
    given: Mapping[str, Any], seen: Seen, left: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    source = dict(given)
    layout = seen.layout
    source.setdefault("format", layout.format)
    comments = []
    if layout.format == "csv":
        source.setdefault("nulls", [""])
        usual = {"delimiter": ",", "quote": '"', "escape": None}
        for mark, common in usual.items():
            found = getattr(layout.dialect, mark)
            if found != common and found is not None:
                source.setdefault(mark, found)
        comments.append("An empty cell is null. Other words are only where a field's nulls say so.")
    elif seen.whole and not left:
        source.setdefault("rest", "drop")
        comments.append("Every key of every record is a field below; one that comes later is not.")
    else:
        source.setdefault("rest", "keep")
        comments.append("Keys that no field below names travel under their own name.")
    if left and layout.format == "csv":
        names = ", ".join(left)
        comments.append(f"Not in every file, or of no name for [fields]; they travel so: {names}.")
    return source, comments


def _target(
    given: Mapping[str, Any], fields: Sequence[FieldDraft], service: ServiceSeen
) -> tuple[dict[str, Any], list[str]]:
    target = dict(given)
    if service.unasked:
        target.setdefault("create", True)
        return target, [
            f"Whether there is such a table is not known: {service.unasked}.",
            "create: it is made if it is not there, and gets the columns it lacks.",
        ]
    if service.live is None:
        target.setdefault("create", True)
        return target, ["There is no such table yet: it is made from the fields."]
    known = {column.name for column in service.live.columns}
    new = [field.name for field in fields if field.active and field.name not in known]
    said = f"The table is there, with {len(known):,} columns"
    if not new:
        return target, [f"{said}; every field has one."]
    target.setdefault("create", True)
    return target, [f"{said}. create: it gets those it lacks: {', '.join(new)}."]


def _may_bring_id(seen: Seen, left: Sequence[str], *, keeps: bool) -> bool:
    """Whether a record could have an id of its own beside a derived one."""
    return "id" in left or (seen.layout.format == "ndjson" and keeps)


def _delivery(
    target: Mapping[str, Any], fields: Sequence[FieldDraft], seen: Seen, *, risky: bool
) -> tuple[dict[str, Any], list[str]]:
    if target.get("mode") == "upsert" or target.get("via") in ("file", "auto"):
        return {}, []
    if target["system"] == "avalanchio" and not risky:
        return {"id": "derived"}, [DERIVED]
    key = _evidence_key(fields) if target["system"] == "aito" and seen.whole else None
    if key:
        unique = f"{key} is unique in all {seen.look.records:,} records"
        return {"evidence_key": key}, [
            f"{unique}: whether a lost request landed is asked by it.",
            f'To be able to undo a run, write stamp = "{STAMP}" instead: a column more.',
        ]
    name = free(STAMP, {field.name.casefold() for field in fields})
    why = "A column more, with the run and the request of each record: what landed is asked by it,"
    return {"stamp": name}, [f"{why} and a run is undone by it."]


def _evidence_key(fields: Sequence[FieldDraft]) -> str | None:
    """The likeliest key among the unique columns."""
    unique = [f.name for f in fields if f.unique and f.settings["type"] in KEY_TYPES]
    by_name = [name for name in unique if name.casefold().endswith(KEY_WORDS)]
    return next(iter([*by_name, *unique]), None)
