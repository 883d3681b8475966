"""What a field's type, its settings and its live column make of a value. Pure.

The table of the types stands here and nowhere else: which rule reads a column of that type, which
live columns take it, and what a constant written in the job becomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.errors import SettingsError
from ingest.job import FieldSettings, FieldType
from ingest.model import Column
from ingest.shape import rules, time_rules, values
from ingest.shape.rules import Rule
from ingest.shape.values import IntegerRange

Constant = bool | int | float | str

# What a live column of the right-hand types takes, by the field's type: the same kind of JSON.
FITS: Mapping[str, tuple[str, ...]] = {
    "string": ("string", "text"),
    "text": ("string", "text"),
    "integer": ("integer", "decimal"),
    "decimal": ("decimal",),
    "boolean": ("boolean",),
    "date": ("date", "string", "text"),
    "timestamp": ("timestamp", "string", "text"),
    "json": ("json",),
}


def rule_for(
    name: str,
    kind: FieldType,
    settings: FieldSettings,
    live: Column | None,
    integers: IntegerRange | None = None,
) -> Rule:
    """The column rule of a type with a field's settings and the live column's bounds.

    `integers` are those that the column takes, None for all of 64 bits. Raises SettingsError for a
    format that can't be relied on.
    """
    try:
        if kind in ("date", "timestamp"):
            return _time_rule(kind, settings)
    except ValueError as exc:
        raise SettingsError(f"fields.{name}.format: {exc}") from exc
    if kind == "integer" and settings.true and settings.false:
        return rules.boolean(settings.true, settings.false, as_number=True)
    if kind == "integer":
        return rules.integer(settings.decimal, integers or values.INT64)
    if kind == "decimal":
        return rules.decimal_number(settings.decimal)
    if kind == "boolean":
        true, false = settings.true or values.TRUE_WORDS, settings.false or values.FALSE_WORDS
        return rules.boolean(true, false)
    return rules.json_value() if kind == "json" else _string_rule(settings, live)


def _time_rule(kind: FieldType, settings: FieldSettings) -> Rule:
    formats = settings.format or ()
    if kind == "date":
        return time_rules.date_value(formats)
    return time_rules.timestamp(formats, settings.timezone)


def _string_rule(settings: FieldSettings, live: Column | None) -> Rule:
    """Bounds are held only where they are spelt as documented; the service judges the others."""
    properties = {**settings.column, **(live.properties if live else {})}
    length, items = properties.get("max_length"), properties.get("picklist_items")
    return rules.string(
        length if type(length) is int and length > 0 else None,
        items if items and _are_words(items) else None,
    )


def _are_words(items: object) -> bool:
    return (
        isinstance(items, Sequence)
        and not isinstance(items, str)
        and all(isinstance(item, str) for item in items)
    )


def type_of_constant(value: Constant) -> FieldType:
    """The type that a value written in the job has by itself."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "decimal" if isinstance(value, float) else "string"


def literal(place: str, value: Constant, kind: FieldType, rule: Rule) -> str:
    """A constant as JSON text, as the field's type has it. `place` is its key, for the message.

    A text is read as one in the source would be. Raises SettingsError if it does not fit.
    """
    try:
        if isinstance(value, str):
            return rule.scalar(value)
        text = str(value).lower()
        if kind == type_of_constant(value) == "boolean":
            return text
        if kind == "integer":
            return rule.scalar(values.integer(text))  # its own bounds; the point is gone by now
        return values.decimal_number(text) if kind == "decimal" else rule.scalar(text)
    except values.BadValue as exc:
        raise SettingsError(f"{place}: {exc.message} (the field's type is {kind})") from exc
