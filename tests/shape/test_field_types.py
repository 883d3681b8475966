"""Types, settings and live columns: which rule, which constant."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.errors import SettingsError
from ingest.job import FieldSettings, FieldType
from ingest.model import Column
from ingest.shape.field_types import FITS, literal, rule_for, type_of_constant
from ingest.shape.values import BadValue, IntegerRange

KINDS: tuple[FieldType, ...] = (
    "string", "text", "integer", "decimal", "boolean", "date", "timestamp", "json",
)  # fmt: skip


def said(kind: FieldType, text: str, live: Column | None = None, **settings: Any) -> str:
    """What the rule of a field with these settings makes of a text."""
    made = FieldSettings.model_validate({"type": kind, **settings})
    return rule_for("f", kind, made, live).scalar(text)


@pytest.mark.parametrize(
    ("kind", "settings", "text", "json"),
    [
        ("string", {}, "5", '"5"'),
        ("text", {}, "5", '"5"'),
        ("integer", {}, "5.0", "5"),
        ("integer", {"decimal": ","}, "5,0", "5"),
        ("decimal", {}, "5.50", "5.50"),
        ("decimal", {"decimal": ","}, "5,50", "5.50"),
        ("boolean", {}, "TRUE", "true"),
        ("boolean", {"true": ["ja"], "false": ["nein"]}, "nein", "false"),
        ("integer", {"true": ["ja"], "false": ["nein"]}, " ja", "1"),
        ("integer", {"true": ["ja"], "false": ["nein"]}, "nein", "0"),
        ("date", {}, "2024-01-05", '"2024-01-05"'),
        ("date", {"format": "%d.%m.%Y"}, "5.1.2024", '"2024-01-05"'),
        ("timestamp", {"timezone": "Europe/Berlin"}, "2024-01-05 12:00", '"2024-01-05T11:00:00Z"'),
        ("json", {}, "[1]", "[1]"),
    ],
)
def test_each_type_has_its_rule(
    kind: FieldType, settings: dict[str, Any], text: str, json: str
) -> None:
    """With the settings that belong to it."""
    assert said(kind, text, **settings) == json


def test_every_type_fits_somewhere() -> None:
    """The table knows all types, and each goes into a column of its own."""
    assert set(FITS) == set(KINDS)
    assert all(kind in FITS[kind] for kind in KINDS)


@pytest.mark.parametrize("form", ["%Q", "%d.%m.", "%I:%M %Y"])
def test_a_format_that_can_not_be_relied_on(form: str) -> None:
    """The message names the field and its key."""
    with pytest.raises(SettingsError, match=r"fields\.f\.format: format "):
        said("date", "x", format=form)


def test_bounds_of_the_live_column_are_held() -> None:
    """Its length and its choices; a wider bound in the job changes nothing there."""
    live = Column("f", "Text", properties={"max_length": 2})
    assert said("string", "ab", live) == '"ab"'
    with pytest.raises(BadValue, match="takes 2"):
        said("string", "abc", live, column={"max_length": 9})
    with pytest.raises(BadValue, match="takes 2"):
        said("string", "abc", column={"max_length": 2})
    live = Column("f", "Picklist", properties={"picklist_items": ["a", "b"]})
    with pytest.raises(BadValue, match="none of a, b"):
        said("string", "c", live)


@pytest.mark.parametrize(
    "properties",
    [
        {"max_length": None},
        {"max_length": "2"},
        {"max_length": 0},
        {"max_length": True},
        {"picklist_items": None},
        {"picklist_items": []},
        {"picklist_items": "a,b"},
        {"picklist_items": [{"value": "a"}]},
        {"picklist_items": 5},
    ],
)
def test_bounds_that_nobody_documents_are_left_to_the_service(properties: dict[str, Any]) -> None:
    """A shape that is not the documented one refuses nothing."""
    assert said("string", "abc", Column("f", "Text", properties=properties)) == '"abc"'


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "boolean"), (1, "integer"), (1.0, "decimal"), ("1", "string")]
)
def test_a_constant_has_a_type_by_itself(value: Any, kind: FieldType) -> None:
    """A truth value is no number."""
    assert type_of_constant(value) == kind


@pytest.mark.parametrize(
    ("value", "kind", "settings", "json"),
    [
        (5, "integer", {}, "5"),
        (5, "decimal", {}, "5"),
        (5.0, "integer", {}, "5"),
        (1.5, "decimal", {"decimal": ","}, "1.5"),
        ("1,5", "decimal", {"decimal": ","}, "1.5"),
        (1e300, "decimal", {}, "1e+300"),
        (5, "string", {}, '"5"'),
        (True, "boolean", {}, "true"),
        (True, "boolean", {"true": ["Y"], "false": ["N"]}, "true"),
        ("Y", "boolean", {"true": ["Y"], "false": ["N"]}, "true"),
        (True, "string", {}, '"true"'),
        (1, "boolean", {}, "true"),
        ("2024-01-05", "date", {}, '"2024-01-05"'),
        ("[1, 2]", "json", {}, "[1, 2]"),
        ("", "string", {}, '""'),
    ],
)
def test_constants_become_json_of_the_type(
    value: Any, kind: FieldType, settings: dict[str, Any], json: str
) -> None:
    """A text is read as the source's would be, a number is exact."""
    rule = rule_for("f", kind, FieldSettings.model_validate({"type": kind, **settings}), None)
    assert literal("fields.f.value", value, kind, rule) == json


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, "integer"),
        (True, "integer"),
        (2**63, "integer"),
        (float("inf"), "decimal"),
        (float("nan"), "decimal"),
        ("x", "integer"),
        ("05.01.2024", "date"),
        (20240105, "date"),
        (5, "boolean"),
        ("{", "json"),
    ],
)
def test_constants_that_do_not_fit_are_errors(value: Any, kind: FieldType) -> None:
    """The message names the key, the value and the type."""
    rule = rule_for("f", kind, FieldSettings.model_validate({"type": kind}), None)
    with pytest.raises(SettingsError, match=rf"^fields\.f\.default: .*type is {kind}"):
        literal("fields.f.default", value, kind, rule)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2147483648.0, "2147483648"])
def test_constants_beyond_the_columns_bounds_are_errors(value: Any) -> None:
    """However it is written; the last one that fits does."""
    bounds = IntegerRange(-(2**31), 2**31 - 1, "the column 'f' of type Int")
    for decimal in (".", ","):
        made = FieldSettings.model_validate({"type": "integer", "decimal": decimal})
        rule = rule_for("f", "integer", made, None, bounds)
        with pytest.raises(SettingsError, match=r"^fields\.f\.value: .*column 'f' of type Int"):
            literal("fields.f.value", value, "integer", rule)
        for fits in (2**31 - 1, 2147483647.0, "2147483647"):
            assert literal("fields.f.value", fits, "integer", rule) == "2147483647"
    plain = rule_for("f", "integer", FieldSettings(type="integer"), None)
    assert literal("fields.f.value", 2**31, "integer", plain) == "2147483648"
