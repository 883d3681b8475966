"""Segments of NDJSON: what is a record, and why something is none. Shapers are tested whole."""

from __future__ import annotations

import pytest

from ingest.model import Layout
from ingest.shape.json_parts import part_of, read_parts
from ingest.shape.plan import FieldPlan, ShapePlan
from tests.shape.helpers import ndjson_block

LAYOUT = Layout("ndjson")
PASS = ShapePlan(LAYOUT, (), rest=True)
PLAN = ShapePlan(LAYOUT, (FieldPlan("a", column="b"),), rest=True, must=("m", "k"))


@pytest.mark.parametrize(
    ("line", "reason", "key"),
    [
        ('{"b":1,"m":2,"k":3}', None, None),
        ('{"m":2,"k":false}', None, None),
        ('{"m":2,"k":"null"}', None, None),
        ('{"m":2,"k":{}}', None, None),
        ('{"b":1,"m":2}', "missing_value", "k"),
        ('{"m": null ,"k":3}', "missing_value", "m"),
        ("{}", "missing_value", "m"),
        ('{"a":1,"m":2,"k":3}', "name_taken", None),
        ('{"a":1}', "name_taken", None),
        ("[]", "not_an_object", None),
    ],
)
def test_why_a_record_is_none(line: str, reason: str | None, key: str | None) -> None:
    """One reason a record, and the member that is to blame where there is one."""
    (part,), records = read_parts(ndjson_block(line.encode() + b"\n"), PLAN)
    found = [(r.reason, r.field, r.column, r.raw.decode()) for r in part.rejects]
    assert found == ([] if reason is None else [(reason, key, key, line)])
    assert len(part.good) == len(records) == (reason is None)


def test_nothing_is_asked_of_what_passes_through() -> None:
    """Only that it is a record."""
    (part,), records = read_parts(ndjson_block(b'{"a":1}\n[\n{}\n'), PASS)
    assert (len(records), list(part.good)) == (2, [0, 2])
    assert [(r.record, r.reason, r.stage) for r in part.rejects] == [(2, "not_an_object", "parse")]


def test_rejects_of_all_kinds_stand_in_order() -> None:
    """By record, whatever the reason; the good ones keep their lines."""
    lines = [b'{"a":1}', b"[", b'{"m":1,"k":1}', b"", b'{"k":1}', b'{"m":1,"k":1,"b":2}']
    block = ndjson_block(b"", b"\n".join([*lines, b""]))
    (empty, part), records = read_parts(block, PLAN)
    assert (empty.rejects, list(empty.good)) == ((), [])
    assert [(r.record, r.line) for r in part.rejects] == [(1, 1), (2, 2), (4, 5)]
    assert list(part.texts()) == [lines[2], lines[5]]
    assert list(part.line_numbers()) == [3, 6]
    assert len(records) == 2
    place = part_of(block, block.segments[1]).place(4)
    assert (place.record, place.line, place.raw) == (5, 6, lines[5])
