"""Fields as they come and as they go: a value of each from the first records. Pure.

For each field the first record is taken in which something is sent for it that is not null, among
the first `RECORDS`. *Before* is the source's own text, *after* the JSON that travels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from ingest import grammar
from ingest.model import Layout, Place, Slice
from ingest.protocols import Shaper
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.shaped import pseudo_value

RECORDS = 200
VALUE_CHARS = 200
_NULL = "null"


class Sample(Struct, frozen=True):
    """One record: its texts by source column, and the JSON texts that travel, by field."""

    before: Mapping[str, str]
    after: Mapping[str, str]


class FirstSlice:
    """Keeps the first slice that holds records. A look of `plan_ways.Ways`."""

    def __init__(self) -> None:
        self.part: Slice | None = None

    def look(self, part: Slice) -> None:
        """Take a slice, if it is the first."""
        if self.part is None and part.count and part.origin is not None:
            self.part = part


def samples_of(part: Slice | None, shaper: Shaper) -> list[Sample]:
    """The first records of a slice, before and after. Blocks."""
    if part is None or part.origin is None:
        return []
    origin = part.origin
    block = origin.kept.restored()
    rejected = set(part.rejected)
    numbers = (n for n in range(part.first, part.last + 1) if n not in rejected)
    wanted = [n - origin.first_record + 1 for n in islice(numbers, min(RECORDS, part.count))]
    places = shaper.locate(block, origin.segment, wanted)
    lines = bytes(part.view).split(b"\n")[: len(wanted)]
    pseudo = {name: pseudo_value(name, part.file) for name in ("@stem", "@name", "@path")}
    found = []
    for place, line in zip(places, lines, strict=False):
        texts = _csv(place, block.layout) if block.layout.columns else _members(place.raw)
        own = {**pseudo, "@line": str(place.line + origin.first_line - 1)}
        found.append(Sample({**texts, **own}, _members(line.removesuffix(b","))))
    return found


def _csv(place: Place, layout: Layout) -> dict[str, str]:
    cells = grammar.fields(place.raw, layout.dialect)
    return {
        name: cell.decode(errors="replace")
        for name, cell in zip(layout.columns, cells, strict=False)
    }


def _members(line: bytes) -> dict[str, str]:
    """The members of an object as JSON texts."""
    try:
        found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return {}
    return {name: bytes(raw).decode(errors="replace") for name, raw in found.items()}


def fields_of(plan: ShapePlan, samples: Sequence[Sample], stamp: str) -> list[dict[str, Any]]:
    """Each field with where it comes from and a sample. Members that travel unnamed, and what the
    delivery puts into records, come behind the job's fields. `stamp` is the stamp's column."""
    planned = {field.name: field for field in plan.fields}
    others = dict.fromkeys(n for s in samples for n in s.after if n not in planned)
    found = [_field(field, samples, stamp) for field in plan.fields]
    for name in others:
        one = _first(name, samples)
        derived = name == "id" and not any(name in s.before for s in samples)
        found.append(
            {
                "name": name,
                "from": "derived" if derived else name,
                "type": "integer" if derived else None,
                "before": None if derived or one is None else _cut(one.before.get(name)),
                "after": None if one is None else _cut(one.after.get(name)),
            }
        )
    return found


def dropped_of(plans: Mapping[Layout, ShapePlan], samples: Sequence[Sample]) -> list[str]:
    """Source columns that don't travel; of NDJSON those that the first records have."""
    dropped: dict[str, None] = {}
    for layout, plan in plans.items():
        if plan.rest:
            continue
        read = {field.column for field in plan.fields}
        seen = layout.columns or [n for s in samples for n in s.before if not n.startswith("@")]
        dropped.update(dict.fromkeys(name for name in seen if name not in read))
    return list(dropped)


def _field(field: FieldPlan, samples: Sequence[Sample], stamp: str) -> dict[str, Any]:
    one = _first(field.name, samples)
    source = field.column or field.pseudo
    before = one.before.get(source) if one and source else None
    after = one.after.get(field.name) if one else None
    return {
        "name": field.name,
        "from": "the batch's stamp" if field.name == stamp else _origin(field),
        "type": field.type,
        "before": _cut(before),
        "after": None if field.name == stamp else _cut(after),
    }


def _origin(field: FieldPlan) -> str:
    if field.sql is not None:
        return f"sql: {field.sql}"
    if field.constant is not None:
        return "a constant"
    return field.column or field.pseudo or field.name


def _first(name: str, samples: Sequence[Sample]) -> Sample | None:
    """The first record that sends something for the field, else the first record."""
    sending = (s for s in samples if s.after.get(name, _NULL) != _NULL)
    return next(sending, samples[0] if samples else None)


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= VALUE_CHARS:
        return text
    return text[: VALUE_CHARS - 3] + "..."
