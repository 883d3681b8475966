"""Before the first record: what fits is made, what does not is said and nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.errors import SettingsError
from ingest.job import Job, make_job
from ingest.meeting import Meant, ServiceTypes, meet
from ingest.model import Block, Column, FileInfo, Form, Format, Layout, Schema, Segment
from ingest.protocols import TableWish
from ingest.targets.avalanchio_types import column_type, field_type
from tests.fakes import ScriptedTarget

pytestmark = pytest.mark.anyio
TYPES = ServiceTypes(column_type, field_type)
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


async def settle(job: Job, prepared: Input, target: Table) -> tuple[Meant, list[str]]:
    """`meet`, and the notes it gave."""
    notes: list[str] = []
    return await meet(job, prepared, target, TYPES, notes.append), notes


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
