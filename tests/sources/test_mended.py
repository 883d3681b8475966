"""A run's rejects as a source: each record at its old place, read as its file says."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import IngestError, SettingsError, SourceError
from ingest.model import Block, Form
from ingest.pack import Numbering
from ingest.shape.csv_shape import CsvShaper
from ingest.sources.mended import MendedSource
from ingest.sources.reject_lines import Mended
from tests.shape.helpers import job_of, plan_of
from tests.sources.tools import settings

pytestmark = pytest.mark.anyio


def mended(file: str, record: int, raw: bytes, *, truncated: bool = False) -> Mended:
    """A line; its place tells of the record's number."""
    return Mended(b"{}", file, 10 * record, 100 * record, record, "odd", raw, truncated)


async def given(source: MendedSource) -> list[Block]:
    """Prepare and read it all."""
    await source.prepare()
    async with source.opened(), aclosing(source.blocks()) as blocks:
        return [block async for block in blocks]


def source_of(base: Path, *lines: Mended, **more: Any) -> MendedSource:
    """A source of all files in a directory."""
    paths = sorted(path.name for path in base.iterdir())
    return MendedSource(settings(*paths, **more), base, lambda _: None, lines)


def read(block: Block) -> list[tuple[str, int | None, int | None, int, bytes]]:
    """File, record, line and byte of each segment, and its bytes."""
    return [
        (s.file.shown, s.first_record, s.first_line, s.byte, block.data[s.start : s.end])
        for s in block.segments
    ]


async def test_each_record_keeps_its_place(tmp_path):
    """In the order of files and records, whatever the lines' order; one block for each layout."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("y,x\n1,2\n")
    (tmp_path / "c.csv").write_text("x,y\n")
    source = source_of(
        tmp_path, mended("b.csv", 3, b"7,8"), mended("a.csv", 9, b'"1\n",2'),
        mended("a.csv", 2, b"3,4\n"),
    )  # fmt: skip
    first, second = await given(source)
    assert read(first) == [
        ("a.csv", 2, 20, 200, b"3,4\n"),
        ("a.csv", 9, 90, 900, b'"1\n",2\n'),
    ]
    assert read(second) == [("b.csv", 3, 30, 300, b"7,8\n")]
    assert (first.layout.columns, second.layout.columns) == (("x", "y"), ("y", "x"))
    assert {block.form for block in (first, second)} == {Form.ODD}
    assert [file.shown for file in source.used] == ["a.csv", "b.csv"]
    assert source.raw_bytes == 3 + 1 + 6 + 3
    assert source.unfit == []
    assert source.files_read() == []


async def test_shaped_and_numbered_they_are_the_original_records(tmp_path):
    """A second reject names the old place; a good record has its old number."""
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    source = source_of(
        tmp_path, *(mended("a.csv", n, b"1" if n == 5 else b"1,2") for n in (4, 5, 6, 9))
    )
    (block,) = await given(source)
    shaper = CsvShaper({block.layout: plan_of(block.layout, job_of())}, b",\n", 1000)
    numbered = Numbering().number(shaper(block))
    (reject,) = numbered.rejects
    assert (reject.record, reject.line, reject.byte) == (5, 50, 500)
    assert [(part.first, part.last, part.count) for part in numbered.slices] == [
        (4, 4, 1), (6, 6, 1), (9, 9, 1),
    ]  # fmt: skip
    places = [
        shaper.locate(block, part.origin.segment, [part.first - part.origin.first_record + 1])
        for part in numbered.slices
        if part.origin is not None
    ]
    assert [place.byte for (place,) in places] == [400, 600, 900]
    assert numbered.read == 4


@pytest.mark.parametrize(
    ("name", "head", "good", "bad"),
    [
        (
            "a.csv",
            "x,y\n",
            b"1,2",
            {b"1,2\n3,4": "2 records", b"": "no record", b"\n": "no record"},
        ),
        ("a.csv", "x,y\n", b'1,"2\r\n3"', {b"1,2\r3,4": "2 records"}),
        ("a.ndjson", '{"x": 1}\n', b'{"x": 2}\r\n', {b"{}\n{}": "2 records", b" \n": "no record"}),
    ],
)
async def test_one_line_stands_for_one_record(tmp_path, name, head, good, bad):
    """No other number of records can be told apart: a reject of its own, the bytes kept."""
    (tmp_path / name).write_text(head)
    lines = [mended(name, 1, good), *(mended(name, n, raw) for n, raw in enumerate(bad, 2))]
    source = source_of(tmp_path, *lines)
    (block,) = await given(source)
    assert [segment.first_record for segment in block.segments] == [1]
    assert [(r.record, r.reason, r.raw) for r in source.unfit] == [
        (n, "not_one_record", raw) for n, raw in enumerate(bad, 2)
    ]
    for reject, words in zip(source.unfit, bad.values(), strict=True):
        assert words in reject.message


async def test_what_is_not_whole_or_too_long(tmp_path):
    """The run kept a head only, or more was put in than a record may have."""
    (tmp_path / "a.csv").write_text("x,y\n")
    lines = [
        mended("a.csv", 1, b"1,2", truncated=True),
        mended("a.csv", 2, b"1," + b"2" * 1022),
        mended("a.csv", 3, b"1," + b"2" * 1023),
    ]
    source = source_of(tmp_path, *lines, max_record_bytes=1024)
    (block,) = await given(source)
    assert [segment.first_record for segment in block.segments] == [2]
    assert [(one.record, one.reason) for one in source.unfit] == [
        (1, "raw_truncated"), (3, "record_too_long"),
    ]  # fmt: skip
    assert source.unfit[0].raw_truncated


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 6, 7, 2**20])
async def test_blocks_are_no_larger_than_they_may_be(tmp_path, block_bytes):
    """One record at the least."""
    (tmp_path / "a.csv").write_text("x,y\n")
    lines = [mended("a.csv", n, b"%d,%d" % (n % 10, n % 7)) for n in range(1, 20)]
    blocks = await given(source_of(tmp_path, *lines, block_bytes=block_bytes))
    assert [s.first_record for block in blocks for s in block.segments] == list(range(1, 20))
    most = max(1, block_bytes // 3)
    assert max(len(block.segments) for block in blocks) == min(most, 19)
    assert [block.number for block in blocks] == list(range(len(blocks)))


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda base: (base / "a.csv").unlink(), SettingsError, "none of the job's files"),
        (lambda base: (base / "a.csv").write_text(""), SourceError, "is empty now"),
        (lambda base: (base / "a.csv").write_text("x,x\n"), IngestError, "name x"),
    ],
)
async def test_without_its_header_a_record_means_nothing(tmp_path, change, kind, said):
    """A clear error that names the file."""
    (tmp_path / "a.csv").write_text("x,y\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    change(tmp_path)
    with pytest.raises(kind, match=r"a\.csv") as caught:
        await source_of(tmp_path, mended("a.csv", 1, b"1,2")).prepare()
    assert said in caught.value.message
