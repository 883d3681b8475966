"""From rows back to places in files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.model import Block, FileInfo, Form, Layout, Segment
from ingest.shape.csv_read import read_csv
from ingest.shape.places import Offsets, original_offset

LAYOUT = Layout("csv", ("a", "b"))


def block_of(text: str, encoding: str, before: str = "", form=Form.ODD) -> Block:
    """A block whose one segment stands behind `before` in the block and in a file."""
    start, end = len(before.encode()), len((before + text).encode())
    byte = len(before.encode(encoding))
    segment = Segment(FileInfo(0, "f"), start, end, byte, encoding)
    return Block(0, (before + text).encode(), LAYOUT, (segment,), form)


@given(
    st.lists(st.text(st.characters(codec="latin-1", exclude_characters='"\r\n,')), max_size=8),
    st.sampled_from(["utf-8", "latin-1", "utf-16-le", "utf-32-be"]),
    st.randoms(),
)
@settings(max_examples=200, deadline=None)
def test_offsets_are_those_of_the_original(values, encoding, random):
    """Whatever its encoding and the order of asking, the record stands where its place says."""
    lines = [f"é,{value}\n" for value in values]
    block = block_of("".join(lines), encoding, "ü,head\n")
    original = ("ü,head\n" + "".join(lines)).encode(encoding)
    parsed = read_csv(block)
    order = list(range(len(lines)))
    random.shuffle(order)
    for row in order:
        place, line = parsed.place(row), lines[row].rstrip("\n")
        assert place.raw == line.encode()
        assert original.startswith(line.encode(encoding), place.byte)
        assert (place.record, place.line) == (row + 1, row + 1)


@pytest.mark.parametrize(("encoding", "byte"), [("utf-8", 5), ("latin-1", 4), ("utf-16", 8)])
def test_one_offset(encoding, byte):
    """`é` is two bytes in UTF-8 and one in Latin-1; the mark of UTF-16 is the segment's matter."""
    data = "é,1\né,2\n".encode()
    segment = Segment(FileInfo(0, "f"), 0, len(data), 0, encoding)
    block = Block(0, data, LAYOUT, (segment,))
    assert original_offset(segment, block, 5) == byte
    assert Offsets(block, segment).original(0) == 0


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_in_quotes_begins_a_line(end):
    """A CR by itself, too, though as many LFs as records are in the text then."""
    parsed = read_csv(block_of(f'"a{end}",b\nc,"d"\n', "utf-8", form=Form.REGULAR))
    places = [parsed.place(row) for row in range(2)]
    assert [(p.record, p.line, p.byte) for p in places] == [(1, 1, 0), (2, 3, 6 + len(end))]


def test_rows_behind_rejects_and_quoted_line_ends():
    """Records, lines and bytes go on counting over what is no row."""
    text = 'a,b\n\nbad\n"c\r\nd",e\rf,g\n'
    parsed = read_csv(block_of(text, "utf-8"))
    places = [parsed.place(row) for row in range(3)]
    assert [(p.record, p.line, p.byte) for p in places] == [(1, 1, 0), (3, 4, 9), (4, 6, 18)]
    assert [p.raw for p in places] == [b"a,b", b'"c\r\nd",e', b"f,g"]


@pytest.mark.parametrize("form", list(Form))
def test_the_terminator_is_no_part_of_a_record(form):
    """Neither LF nor CRLF, on any path."""
    parsed = read_csv(block_of("a,b\r\nc,d\n", "utf-8", form=form))
    assert [parsed.place(row).raw for row in (1, 0)] == [b"c,d", b"a,b"]


@pytest.mark.parametrize("row", [-1, 1, 2])
def test_there_is_no_place_beyond_the_frame(row):
    """An error, not another record's place."""
    parsed = read_csv(block_of("a,b\n", "utf-8"))
    with pytest.raises(IndexError):
        parsed.place(row)
