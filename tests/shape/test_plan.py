"""Where fields, source and live table meet: plans, and every conflict as a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.errors import SettingsError
from ingest.job import FieldSettings, Job
from ingest.model import Column, Layout, Schema
from ingest.shape.plan import (
    ShapePlan,
    make_plan,
    source_column,
    untyped_columns,
    with_integers,
)
from ingest.shape.service import Meeting, ServiceTypes
from ingest.shape.values import BadValue
from tests.shape.helpers import LENIENT, STRICT, job_of

CSV = Layout("csv", ("Date", "Close Price", "Volume"))
JSON = Layout("ndjson")


def schema_of(**columns: str | Column) -> Schema:
    """A live table with these columns."""
    made = [c if isinstance(c, Column) else Column(n, c) for n, c in columns.items()]
    return Schema("stock", tuple(made))


def met(
    layout: Layout,
    job: Job,
    schema: Schema | None = None,
    guessed: Mapping[str, Any] | None = None,
    types: ServiceTypes = LENIENT,
) -> tuple[ShapePlan, tuple[str, ...]]:
    """Plan and conflicts."""
    return make_plan(layout, Meeting(job, schema, types, guessed or {}))


def conflicts(layout: Layout, job: Job, schema: Schema | None = None) -> Sequence[str]:
    """The conflicts alone."""
    return met(layout, job, schema)[1]


def names(plan: ShapePlan) -> list[str]:
    """The fields in the record's order."""
    return [field.name for field in plan.fields]


def test_fields_come_first_and_the_rest_behind() -> None:
    """The job's order, then the source's; positions are those of the file."""
    job = job_of(fields={"volume": {"from": "Volume"}, "day": {"from": "Date"}})
    plan, found = met(CSV, job)
    assert found == ()
    assert names(plan) == ["volume", "day", "Close Price"]
    assert [field.position for field in plan.fields] == [2, 0, 1]
    assert not plan.rest
    assert not plan.passthrough


def test_the_rest_may_be_dropped() -> None:
    """Then only the fields travel."""
    job = job_of(source={"rest": "drop"}, fields={"Date": {}})
    plan, found = met(CSV, job)
    assert (names(plan), found) == (["Date"], ())


@pytest.mark.parametrize("layout", [CSV, JSON])
def test_nothing_to_send_is_a_conflict(layout: Layout) -> None:
    """No fields and no rest would send empty records."""
    (sentence,) = conflicts(layout, job_of(source={"rest": "drop"}))
    assert "nothing to send" in sentence


def test_a_column_that_the_source_lacks() -> None:
    """The nearest name is offered; without one, what there is."""
    near, far = conflicts(
        CSV, job_of(source={"rest": "drop"}, fields={"date": {}, "x": {"from": "qqq"}})
    )
    assert near == "fields.date: the source has no column 'date'; did you mean 'Date'?"
    assert far == (
        "fields.x: the source has no column 'qqq'; it has 'Date', 'Close Price', 'Volume'"
    )


def test_a_rest_column_under_the_name_of_a_field() -> None:
    """Two would travel under one name."""
    job = job_of(fields={"Date": {"from": "Volume"}})
    (sentence,) = conflicts(CSV, job)
    assert "'Date' would travel under the name of the field 'Date'" in sentence
    assert 'rest = "drop"' in sentence
    assert (
        conflicts(CSV, job_of(fields={"Date": {"from": "Volume"}, "Volume": {"from": "Date"}}))
        == ()
    )


def test_a_constant_over_a_column_is_a_clash() -> None:
    """A field that reads no column does not use its own name's column up."""
    assert len(conflicts(CSV, job_of(fields={"Volume": {"value": 1}}))) == 1
    assert len(conflicts(CSV, job_of(fields={"Volume": {"sql": "1"}}))) == 1


def test_a_column_that_the_table_lacks() -> None:
    """With the nearest name, unless the job may create it or it is the id."""
    schema = schema_of(day="Date", close_price="Double")
    fields = {
        "days": {"from": "Date"},
        "id": {"from": "Volume"},
        "close_price": {"from": "Close Price"},
    }
    (sentence,) = conflicts(CSV, job_of(fields=fields), schema)
    assert sentence == (
        "the table 'stock' has no column 'days'; did you mean 'day'?; set create = true to add it"
    )
    assert conflicts(CSV, job_of(fields=fields, target={"create": True}), schema) == ()


@pytest.mark.parametrize(
    ("kind", "live", "fits"),
    [
        ("integer", "Bigint", True),
        ("integer", "Double", True),
        ("integer", "Text", False),
        ("decimal", "Double", True),
        ("decimal", "Integer", False),
        ("string", "Textarea", True),
        ("string", "Double", False),
        ("text", "Picklist", True),
        ("date", "Text", True),
        ("date", "Timestamp", False),
        ("timestamp", "Timestamp", True),
        ("timestamp", "Date", False),
        ("boolean", "Bigint", False),
        ("json", "Json", True),
        ("json", "Text", False),
    ],
)
def test_a_type_must_go_into_the_live_column(kind: str, live: str, fits: bool) -> None:
    """What the service would refuse for every record is said beforehand."""
    job = job_of(source={"rest": "drop"}, fields={"v": {"from": "Volume", "type": kind}})
    found = conflicts(CSV, job, schema_of(v=live))
    assert (found == ()) is fits
    assert all("does not go into" in sentence and live in sentence for sentence in found)


def test_a_required_live_column_must_be_given() -> None:
    """By some field; the id the service makes itself."""
    schema = schema_of(
        Date="Date",
        must=Column("must", "Text", required=True),
        id=Column("id", "Bigint", required=True),
    )
    job = job_of(source={"rest": "drop"}, fields={"Date": {}})
    wanted = ("the table 'stock' requires 'must', and no field gives it",)
    assert conflicts(CSV, job, schema) == wanted
    assert conflicts(JSON, job, schema) == wanted
    assert conflicts(JSON, job_of(fields={"Date": {}}), schema) == ()
    given = job_of(source={"rest": "drop"}, fields={"Date": {}, "must": {"value": "x"}})
    assert conflicts(CSV, given, schema) == ()


def test_a_field_of_a_required_column_is_required() -> None:
    """Of a null the service would refuse the whole request; a default mends it."""
    schema = schema_of(v=Column("v", "Text", required=True))
    for fields, required in (
        ({"v": {"from": "Volume"}}, True),
        ({"v": {"from": "Volume", "default": "x"}}, False),
        ({"v": {"sql": "null"}}, True),
    ):
        job = job_of(source={"rest": "drop"}, fields=fields)
        assert met(CSV, job, schema)[0].fields[0].required is required
    assert (
        met(CSV, job_of(source={"rest": "drop"}, fields={"v": {"from": "Volume"}}))[0]
        .fields[0]
        .required
        is False
    )


def test_an_upsert_key_must_be_a_field() -> None:
    """Of a CSV; with the nearest name."""
    target = {"mode": "upsert", "upsert_key": "Volum"}
    (sentence,) = conflicts(CSV, job_of(target=target))
    assert sentence == "upsert_key 'Volum' is no field of this job; did you mean 'Volume'?"
    plan, found = met(CSV, job_of(target={"mode": "upsert", "upsert_key": "Volume"}))
    assert (plan.key, found) == ("Volume", ())


def test_all_conflicts_are_found_at_once() -> None:
    """A person mends them in one go."""
    schema = schema_of(other=Column("other", "Text", required=True), Volume="Text")
    job = job_of(
        fields={"x": {}, "Date": {"from": "Volume", "type": "integer"}},
        target={"mode": "upsert", "upsert_key": "k"},
    )
    found = "\n".join(conflicts(CSV, job, schema))
    for words in (
        "no column 'x'",
        "would travel under",
        "has no column 'Date'",
        "requires 'other'",
        "upsert_key 'k'",
    ):
        assert words in found


def test_types_come_from_job_table_or_guess() -> None:
    """In this order; a CSV's column is text at last."""
    schema = schema_of(a="Bigint", b="Date")
    job = job_of(fields={"a": {"type": "decimal"}, "b": {"from": "B"}, "c": {}, "d": {}})
    layout = Layout("csv", ("a", "B", "c", "d"))
    plan, _ = met(layout, job, schema, {"a": "date", "B": "integer", "c": "integer"})
    assert [field.type for field in plan.fields] == ["decimal", "date", "integer", None]
    last = plan.fields[3].rule
    assert last is not None
    assert last.scalar("5") == '"5"'


@pytest.mark.parametrize(
    ("field", "live", "kind"),
    [
        ({"from": "@line"}, None, "integer"),
        ({"from": "@stem"}, None, "string"),
        ({"from": "@line"}, "Text", "string"),
        ({"from": "@stem"}, "Bigint", "integer"),
        ({"from": "@line", "type": "decimal"}, "Text", "decimal"),
    ],
)
def test_pseudo_columns_take_the_live_type(
    field: dict[str, str], live: str | None, kind: str
) -> None:
    """As any other field does; line numbers are numbers by themselves."""
    schema = schema_of(v=live) if live else None
    plan, _ = met(CSV, job_of(source={"rest": "drop"}, fields={"v": field}), schema)
    (made,) = plan.fields
    assert (made.type, made.pseudo, made.column, made.position) == (kind, field["from"], None, -1)


@pytest.mark.parametrize(
    ("field", "live", "json"),
    [
        ({"value": 5}, None, "5"),
        ({"value": "5"}, None, '"5"'),
        ({"value": "5"}, "Bigint", "5"),
        ({"value": "2024-01-05"}, "Date", '"2024-01-05"'),
        ({"value": "5", "type": "string"}, "Bigint", '"5"'),
        ({"value": 5, "type": "string"}, None, '"5"'),
        ({"value": False}, None, "false"),
        ({"value": 0.1}, None, "0.1"),
        ({"value": 'q"\\'}, None, '"q\\"\\\\"'),
    ],
)
def test_constants(field: dict[str, Any], live: str | None, json: str) -> None:
    """JSON of the field's type, so that SQL sees a value of that type, too."""
    schema = schema_of(v=live) if live else None
    plan, _ = met(CSV, job_of(source={"rest": "drop"}, fields={"v": field}), schema)
    assert plan.fields[0].constant == json
    assert plan.fields[0].rule is not None


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"value": "x", "type": "integer"}, "fields.v.value: "),
        ({"value": float("nan")}, "fields.v.value: "),
        ({"from": "Volume", "type": "integer", "default": 1.5}, "fields.v.default: "),
        ({"from": "Volume", "type": "date", "default": "soon"}, "fields.v.default: "),
        ({"from": "Volume", "type": "date", "format": "%Q"}, "fields.v.format: "),
        ({"from": "Volume", "type": "timestamp", "format": "%d.%m."}, "fields.v.format: "),
    ],
)
def test_settings_that_no_record_could_meet(field: dict[str, Any], words: str) -> None:
    """They are found with the plan, not with the first record."""
    with pytest.raises(SettingsError, match=words):
        met(CSV, job_of(fields={"v": field}))


def test_ndjson_fields_travel_raw_without_a_type() -> None:
    """No type, no rule; a guessed or a live type makes one."""
    job = job_of(fields={"a": {}, "b": {}, "c": {"type": "integer"}})
    plan, found = met(JSON, job, None, {"b": "date"})
    assert found == ()
    assert [field.rule is None for field in plan.fields] == [True, False, False]
    assert (plan.rest, plan.passthrough) == (True, False)


def test_ndjson_without_fields_passes_through() -> None:
    """Unless something must be read or dropped."""
    assert met(JSON, job_of())[0].passthrough
    assert not met(JSON, job_of(fields={"a": {}}))[0].passthrough
    upsert = job_of(target={"mode": "upsert", "upsert_key": "k"})
    plan, found = met(JSON, upsert)
    assert (names(plan), plan.passthrough, found) == (["k"], False, ())
    assert plan.fields[0].required


def test_words_for_null() -> None:
    """A CSV's empty field is null; JSON has a null, so there only words that were written count."""

    def nulls(layout: Layout, source: dict[str, Any], field: dict[str, Any]) -> tuple[str, ...]:
        plan, _ = met(layout, job_of(source=source, fields={"v": {"from": "Volume", **field}}))
        return plan.fields[0].nulls

    assert nulls(CSV, {}, {}) == ("",)
    assert nulls(JSON, {}, {}) == ()
    for layout in (CSV, JSON):
        assert nulls(layout, {"nulls": ["NA"]}, {}) == ("NA",)
        assert nulls(layout, {"nulls": ["NA"]}, {"nulls": []}) == ()
        assert nulls(layout, {}, {"nulls": "x"}) == ("x",)


def test_layouts_in_another_order_have_the_same_fields() -> None:
    """The plans of two headers differ in positions only, as far as fields are named."""
    other = Layout("csv", tuple(reversed(CSV.columns)))
    fields = {"a": {"from": "Date"}, "b": {"from": "Volume"}, "Close Price": {}}
    plans = [met(layout, job_of(fields=fields))[0] for layout in (CSV, other)]
    assert names(plans[0]) == names(plans[1])
    for left, right in zip(plans[0].fields, plans[1].fields, strict=True):
        assert CSV.columns[left.position] == other.columns[right.position]


def test_which_source_column_a_field_reads() -> None:
    """Its own name's, another's, or none."""
    assert source_column("a", FieldSettings()) == "a"
    assert source_column("a", FieldSettings.model_validate({"from": "b"})) == "b"
    assert source_column("a", FieldSettings.model_validate({"from": "@stem"})) is None
    assert source_column("a", FieldSettings(sql="1")) is None
    assert source_column("a", FieldSettings(value=1)) is None


def test_columns_whose_type_nobody_says() -> None:
    """Neither the job nor the table; only what travels counts."""
    job = job_of(fields={"day": {"from": "Date"}, "v": {"from": "Volume", "type": "integer"}})
    assert untyped_columns(job, CSV, None) == {"Date": "day", "Close Price": "Close Price"}
    assert untyped_columns(job, CSV, schema_of(day="Date")) == {"Close Price": "Close Price"}
    dropped = job_of(
        source={"rest": "drop"}, fields={"day": {"from": "Date"}, "s": {"from": "@stem"}}
    )
    assert untyped_columns(dropped, CSV, None) == {"Date": "day"}


WIDE = str(2**31)
LOOSE = replace(STRICT, column_name_problem=lambda _: None)


def takes_wide(
    field: dict[str, Any], live: str | None, types: ServiceTypes = STRICT, layout: Layout = CSV
) -> bool:
    """Whether the field takes an integer of more than 32 bits."""
    schema = schema_of(v=live) if live else None
    job = job_of(source={"rest": "drop"}, fields={"v": {"from": "Volume", **field}})
    plan, found = met(layout, job, schema, types=types)
    assert found == ()
    rule = plan.fields[0].rule
    assert rule is not None
    try:
        rule.scalar(WIDE)
    except BadValue as trouble:
        return trouble.reason != "out_of_range"
    return True


@pytest.mark.parametrize("layout", [CSV, JSON])
@pytest.mark.parametrize(
    ("field", "live", "takes"),
    [
        ({"type": "integer"}, None, False),
        ({"type": "integer"}, "Int", False),
        ({"type": "integer"}, "Long", True),
        ({"type": "integer"}, "Decimal", True),
        ({}, "Int", False),
        ({}, "Long", True),
        ({"type": "integer", "target_type": "Long"}, None, True),
        ({"type": "integer", "column": {"type": "Long"}}, None, True),
        ({"type": "integer", "target_type": "Long"}, "Int", False),
        ({"type": "string"}, None, True),
        ({"type": "decimal"}, None, True),
    ],
)
def test_integers_keep_the_bounds_of_their_column(
    field: dict[str, Any], live: str | None, takes: bool, layout: Layout
) -> None:
    """Of the live one, else of the one that will be made."""
    assert takes_wide(field, live, layout=layout) is takes


def test_a_refusal_names_value_column_type_and_the_way_on() -> None:
    """For a person who has the reject before them and nothing else."""
    plan, _ = met(CSV, job_of(fields={"v": {"from": "Volume", "type": "integer"}}), types=LOOSE)
    assert plan.fields[0].rule is not None
    with pytest.raises(BadValue) as caught:
        plan.fields[0].rule.scalar(WIDE)
    assert caught.value.message == (
        "'2147483648' does not fit into the column 'v' of type Int (-2147483648 to 2147483647);"
        ' set type = "string", or api = "v2" for Long'
    )


def test_without_a_narrow_column_there_are_no_bounds() -> None:
    """Every integer of 64 bits goes to a service that has room for it."""
    assert takes_wide({"type": "integer"}, None, LENIENT)
    assert takes_wide({"type": "integer"}, "Integer", LENIENT)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"value": 2**31}, r"fields\.v\.value: '2147483648' .*'v' of type Int"),
        ({"value": WIDE}, r"fields\.v\.value: "),
        ({"from": "Volume", "default": 2**31}, r"fields\.v\.default: '2147483648' .*type Int"),
        ({"from": "Volume", "type": "integer", "default": WIDE}, r"fields\.v\.default: "),
    ],
)
def test_constants_and_defaults_keep_the_bounds(field: dict[str, Any], words: str) -> None:
    """They are refused with the plan, not with every record."""
    for layout in (CSV, JSON):
        with pytest.raises(SettingsError, match=words):
            met(layout, job_of(fields={"v": field}), schema_of(v="Int"), types=STRICT)


def test_integers_that_sql_makes_keep_the_bounds() -> None:
    """As soon as it is known that they are integers; other results stay as they were."""
    fields = {"n": {"from": "Volume"}, "twice": {"sql": "n * 2"}, "t": {"sql": "'x'"}}
    job = job_of(source={"rest": "drop"}, fields=fields)
    for types, bound in ((STRICT, True), (LENIENT, False)):
        meeting = Meeting(job, None, types, {"Volume": "integer"})
        plan, _ = make_plan(CSV, meeting)
        bounded = with_integers(plan, {"twice": "integer", "t": "string"}, meeting)
        assert [f.rule is not None for f in plan.fields] == [True, False, False]
        assert [f.rule is not None for f in bounded.fields] == [True, bound, False]
        assert bounded.fields[0] is plan.fields[0]


def test_names_and_properties_are_conflicts_with_the_others() -> None:
    """All in one go: a name, a property and a column that is not there."""
    job = job_of(fields={"x": {}, "Volume": {"column": {"nullable": "no"}}})
    found = "\n".join(met(CSV, job, types=STRICT)[1])
    for words in ("no column 'x'", "'Close Price' can't be", "Close_Price = {", "Volume.column"):
        assert words in found


def test_a_column_that_refuses_null_must_be_given() -> None:
    """By a field, or by every record where members travel as they came."""
    schema = schema_of(
        Date=Column("Date", "String"), id=Column("id", "Int", required=True), x="String"
    )
    job = job_of(source={"rest": "drop"}, fields={"Date": {}})
    wanted = ("the table 'stock' requires 'id', and no field gives it",)
    assert met(CSV, job, schema, types=STRICT)[1] == wanted
    assert met(JSON, job, schema, types=STRICT)[1] == wanted
    plan, found = met(JSON, job_of(fields={"Date": {}}), schema, types=STRICT)
    assert (plan.must, found) == (("id",), ())
    plan, found = met(JSON, job_of(), schema, types=STRICT)
    assert (plan.must, plan.passthrough, found) == ((), True, ())
    assert met(JSON, job_of(fields={"Date": {}}), schema)[0].must == ()


def test_nulls_are_sent_or_left_out() -> None:
    """As the target's settings say; nothing passes through less for it."""
    assert not met(CSV, job_of())[0].omit_nulls
    plan, _ = met(JSON, job_of(target={"nulls": "omit"}))
    assert plan.omit_nulls
    assert plan.passthrough
