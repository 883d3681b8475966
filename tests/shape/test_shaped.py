"""Rows of a frame to segments of a block: borders, rejects, keys, pseudo columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import FileInfo, Layout, Place, Reject
from ingest.shape.encode import BadCell, Encoded
from ingest.shape.plan import FieldPlan, ShapePlan
from ingest.shape.shaped import (
    RAW_BYTES,
    Rows,
    pseudo_columns,
    pseudo_value,
    put_together,
    reject_of,
)
from ingest.shape.values import BadValue
from tests.shape.helpers import block_of, make_file, texts_of

LAYOUT = Layout("csv", ("v",))
FIELD = FieldPlan("f", column="v")
TROUBLE = BadValue("because", "it is so")


def parse_reject(record: int) -> Reject:
    """A record of the segment that parsing refused."""
    return Reject("f", record, 0, record, "parse", "odd", "odd", b"")


@given(
    st.lists(st.lists(st.sampled_from(["good", "bad", "unread"]), max_size=6), max_size=6),
    st.booleans(),
    st.sampled_from([b"\n", b",\n"]),
)
@settings(max_examples=200)
def test_each_segment_gets_its_own(
    files: Sequence[Sequence[str]], keyed: bool, record_end: bytes
) -> None:
    """Any mix of good rows, bad rows and records that never became rows, in any segments."""
    block = block_of(LAYOUT, *[b"x\n" * len(records) for records in files])
    rows: list[Rows] = []
    lines: list[str] = []
    bad: list[BadCell] = []
    places: list[Place] = []
    for number, records in enumerate(files):
        unread = [i for i, kind in enumerate(records, 1) if kind == "unread"]
        rows.append(
            Rows(
                rows=len(records) - len(unread),
                records=len(records),
                lines=2 * len(records),
                rejects=tuple(map(parse_reject, unread)),
            )
        )
        for record, kind in enumerate(records, 1):
            if kind == "bad":
                bad.append(BadCell(len(places), FIELD, "coerce", TROUBLE))
            elif kind == "good":
                lines.append(f'{{"é":"{number}.{record}"}}')
            if kind != "unread":
                places.append(Place(record, 2 * record - 1, 100 + record, b"raw"))
    keys = tuple(lines) if keyed else None
    encoded = Encoded(pl.Series(lines, dtype=pl.String), None, tuple(bad), keys)
    shaped = put_together(block, rows, encoded, places.__getitem__, record_end)
    assert shaped.block is block
    assert shaped.buffer == b"".join(line.encode() + record_end for line in lines)
    assert len(shaped.segments) == len(files)
    for number, (records, part) in enumerate(zip(files, shaped.segments, strict=True)):
        good = [i for i, kind in enumerate(records, 1) if kind == "good"]
        texts = [f'{{"é":"{number}.{record}"}}' for record in good]
        assert [t.decode() for t in texts_of(shaped, number, record_end)] == texts
        assert part.keys == (tuple(texts) if keyed else None)
        assert (part.records, part.lines) == (len(records), 2 * len(records))
        refused = [(i, kind) for i, kind in enumerate(records, 1) if kind != "good"]
        reasons = {"bad": "because", "unread": "odd"}
        assert [(r.record, r.reason) for r in part.rejects] == [(i, reasons[k]) for i, k in refused]


def test_a_reject_names_field_column_and_place() -> None:
    """The source's column, the target's field, where it stands, and the bytes as they came."""
    place = Place(3, 7, 99, b"raw")
    made = reject_of(make_file(1), BadCell(0, FIELD, "coerce", TROUBLE), place)
    assert made == Reject(
        "data/f1.csv", 7, 99, 3, "coerce", "because", "it is so", b"raw", "v", "f"
    )
    pseudo = FieldPlan("f", pseudo="@line")
    assert reject_of(make_file(), BadCell(0, pseudo, "coerce", TROUBLE), place).column == "@line"
    whole = reject_of(make_file(), BadCell(0, None, "limit", TROUBLE), place)
    assert (whole.column, whole.field, whole.stage) == (None, None, "limit")


@pytest.mark.parametrize("size", [0, RAW_BYTES - 1, RAW_BYTES, RAW_BYTES + 1])
def test_raw_bytes_are_bounded(size: int) -> None:
    """And it is said where some are missing."""
    made = reject_of(make_file(), BadCell(0, FIELD, "coerce", TROUBLE), Place(1, 1, 0, b"x" * size))
    assert len(made.raw) == min(size, RAW_BYTES)
    assert made.raw_truncated is (size > RAW_BYTES)


@pytest.mark.parametrize(
    ("file", "stem", "name", "path"),
    [
        (FileInfo(0, "data/AAPL.csv"), "AAPL", "AAPL.csv", "data/AAPL.csv"),
        (FileInfo(0, "AAPL.csv.gz"), "AAPL", "AAPL.csv.gz", "AAPL.csv.gz"),
        (FileInfo(0, "AAPL.CSV.GZ"), "AAPL", "AAPL.CSV.GZ", "AAPL.CSV.GZ"),
        (FileInfo(0, "BRK.B.csv.zst"), "BRK.B", "BRK.B.csv.zst", "BRK.B.csv.zst"),
        (FileInfo(0, "x.csv.gz.bz2"), "x", "x.csv.gz.bz2", "x.csv.gz.bz2"),
        (FileInfo(0, "noext"), "noext", "noext", "noext"),
        (FileInfo(0, ".csv"), ".csv", ".csv", ".csv"),
        (FileInfo(0, "-"), "stdin", "stdin", "-"),
        (FileInfo(0, "a.zip", member="b/c.csv"), "c", "c.csv", "a.zip!b/c.csv"),
        (FileInfo(0, 'd/q"ü\\.csv'), 'q"ü\\', 'q"ü\\.csv', 'd/q"ü\\.csv'),
    ],
)
def test_names_from_files(file: FileInfo, stem: str, name: str, path: str) -> None:
    """The stem is without the directory, the packing and the last suffix."""
    assert pseudo_value("@stem", file) == stem
    assert pseudo_value("@name", file) == name
    assert pseudo_value("@path", file) == path


def test_pseudo_columns_by_segment() -> None:
    """One value a row; segments without rows give none; lines count from the file's start."""
    fields = (FieldPlan("s", pseudo="@stem"), FieldPlan("l", pseudo="@line"), FIELD)
    block = block_of(LAYOUT, b"a\n", b"", b"b\nc\n")
    rows = [Rows(1, 1, 1), Rows(0, 0, 0), Rows(2, 2, 2)]
    made = pseudo_columns(ShapePlan(LAYOUT, fields), block.segments, rows, [1, 1, 2].__getitem__)
    assert {index: column.to_list() for index, column in made.items()} == {
        0: ["f0", "f2", "f2"],
        1: ["1", "1", "2"],
    }


def test_no_rows_have_no_pseudo_values() -> None:
    """An empty block gives empty columns."""
    plan = ShapePlan(LAYOUT, (FieldPlan("p", pseudo="@path"), FieldPlan("l", pseudo="@line")))
    block = block_of(LAYOUT, b"")
    made = pseudo_columns(plan, block.segments, [Rows(0, 0, 0)], [].__getitem__)
    assert [len(column) for column in made.values()] == [0, 0]
    assert {column.dtype for column in made.values()} == {pl.String()}
