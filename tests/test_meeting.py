"""Before the first record: what fits is made, what does not is said and nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.errors import SettingsError
from ingest.job import Job, make_job
from ingest.meeting import Meant, meet
from ingest.model import Block, Column, FileInfo, Form, Format, Layout, Schema, Segment
from ingest.protocols import TableWish
from ingest.shape.service import ServiceTypes
from ingest.shape.values import BadValue
from tests.fakes import ScriptedTarget
from tests.shape.helpers import LENIENT, STRICT

pytestmark = pytest.mark.anyio
CSV = Layout("csv", ("day", "n", "zip"))


@dataclass
class Input:
    """A prepared source made by hand."""

    format: Format = "csv"
    layouts: Mapping[Layout, str] = field(default_factory=lambda: {CSV: "a.csv"})
    sample: Sequence[Block] = ()


class Table(ScriptedTarget):
    """A target with this live table; it keeps what it was asked to make."""

    def __init__(self, live: Schema | None) -> None:
        super().__init__()
        self.live = live
        self.wishes: list[TableWish] = []

    async def describe(self) -> Schema | None:
        return self.live

    async def ensure(self, wish: TableWish) -> Schema:
        self.wishes.append(wish)
        return Schema(wish.name, wish.columns)


def csv_sample(text: str) -> Block:
    """A block with these lines."""
    data = text.encode()
    return Block(0, data, CSV, (Segment(FileInfo(0, "a.csv"), 0, len(data), 0),), Form.PLAIN)


def ndjson_input(data: bytes) -> Input:
    """A file of these lines."""
    layout = Layout("ndjson")
    sample = Block(0, data, layout, (Segment(FileInfo(0, "a"), 0, len(data), 0),))
    return Input("ndjson", {layout: "a"}, [sample])


def job_with(fields: dict[str, Any] | None = None, **target: Any) -> Job:
    """A job over the three columns."""
    return make_job(
        {
            "name": "j",
            "source": {"paths": ["a.csv"]},
            "fields": fields or {},
            "table": {"skip_audit_fields": True},
            "target": {"system": "avalanchio", "table": "t", **target},
        }
    )


async def settle(
    job: Job, prepared: Input, target: Table, types: ServiceTypes = LENIENT
) -> tuple[Meant, list[str]]:
    """`meet`, and the notes it gave."""
    notes: list[str] = []
    return await meet(job, prepared, target, types, notes.append), notes


async def test_a_table_is_made_from_fields_and_from_what_the_data_shows():
    """Types named travel as named, others are taken from the sample, and that is said."""
    job = job_with(
        {"day": {"type": "date", "column": {"indexed": True, "label": "Day"}}}, create=True
    )
    target = Table(None)
    sample = csv_sample("2024-01-01,1,00100\n2024-01-02,2,00200\n")
    _, notes = await settle(job, Input(sample=[sample]), target)
    (wish,) = target.wishes
    assert wish.properties == {"skip_audit_fields": True}
    assert [(c.name, c.type, c.indexed) for c in wish.columns] == [
        ("day", "Date", True),
        ("n", "Bigint", False),
        ("zip", "Text", False),
    ]
    assert wish.columns[0].properties == {"label": "Day"}
    assert notes == ["types taken from the first records: n integer, zip string"]


async def test_no_table_and_no_wish_to_make_one_is_an_error():
    """Without create nothing is made, and the way on is said."""
    target = Table(None)
    with pytest.raises(SettingsError) as caught:
        await settle(job_with(), Input(), target)
    assert "create = true" in caught.value.hint
    assert not target.wishes


async def test_every_conflict_is_named_at_once_and_nothing_is_changed():
    """A column that no file has, and one that the table does not: both, with the file."""
    live = Schema("t", (Column("day", "Date"), Column("n", "Bigint")))
    target = Table(live)
    job = job_with({"when": {"from": "Day"}})
    with pytest.raises(SettingsError) as caught:
        await settle(job, Input(), target)
    lines = caught.value.message.splitlines()
    assert any("no column 'Day'" in line and "'day'" in line and "a.csv" in line for line in lines)
    assert any("no column 'zip'" in line for line in lines)
    assert not target.wishes


async def test_a_live_tables_types_are_taken_for_fields_without_one():
    """An untyped field takes the live column's type; nothing is made without create."""
    live = Schema("t", (Column("day", "Date"), Column("n", "Double"), Column("zip", "Text")))
    meant, notes = await settle(job_with(), Input(), Table(live))
    assert [f.type for f in meant.plans[CSV].fields] == ["date", "decimal", "string"]
    assert notes == []


async def test_target_type_and_boolean():
    """target_type is handed on as it is; a boolean has no column type here, and that is said."""
    target = Table(None)
    job = job_with(
        {"n": {"type": "integer", "target_type": "Integer"}, "day": {}, "zip": {}}, create=True
    )
    await settle(job, Input(sample=[csv_sample("x,1,2\n")]), target)
    assert target.wishes[0].columns[0].type == "Integer"
    with pytest.raises(SettingsError, match="boolean"):
        await settle(job_with({"n": {"type": "boolean"}}, create=True), Input(), Table(None))


async def test_sql_that_looks_at_other_rows_is_refused_before_anything_is_made():
    """A field's SQL is row-wise over the fields before it."""
    target = Table(None)
    fields = {"n": {"type": "integer"}, "total": {"sql": "sum(n)"}}
    with pytest.raises(SettingsError, match="other rows"):
        await settle(job_with(fields, create=True), Input(), target)
    assert not target.wishes


async def test_keys_of_json_become_columns():
    """NDJSON with create: every key of the sample that no field names, with its kind."""
    data = b'{"a": 1, "b": 1.5, "c": "x", "d": {"e": 1}, "f": null}\n{"a": 2.5, "f": null}\n'
    layout = Layout("ndjson")
    sample = Block(0, data, layout, (Segment(FileInfo(0, "a"), 0, len(data), 0),))
    target = Table(None)
    await settle(
        job_with({"a": {"type": "decimal"}}, create=True),
        Input("ndjson", {layout: "a"}, [sample]),
        target,
    )
    assert [(c.name, c.type) for c in target.wishes[0].columns] == [
        ("a", "Double"),
        ("b", "Double"),
        ("c", "Text"),
        ("d", "Json"),
    ]


async def test_fields_made_by_sql_have_the_type_of_their_result():
    """A number that SQL makes gets a column for numbers; what `type` says goes first."""
    fields = {
        "n": {"type": "integer"},
        "day": {},
        "zip": {},
        "half": {"sql": "n / 2.0"},
        "label": {"sql": "upper(zip)"},
        "whole": {"sql": "n * 2", "type": "string"},
    }
    target = Table(None)
    await settle(job_with(fields, create=True), Input(sample=[csv_sample("x,1,a\n")]), target)
    made = {c.name: c.type for c in target.wishes[0].columns}
    assert (made["half"], made["label"], made["whole"]) == ("Double", "Text", "Text")


async def test_a_key_that_a_field_renames_gets_no_column_of_its_own():
    """NDJSON: `b = { from = "a" }` makes the column b, not a."""
    layout, data = Layout("ndjson"), b'{"a": 1, "c": 2}\n'
    sample = Block(0, data, layout, (Segment(FileInfo(0, "a"), 0, len(data), 0),))
    target = Table(None)
    job = job_with({"b": {"from": "a"}}, create=True)
    await settle(job, Input("ndjson", {layout: "a"}, [sample]), target)
    assert [(c.name, c.type) for c in target.wishes[0].columns] == [
        ("b", "Bigint"),
        ("c", "Bigint"),
    ]


async def test_a_strict_table_is_made_of_what_its_columns_hold():
    """Text for integers too wide, truth where every word is; both are said, with the reason."""
    target = Table(None)
    sample = csv_sample("true,9999999999,1\nfalse,1,2\n")
    meant, notes = await settle(job_with(create=True), Input(sample=[sample]), target, STRICT)
    assert [(c.name, c.type, c.required) for c in target.wishes[0].columns] == [
        ("day", "Boolean", False),
        ("n", "String", False),
        ("zip", "Int", False),
    ]
    assert [f.type for f in meant.plans[CSV].fields] == ["boolean", "string", "integer"]
    assert notes == [
        "types taken from the first records: day boolean, n string, zip integer",
        "n string: its integers pass 32 bits, which Int can't hold",
    ]


async def test_wide_integers_that_travel_as_they_came_say_so_only_where_a_column_is_made():
    """A live column is what it is."""
    live = Schema("t", (Column("n", "Long"),))
    data = b'{"n": 9999999999, "m": 9999999999}\n'
    target = Table(live)
    _, notes = await settle(job_with(create=True), ndjson_input(data), target, STRICT)
    assert {c.name: c.type for c in target.wishes[0].columns}["m"] == "Decimal"
    assert notes[1:] == ["m decimal: its integers pass 32 bits, which Int can't hold"]


@pytest.mark.parametrize("live", [None, Schema("t", (Column("n", "Int"),))])
async def test_nullable_and_required_of_the_columns_that_are_made(live: Schema | None):
    """`nullable` becomes its contrary, other properties are handed on. A required field makes a
    column that refuses null only with a new table: the rows of another have no value for it."""
    fields = {
        "day": {"type": "string", "required": True, "column": {"link": "days.day"}},
        "n": {"type": "integer", "column": {"nullable": False}},
        "zip": {"type": "text", "column": {"analyzer": "english", "nullable": True}},
    }
    target = Table(live)
    await settle(job_with(fields, create=True), Input(), target, STRICT)
    columns = target.wishes[0].columns
    assert [c.required for c in columns] == [live is None, True, False]
    assert [c.properties for c in columns] == [{"link": "days.day"}, {}, {"analyzer": "english"}]


async def test_a_service_without_nullable_gets_the_words_of_the_job():
    """`required` is a flag of its columns, `nullable` a property like any other."""
    fields = {
        "day": {"required": True, "column": {"nullable": False}},
        "n": {"column": {"required": True}},
        "zip": {},
    }
    target = Table(None)
    await settle(job_with(fields, create=True), Input(), target)
    day, n, _ = target.wishes[0].columns
    assert (day.required, day.properties) == (False, {"nullable": False})
    assert (n.required, n.properties) == (True, {})


@pytest.mark.parametrize(("types", "made"), [(STRICT, True), (LENIENT, False)])
async def test_an_id_is_made_where_the_service_gives_none(types: ServiceTypes, made: bool):
    """A column of the service's own is not asked for."""
    target = Table(None)
    job = job_with({"id": {"from": "n", "type": "integer"}, "day": {}, "zip": {}}, create=True)
    await settle(job, Input(), target, types)
    assert ("id" in [c.name for c in target.wishes[0].columns]) is made


async def test_integers_made_by_sql_keep_the_bounds_of_their_column():
    """They are known to be integers only after the expression was looked at."""
    fields = {"n": {"type": "integer"}, "twice": {"sql": "n * 2"}, "day": {}, "zip": {}}
    for types, wide in ((STRICT, False), (LENIENT, True)):
        meant, _ = await settle(job_with(fields, create=True), Input(), Table(None), types)
        rule = meant.plans[CSV].fields[1].rule
        assert (rule is None) is wide
        if rule is not None:
            with pytest.raises(BadValue, match="'twice' of type Int"):
                rule.scalar("9999999999")


async def test_names_and_constants_that_no_column_takes_are_said_before_anything_is_made():
    """Names with every other conflict; keys of JSON, too; a constant with its key."""
    target = Table(None)
    job = job_with({"my day": {"from": "day"}, "x": {}}, create=True)
    with pytest.raises(SettingsError) as caught:
        await settle(job, Input(), target, STRICT)
    lines = caught.value.message.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["fields.x", "fields.my day"]
    with pytest.raises(SettingsError, match="'a b' can't be a column's name"):
        await settle(job_with(create=True), ndjson_input(b'{"a b": 1}\n'), target, STRICT)
    with pytest.raises(SettingsError, match=r"fields\.x\.value: .*type Int"):
        await settle(job_with({"x": {"value": 2**31}}, create=True), Input(), target, STRICT)
    assert not target.wishes
