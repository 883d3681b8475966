"""One record by itself is what the columns make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Layout
from ingest.shape.encode import BadCell, encode
from ingest.shape.one_record import RecordMaker
from tests.shape.helpers import job_of, numbers_and_noise, plan_of

LAYOUT = Layout("csv", ("i", "d", "day", "flag", "s"))
FIELDS: Mapping[str, Any] = {
    "file": {"from": "@stem"},
    "i": {"type": "integer", "default": 7},
    "kind": {"value": "daily"},
    "amount": {"from": "d", "type": "decimal", "nulls": ["NA"]},
    "day": {"type": "date", "format": ["%d.%m.%Y", "%Y-%m-%d"]},
    "flag": {"type": "boolean"},
    "must": {"from": "s", "type": "string", "required": True, "column": {"max_length": 5}},
    "s": {"type": "text"},
}
VALUE = st.one_of(
    st.sampled_from(["", "NA", "1", "1.0", "2024-02-29", "true"]), numbers_and_noise()
)
LARGEST = 160


@given(st.lists(VALUE, min_size=5, max_size=5), st.sampled_from(["send", "omit"]))
@settings(max_examples=500)
def test_it_is_what_the_columns_make_of_it(values: list[str], nulls: str) -> None:
    """The same bytes, or the same trouble of the same field."""
    plan = plan_of(LAYOUT, job_of(fields=FIELDS, target={"nulls": nulls}))
    names = [f"c{place}" for place in range(5)]
    frame = pl.DataFrame([values], schema=dict.fromkeys([*names], pl.String), orient="row")
    frame = frame.with_columns(pl.lit("data").alias("p"))
    columns = {i: f"c{f.position}" for i, f in enumerate(plan.fields) if f.position >= 0}
    by_columns = encode(frame, plan, columns | {0: "p"}, LARGEST)
    found = RecordMaker(plan, LARGEST).made(0, values, {0: '"data"'})
    if not isinstance(found, BadCell):
        assert [found.decode()] == by_columns.lines.to_list()
        return
    (bad,) = by_columns.bad
    assert (found.row, found.field, found.stage) == (bad.row, bad.field, bad.stage)
    assert (found.trouble.reason, found.trouble.message) == (
        bad.trouble.reason,
        bad.trouble.message,
    )


@pytest.mark.parametrize("more", [0, -1])
def test_a_record_of_exactly_the_limit(more: int) -> None:
    """One byte less of room, and it is refused whole."""
    plan = plan_of(Layout("csv", ("s",)), job_of())
    found = RecordMaker(plan, len('{"s":"éé"}'.encode()) + more).made(3, ["éé"], {})
    if more == 0:
        assert found == '{"s":"éé"}'.encode()
    else:
        assert isinstance(found, BadCell)
        assert (found.row, found.field, found.trouble.reason) == (3, None, "record_too_large")
