"""A draft as a job file: parsed, it is the job that was meant, whatever the columns are called."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError
from ingest.operations.init_draft import draft
from ingest.operations.init_write import checked, job_text
from tests.operations.made import aito, avalanchio, csv_block, seen_of

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
CELLS = st.sampled_from(["1", "NA", "x\ny", '"', "2024-01-31", "01/02/2003", "yes", "\x1b[0m", ""])


def line(cells: list[str]) -> str:
    """The cells as a record of CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()


@settings(max_examples=30, deadline=None)
@given(st.data(), st.lists(NAMES, min_size=1, max_size=5, unique=True), st.booleans())
def test_any_columns(data: st.DataObject, names: list[str], to_aito: bool):
    """Quotes, newlines and brackets in names and cells end no string and begin no table."""
    cells = st.lists(CELLS, min_size=len(names), max_size=len(names))
    records = data.draw(st.lists(cells, min_size=1, max_size=4))
    service = aito() if to_aito else avalanchio()
    seen = seen_of(csv_block(names, *map(line, records)))
    given_: dict[str, dict[str, Any]] = {
        "source": {"paths": names},
        "target": {"system": service.system, "table": names[0]},
    }
    made = draft(given_, seen, service)
    text = job_text("t", "./s.json", [*names, "a\nb"], made)
    job = checked(text, made, Path())
    assert job.source.paths == tuple(names)
    read = [settings_.from_ or name for name, settings_ in job.fields.items()]
    assert read == [name for name in names if not name.startswith("@")]


def test_the_text():
    """The schema first; evidence above each field; doubts as comments."""
    seen = seen_of(csv_block(["Is open", "n"], "yes,1", "no,NA"))
    given_: dict[str, dict[str, Any]] = {
        "source": {"paths": ["x.csv"]},
        "target": {"system": "avalanchio", "table": "t"},
    }
    text = job_text("t", "./s.json", ["Two records."], draft(given_, seen, avalanchio()))
    head, fields = text.split("[fields]\n")
    assert head.splitlines()[:4] == ["#:schema ./s.json", "# Two records.", "", 'name = "t"']
    assert fields.splitlines()[:4] == [
        "# 2 of 2 values are yes or no; they are 1 and 0, since the service has no booleans",
        'is_open = { from = "Is open", type = "integer", true = ["yes"], false = ["no"] }',
        "# 1 of 1 values are whole numbers, 1 to 1; null are 'NA' (1)",
        'n       = { type = "integer", nulls = ["", "NA"] }',
    ]


def test_settings_that_do_not_go_together_are_an_error():
    """What a person set beside is checked like a file's."""
    seen = seen_of(csv_block(["a"], "1"))
    target = {"system": "avalanchio", "table": "t", "via": "stream"}
    made = draft({"source": {"paths": ["x"]}, "target": target}, seen, avalanchio())
    with pytest.raises(SettingsError, match="via"):
        checked(job_text("t", "s", [], made), made, Path())
