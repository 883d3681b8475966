"""One record from the texts of its fields, by the reference (`values`) and nothing else.

A few odd records among thousands are made so: to ask columns of a handful of values takes longer
than to read each by itself. What comes out is what `encode` makes of them, which a property holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.errors import as_data
from ingest.shape.encode import NULL, BadCell, missing_value, too_large
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.values import BadValue, quoted


class RecordMaker:
    """Makes records of a plan without SQL and keys; `largest` is the most bytes of one."""

    def __init__(self, plan: ShapePlan, largest: int) -> None:
        self._fields = [(f, f"{quoted(f.name)}:") for f in plan.fields]
        self._omits = plan.omit_nulls
        self._largest = largest

    def made(self, row: int, values: Sequence[str], texts: Mapping[int, str]) -> bytes | BadCell:
        """The record of these values, as JSON, or its first trouble.

        `texts` are the JSON texts of fields that are known already, by their indexes.
        """
        members = []
        for index, (field, name) in enumerate(self._fields):
            try:
                text = texts[index] if index in texts else _text(field, values)
            except _Missing:
                return BadCell(row, field, "map", missing_value(field))
            except BadValue as trouble:
                return BadCell(row, field, "coerce", as_data(trouble))
            if text is not None or not self._omits:
                members.append(name + (text or NULL))
        record = f"{{{','.join(members)}}}".encode()
        if len(record) > self._largest:
            return BadCell(row, None, "limit", too_large(len(record), self._largest))
        return record


class _Missing(Exception):  # noqa: N818 - no error: it never leaves this module
    """A value that is required is null."""


def _text(field: FieldPlan, values: Sequence[str]) -> str | None:
    """The JSON text of a field; None where it is null. Raises BadValue."""
    if field.constant is not None:
        return None if field.constant == NULL else field.constant
    if field.position >= 0 and values[field.position] not in field.nulls:
        assert field.rule is not None
        return field.rule.scalar(values[field.position])
    if field.required:
        raise _Missing
    return field.default
