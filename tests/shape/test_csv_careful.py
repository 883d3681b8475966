"""CSV read record by record, with runs and stretches in one piece."""

from __future__ import annotations

import pytest

from ingest import grammar
from ingest.model import Block, FileInfo, Layout, Segment
from ingest.shape import csv_careful
from ingest.shape.csv_careful import REASONS, SegmentReader
from ingest.shape.csv_read import read_csv


def block_of(data: bytes) -> Block:
    """A block of two columns that is one segment."""
    segments = (Segment(FileInfo(0, "f.csv"), 0, len(data), 0),)
    return Block(0, data, Layout("csv", ("a", "b")), segments)


def rows(data: bytes) -> list[tuple[str, ...]]:
    """The good rows of a text."""
    return read_csv(block_of(data)).frame.rows()


def test_the_reasons_are_a_closed_list():
    """Reports count by them, so that they don't change lightly."""
    assert set(REASONS) == {
        "too_few_fields",
        "too_many_fields",
        "unterminated_quote",
        "text_after_quote",
        "unfinished_escape",
        "not_utf8",
        "record_too_long",
    }


def test_a_field_longer_than_csv_takes():
    """Python's csv stops at 131,072 characters."""
    long = "x" * 200_000
    assert rows(f'a,{long}\n5,{long}"y\n'.encode()) == [("a", long), ("5", long + '"y')]


def test_a_bad_record_between_long_stretches(monkeypatch):
    """The stretches are read natively, the numbers go on across them."""
    stretch = b'"a\n",b\n' * 20_000
    data = stretch + b'x"y\n"z"z,1\n' + stretch + b"\xff,\n" + stretch
    parsed = read_csv(block_of(data))
    monkeypatch.setattr(csv_careful, "STRETCH_BYTES", len(data) + 1)
    same_as = read_csv(block_of(data))
    assert parsed.frame.equals(same_as.frame)
    assert parsed.segments == same_as.segments
    assert [(r.record, r.line) for r in parsed.segments[0].rejects] == [
        (20_001, 40_001),
        (20_002, 40_002),
        (40_003, 80_003),
    ]


@pytest.mark.parametrize("size", [0, 1, 2, csv_careful.FRAME_ROWS, 2 * csv_careful.FRAME_ROWS + 1])
def test_rows_in_every_number(size):
    """Frames are filled up to a number of rows; none is lost at its border."""
    found = rows(b'"x",1\rbad\r' + b'a,5" y\r' * size)
    assert found == [("x", "1")] + [("a", '5" y')] * size


def test_a_refused_stretch_is_not_offered_again(monkeypatch):
    """Else a long text of short records would be looked at once for every run in it."""
    offered = []
    monkeypatch.setattr(csv_careful, "read_native", lambda data, *_: offered.append(len(data)))
    monkeypatch.setattr(csv_careful, "STRETCH_BYTES", 1)
    data = b"a,b\n" * (3 * grammar.RUN_RECORDS)
    block = block_of(data + b'"c"d\n' + b"e,f\n")
    reader = SegmentReader(block, block.segments[0], grammar.UNLIMITED)
    reader.read()
    assert (reader.rows, len(reader.rejects)) == (3 * grammar.RUN_RECORDS + 1, 1)
    assert offered == [len(data)]


def test_bytes_that_are_no_utf8_in_a_long_run():
    """Only their records are rejected, and the others keep their order."""
    lines = [b"%d,x\n" % i for i in range(10_000)]
    lines[5000] = b"\xff,x\n"
    parsed = read_csv(block_of(b"".join(lines)))
    assert [r.record for r in parsed.segments[0].rejects] == [5001]
    assert parsed.frame["c0"].to_list() == [str(i) for i in range(10_000) if i != 5000]
    assert parsed.place(5000).record == 5002
