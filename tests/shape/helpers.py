"""What the tests of the shape stage share: odd texts, jobs, blocks made by hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from ingest.job import Job, make_job
from ingest.model import Block, Dialect, FileInfo, Form, Layout, Schema, Segment, Shaped
from ingest.shape.plan import ShapePlan, make_plan
from ingest.shape.service import Meeting, ServiceTypes
from ingest.targets import aito_types, avalanchio_types

LENIENT = ServiceTypes(avalanchio_types.column_type, avalanchio_types.field_type)
# Integers of 32 bits, columns that refuse null unless they say otherwise, no blanks in names.
STRICT = ServiceTypes(
    aito_types.column_type,
    aito_types.field_type,
    integer_range=aito_types.integer_range,
    column_name_problem=lambda name: "it holds a blank" if " " in name else None,
    wider_integers='api = "v2" for Long',
    strict_nulls=True,
    own_columns=frozenset(),
)

ODD_TEXTS = (
    "", " ", "0", "-0", "+5", "00100", "1_000", "١٢٣", "１２", "infinity", "-inf", "NaN", "1e400",
    "1e-400", "12345.0", "1.5E3", "12345.5", "9007199254740993", "9223372036854775807",
    "2147483647", "2147483648", "-2147483648", "-2147483649", "1999999999", "2000000000.0",
    "999999999", "1700000000.0", "9223372036854775808", "-9223372036854775808",
    "18446744073709551616", "5.", ".5", ".",
    "0.1234567890123456789", "1,5", "1.000,5", "true", "FALSE", "Y", "N", "null", "NA", "a\0b",
    '"', "\\", 'a"b', "a\\b", "\x1f", "\x7f", "\u2028", "é", "😀", "5\n", "a\nb", "\t7 ",
    "2024-02-29", "2023-02-29", "2024-01-31T23:59:59Z", "2024-01-31 23:59:59.123456789",
    "0001-01-01", "9999-12-31", "{}", '{"a":1}', '"x"', "[1,2]",
)  # fmt: skip


def numbers_and_noise() -> st.SearchStrategy[str]:
    """Texts that are numbers, nearly numbers, or anything."""
    number = st.from_regex(
        r"[ \t]?[+-]?[0-9]{0,20}(\.[0-9]{0,4})?([eE][+-]?[0-9]{1,3})?[ \t]?", fullmatch=True
    )
    near = st.text("0123456789+-.,eE _١\t\n", max_size=12)
    return st.one_of(st.sampled_from(ODD_TEXTS), number, near, any_text())


def integers_around(*borders: int) -> st.SearchStrategy[str]:
    """Integers near these borders, in several spellings."""
    near = st.sampled_from(borders).flatmap(lambda b: st.integers(b - 3, b + 3))
    return st.builds(lambda n, end: f"{n}{end}", near, st.sampled_from(["", "", ".0", ".", "e0"]))


def any_text() -> st.SearchStrategy[str]:
    """Any text that has a UTF-8 form."""
    return st.text(st.characters(codec="utf-8"), max_size=8)


def make_file(index: int = 0, path: str | None = None) -> FileInfo:
    """An input that nobody opens."""
    return FileInfo(index, path or f"data/f{index}.csv")


def job_of(**settings: Any) -> Job:
    """A job with these tables over the least that a job needs."""
    document: dict[str, Any] = {
        "name": "test",
        "source": {"paths": ["x"]},
        "target": {"system": "avalanchio", "table": "t"},
    }
    for key, value in settings.items():
        document[key] = {**document.get(key, {}), **value}
    return make_job(document)


def plan_of(
    layout: Layout,
    job: Job,
    schema: Schema | None = None,
    types: ServiceTypes = LENIENT,
    **guessed: Any,
) -> ShapePlan:
    """The plan for a layout; there must be no conflict."""
    plan, conflicts = make_plan(layout, Meeting(job, schema, types, guessed))
    assert conflicts == ()
    return plan


def csv_block(columns: Sequence[str], *segments: Sequence[Sequence[str]], number: int = 0) -> Block:
    """Rows of one file each, quoted where they need it."""
    texts = []
    for rows in segments:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
        texts.append(out.getvalue().encode())
    return block_of(Layout("csv", tuple(columns), Dialect()), *texts, number=number)


def ndjson_block(*segments: bytes) -> Block:
    """Lines of one file each."""
    return block_of(Layout("ndjson"), *segments)


def block_of(
    layout: Layout, *segments: bytes, form: Form = Form.ODD, number: int = 0, byte: int = 0
) -> Block:
    """A block of these segments, each of a file of its own."""
    made, start = [], 0
    for index, data in enumerate(segments):
        end = start + len(data)
        made.append(Segment(make_file(index), start, end, byte, first_line=1))
        start = end
    return Block(number, b"".join(segments), layout, tuple(made), form)


def records_of(shaped: Shaped, record_end: bytes = b"\n") -> list[list[Any]]:
    """The records that came out, parsed, by segment."""
    return [
        [json.loads(line) for line in texts_of(shaped, index, record_end)]
        for index in range(len(shaped.segments))
    ]


def texts_of(shaped: Shaped, segment: int, record_end: bytes = b"\n") -> list[bytes]:
    """The lines of one segment without their ends."""
    part = shaped.segments[segment]
    data = shaped.buffer[part.start : part.end]
    assert data == b"" or data.endswith(record_end)
    return data.split(record_end)[:-1]
