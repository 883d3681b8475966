"""Members of NDJSON records as columns: texts, what is absent, and the rest."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from msgspec.structs import replace

from ingest.model import Layout
from ingest.shape.json_alike import Members, expected_of, read_alike
from ingest.shape.json_members import Columns, columns_of, members_of
from tests.shape.helpers import job_of, ndjson_block, plan_of

LAYOUT = Layout("ndjson")


def columns(lines: list[bytes], fields: dict[str, Any], rest: str = "keep") -> list[Columns]:
    """The columns of each part of these lines."""
    plan = plan_of(LAYOUT, job_of(fields=fields, source={"rest": rest}))
    block = ndjson_block(b"".join(line + b"\n" for line in lines))
    alike = read_alike(block, plan, replace(expected_of(block.data, plan), rewriting=None))
    assert alike is not None
    height = len(lines)
    pseudo = {
        index: pl.Series([f"row {n}" for n in range(height)])
        for index, field in enumerate(plan.fields)
        if field.pseudo
    }
    return [
        columns_of(part, plan, height, pseudo) for part in alike.parts if isinstance(part, Members)
    ]


@pytest.mark.parametrize(
    ("field", "values", "texts"),
    [
        ({"type": "integer"}, ["1", "null"], ["1", None]),
        ({"type": "string"}, ['"a"', "1", "null"], ["a", "1", None]),
        ({"type": "string"}, ['"\\u00e9\\n"', '"b"'], ["é\n", "b"]),
        ({"type": "json"}, ['"a"', "[1]", "null"], ['"a"', "[1]", None]),
        ({}, ['"a"', "[1]", "null"], ['"a"', "[1]", None]),
        ({"nulls": ["NA"]}, ['"a"', '"NA"', "1"], ['"a"', None, "1"]),
    ],
)
def test_texts_are_what_the_rule_reads(
    field: dict[str, Any], values: list[str], texts: list[str | None]
) -> None:
    """Strings without their quotes for a type, anything else as it is written."""
    (found,) = columns(
        [f'{{"k":{value}}}'.encode() for value in values], {"f": {"from": "k"} | field}
    )
    assert found.frame.get_column(found.names[0]).to_list() == texts
    assert not found.extras.absent


def test_a_key_that_is_absent_is_not_null() -> None:
    """It is told by a column of its own, unless the field has a default."""
    lines = [b'{"k":1,"o":2}', b'{"k":null}']
    fields = {"k": {}, "o": {}, "d": {"from": "o", "default": 5}, "gone": {}}
    (found,) = columns(lines, fields)
    absent = {i: found.frame.get_column(name).to_list() for i, name in found.extras.absent.items()}
    assert absent == {1: [False, True], 3: [True, True]}


def test_the_rest_is_one_text_a_record() -> None:
    """In its order, without what a field reads; no column if it is dropped or there is none."""
    lines = [b'{"a":1.50,"k":1,"b":[2,3]}', b'{"k":2,"b":null}']
    (found,) = columns(lines, {"k": {}})
    assert found.frame.get_column("rest").to_list() == ['"a":1.50,"b":[2,3]', '"b":null']
    (found,) = columns(lines, {"k": {}}, rest="drop")
    assert found.extras.rest is None
    (found,) = columns([b'{"k":1}'], {"k": {}})
    assert found.extras.rest is None
    assert "rest" not in found.frame.columns


def test_odd_lines_have_columns_of_their_own() -> None:
    """Pseudo columns are those of their rows, and nothing is known of their spelling."""
    lines = [b'{"k":%d}' % n for n in range(80)]
    lines[70] = b'{"k":"x"}'
    usual, odd = columns(lines, {"k": {"type": "integer"}, "p": {"from": "@stem"}})
    assert (usual.frame.height, odd.frame.height) == (79, 1)
    assert odd.frame.select(odd.names[0], odd.names[1]).rows() == [("x", "row 70")]
    assert usual.frame.get_column(usual.names[1])[70] == "row 71"
    assert (list(usual.known), list(odd.known)) == ([0], [])


def test_members_stand_between_the_braces() -> None:
    """Whatever braces they hold themselves."""
    lines = pl.Series(['{"a":{"b":{}}}', "{}"])
    assert members_of(lines).to_list() == ['"a":{"b":{}}', ""]
