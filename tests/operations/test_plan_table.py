"""What a run would find and change at the table."""

from __future__ import annotations

from typing import Any

from ingest.job import Job, make_job
from ingest.model import Column, Schema
from ingest.operations.plan_table import column_types, table_report
from ingest.protocols import TableWish

LIVE = Schema(
    "t",
    (
        Column("id", "Bigint"),
        Column("n", "Bigint", properties={"label": "N"}),
        Column("must", "Text", required=True),
    ),
    {"label": "old"},
)


def job(**fields: Any) -> Job:
    """A job with these fields."""
    target = {"system": "avalanchio", "table": "t", "create": True}
    source = {"paths": "a.csv"}
    document = {"name": "j", "source": source, "target": target, "table": {"label": "new"}}
    return make_job({**document, "fields": fields})


def test_made() -> None:
    """No table: all columns of the wish are made, with their flags."""
    wish = TableWish("t", {}, (Column("n", "Bigint", unique=True),))
    found = table_report(job(), None, wish, ["n"], {"id"})
    assert (found["made"], found["exists"], found["differs"]) == (True, False, [])
    assert found["columns_made"] == [{"name": "n", "type": "Bigint", "flags": ["unique"]}]


def test_widened_and_left() -> None:
    """Only what lacks is added; what nobody fills is said, the service's own columns are not."""
    wish = TableWish("t", {}, (Column("n", "Bigint"), Column("m", "Text")))
    found = table_report(job(), LIVE, wish, ["n", "m"], {"id"})
    assert [one["name"] for one in found["columns_made"]] == ["m"]
    assert found["not_filled"] == [{"name": "must", "type": "Text", "required": True}]
    assert column_types(LIVE, wish) == {"id": "Bigint", "n": "Bigint", "must": "Text", "m": "Text"}


def test_what_stays() -> None:
    """Types, flags and properties that the job says otherwise have no effect, each named once."""
    said = job(n={"target_type": "Double", "column": {"indexed": True, "label": "M"}})
    found = table_report(said, LIVE, None, ["n"], {"id"})["differs"]
    assert len(found) == 4
    assert "type Double, the column is Bigint" in found[0]
    assert "indexed = true, the column is not indexed" in found[1]
    assert "label = 'M'" in found[2]
    assert found[3].startswith("table.label")
    assert not found[0].endswith("None")


def test_nothing_differs() -> None:
    """What agrees is not named."""
    said = job(n={"column": {"label": "N", "indexed": False, "type": "Bigint"}})
    assert [
        one for one in table_report(said, LIVE, None, ["n"], ())["differs"] if "n:" in one
    ] == []
