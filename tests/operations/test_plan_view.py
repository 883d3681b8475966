"""A plan as people see it: on wide and narrow terminals, with nothing taken for markup."""

from __future__ import annotations

import io
from typing import Any

import pytest

from ingest.operations.plan_view import PlanView, sentences
from ingest.progress.bar import steady_console

EVIL = "[red]x[/red]\x1b[2J"


def report(**more: Any) -> dict[str, Any]:
    """A plan of everything at once."""
    field = {"name": EVIL, "from": "A", "type": "date", "column_type": "Date"}
    way = {
        "way": "batch", "records": 5, "requests": 2, "bytes": 1234, "plain_bytes": None,
        "superseded": 1, "too_large": 0, "about": [],
    }  # fmt: skip
    file = {**way, "way": "file", "plain_bytes": 5000, "about": ["bytes", "requests"]}
    example = {
        "file": EVIL, "line": 7, "record": 6, "column": "A", "field": "a", "stage": "coerce",
        "reason": "ambiguous_date", "message": "03/04 can be read in two ways",
    }  # fmt: skip
    found = {
        "job": "stocks", "target": "avalanchio host table stock", "state": "partial",
        "exit_code": 130, "asked": True, "files": {"count": 2, "bytes": 999}, "format": "csv",
        "records": {"read": 7, "to_send": 5, "rejected": 2, "skipped": 3},
        "bytes": {"read": 800}, "ways": [way, file],
        "sending": {"seconds": 0.4, "assumption": "if each is answered within 0.2 s, 1 at once"},
        "rejects": {
            "by_reason": {"ambiguous_date": 2}, "examples": [example], "limit_passed": "2 rejected",
        },
        "ambiguous_dates": [{"column": "A", "reason": "r", "records": 2, "example": "03/04"}],
        "fields": [{**field, "before": "03/04", "after": '"2024-04-03"'}],
        "dropped": ["Remark"],
        "keys": {
            "column": "k", "looked_at": 5, "without": 1, "not_looked_at": 2, "bytes_a_key": 16,
            "keys_doubled": 1, "records": 2,
            "examples": [[{"file": "a", "record": 1}, {"file": "b", "record": 2}]],
        },
        "table": {
            "exists": True, "made": False, "differs": ["n: stays"],
            "columns_made": [{"name": "n", "type": "Bigint", "flags": ["unique"]}],
            "not_filled": [{"name": "must", "type": "Text", "required": True}],
        },
        "unfinished": {"run": EVIL, "settled": 1234, "open_requests": 1},
        "conflicts": [], "hint": "", "notes": [], "error": None,
    }  # fmt: skip
    return {**found, **more}


def shown(found: dict[str, Any], width: int) -> str:
    """The text on a terminal of that width."""
    out = io.StringIO()
    steady_console(out, width=width).print(PlanView(found))
    return out.getvalue()


@pytest.mark.parametrize("width", [30, 40, 79, 80, 200])
def test_width(width: int) -> None:
    """No line is longer than the terminal, nothing from outside is obeyed."""
    text = shown(report(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    words = "".join(text.split())
    assert "[red]x[/red]" in words
    assert "PARTIAL" in words
    assert '"2024-04-03"' in words


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, "about 2"),
        ({}, "in unchanged files"),
        ({}, "a run would stop: 2 rejected"),
        ({}, "1 keys stand on 2 records: a record 1 and b record 2"),
        ({}, "k: 2 records beyond the bound were not looked at"),
        ({}, "required, and not filled"),
        ({"asked": False}, "the service was not asked"),
        ({"conflicts": ["no such column"], "records": None}, "conflict: no such column"),
        ({"error": {"message": "cut short", "hint": "mend"}}, "error: cut short"),
    ],
)
def test_sentences(more: dict[str, Any], word: str) -> None:
    """What there is to know is said."""
    assert word in shown(report(**more), 300)


def test_nothing_to_do() -> None:
    """No record is no fault."""
    records = {"read": 0, "to_send": 0, "rejected": 0, "skipped": 0}
    said = [sentence for _, sentence in sentences(report(records=records))]
    assert "nothing to do: the inputs hold no records" in said


def test_a_run_to_be_taken_up() -> None:
    """Which, how much of it is settled, and that the figures are of all."""
    words = {sentence: level for level, sentence in sentences(report())}
    (said,) = (sentence for sentence in words if "not finished" in sentence)
    assert words[said] == "warning"
    for part in ("1,234 records of it settled, 1 request perhaps applied", "the whole input"):
        assert part in said
    calm = report(unfinished={"run": "r", "settled": 0, "open_requests": 0})
    assert any("(0 records of it settled);" in sentence for _, sentence in sentences(calm))
    assert not any("not finished" in said for _, said in sentences(report(unfinished=None)))
