"""What the plan has to know of a service: types, bounds, columns that refuse null."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ingest.errors import SettingsError
from ingest.job import FieldSettings
from ingest.model import Column, Schema
from ingest.shape.service import Meeting, ServiceTypes
from tests.shape.helpers import LENIENT, STRICT, job_of

INT32 = (-(2**31), 2**31 - 1)


def settings_of(**settings: Any) -> FieldSettings:
    """A field's settings."""
    return FieldSettings.model_validate(settings)


def meeting_of(types: ServiceTypes, *live: Column) -> Meeting:
    """A meeting with a live table of these columns, or with none."""
    return Meeting(job_of(), Schema("t", live) if live else None, types)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "Int"),
        ({"target_type": "Long"}, "Long"),
        ({"column": {"type": "Decimal"}}, "Decimal"),
        ({"target_type": "Long", "column": {"type": "Decimal"}}, "Long"),
    ],
)
def test_the_type_that_a_column_will_have(settings: dict[str, Any], word: str) -> None:
    """What the job says of the column, else the service's word for the field's type."""
    assert STRICT.wished_type(settings_of(**settings), "integer") == word


def test_a_type_that_the_service_has_not() -> None:
    """It is an error where a column of it would be made, and no boolean column."""
    with pytest.raises(SettingsError, match="boolean"):
        LENIENT.wished_type(settings_of(), "boolean")
    assert not LENIENT.has_booleans(settings_of())
    assert STRICT.has_booleans(settings_of())
    assert not STRICT.has_booleans(settings_of(target_type="String"))
    assert STRICT.has_booleans(settings_of(column={"type": "Boolean"}))


def test_only_ranges_narrower_than_64_bits_count() -> None:
    """The others are what every integer is held to."""
    assert STRICT.narrow_range("Int") == INT32
    assert STRICT.narrow_range("Long") is None
    assert STRICT.narrow_range("String") is None
    assert LENIENT.narrow_range("Integer") is None


@pytest.mark.parametrize(
    ("settings", "made", "added"),
    [
        ({}, False, False),
        ({"required": True}, True, False),
        ({"column": {"required": True}}, True, True),
        ({"column": {"nullable": False}}, True, True),
        ({"column": {"nullable": True}}, False, False),
        ({"column": {"nullable": True}, "required": True}, False, False),
        ({"column": {"required": False}, "required": True}, False, False),
    ],
)
def test_columns_that_refuse_null(settings: dict[str, Any], made: bool, added: bool) -> None:
    """`nullable` is its contrary; a required field makes one only with a new table."""
    assert STRICT.wished_required(settings_of(**settings)) is made
    assert STRICT.wished_required(settings_of(**settings), widening=True) is added


def test_where_nullable_means_nothing_only_required_counts() -> None:
    """A service of its own words gets them as they are, and a field's `required` is ours alone."""
    assert LENIENT.wished_required(settings_of(column={"required": True}))
    assert not LENIENT.wished_required(settings_of(column={"nullable": False}))
    assert not LENIENT.wished_required(settings_of(required=True))


def test_integers_of_a_live_column() -> None:
    """The live type counts, whatever the job wishes; the words name it and the way on."""
    meeting = meeting_of(STRICT, Column("n", "Int"), Column("m", "Long"))
    bounds = meeting.integers("n", settings_of(target_type="Long"))
    assert bounds is not None
    assert (bounds.least, bounds.most) == INT32
    assert bounds.words == (
        "the column 'n' of type Int (-2147483648 to 2147483647);"
        ' make the column wider (api = "v2" for Long)'
    )
    assert meeting.integers("m", settings_of()) is None


def test_integers_of_a_column_that_will_be_made() -> None:
    """Its type is the one that it will have; text takes what no integer column does."""
    meeting = meeting_of(STRICT)
    bounds = meeting.integers("n", settings_of())
    assert bounds is not None
    assert bounds.words.endswith('; set type = "string", or api = "v2" for Long')
    assert meeting.integers("n", settings_of(target_type="Long")) is None
    assert meeting_of(LENIENT).integers("n", settings_of()) is None
    plain = meeting_of(replace(STRICT, wider_integers="")).integers("n", settings_of())
    assert plain is not None
    assert plain.words.endswith('; set type = "string"')


@pytest.mark.parametrize(
    ("live", "settings", "required"),
    [
        (None, {}, False),
        (None, {"required": True}, True),
        (None, {"column": {"nullable": False}}, True),
        (None, {"column": {"nullable": False}, "default": "x"}, False),
        (True, {}, True),
        (True, {"default": "x"}, False),
        (True, {"column": {"nullable": True}}, True),
        (False, {"column": {"nullable": False}}, False),
        (False, {"required": True}, True),
    ],
)
def test_whether_a_value_must_be_there(
    live: bool | None, settings: dict[str, Any], required: bool
) -> None:
    """The live column says so, else the one that will be made; a default mends it."""
    columns = () if live is None else (Column("v", "String", required=live),)
    meeting = meeting_of(STRICT, *columns)
    assert meeting.is_required("v", settings_of(**settings)) is required


def test_a_wished_flag_alone_makes_no_field_required() -> None:
    """Where null is the service's own matter, it judges what it was asked to make."""
    made = settings_of(column={"required": True})
    assert not meeting_of(LENIENT).is_required("v", made)
    assert meeting_of(LENIENT, Column("v", "Text", required=True)).is_required("v", settings_of())
