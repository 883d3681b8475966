"""What is said once of the inputs, and what our own job file makes of it."""

from __future__ import annotations

import tomllib

import pytest

from benchmarks.data import STOCK_HEADER, WIDE_HEADER
from benchmarks.tables import STOCK, TABLES, WIDE, job
from ingest.job import make_job


@pytest.mark.parametrize("name", TABLES)
def test_every_table_makes_a_job_that_is_one(name: str) -> None:
    """All columns are fields, in file order, with their types."""
    table = TABLES[name]
    made = make_job({"name": "stock", **tomllib.loads(table.job('a "b".csv'))})
    assert made.source.paths == ('a "b".csv',)
    assert made.source.nulls == (table.null,)
    assert [(f, s.from_, s.type) for f, s in made.fields.items()] == [
        (c.name, None if c.source == c.name else c.source, c.kind) for c in table.columns
    ]


def test_a_job_without_fields_and_with_more() -> None:
    """Nothing is mapped, and what is added stands in it."""
    made = make_job({"name": "x", **tomllib.loads(job("a.ndjson", more="[limits]\nrecords = 5\n"))})
    assert (made.fields, made.limits.records) == ({}, 5)


def test_headers_are_those_of_the_made_files() -> None:
    """A table and the file that is made for it name the same columns."""
    assert (STOCK.header, WIDE.header) == (STOCK_HEADER, WIDE_HEADER)
