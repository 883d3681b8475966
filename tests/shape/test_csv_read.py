"""CSV blocks to frames of strings: one meaning on the quick and on the careful path."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest import grammar
from ingest.model import Block, Dialect, FileInfo, Form, Layout, Oversize, Segment
from ingest.shape import csv_read
from ingest.shape.csv_read import Parsed, read_csv
from ingest.sources.cutter import CsvCutter
from tests import csv_oracle as oracle

FILE = FileInfo(0, "f.csv")
COMMA = Dialect()


def block_of(data: bytes, columns=2, form=Form.ODD, dialect=COMMA, over=()) -> Block:
    """A block that is one segment."""
    layout = Layout("csv", tuple(f"n{i}" for i in range(columns)), dialect)
    return Block(0, data, layout, (Segment(FILE, 0, len(data), 0),), form, over)


def cut_blocks(data: bytes, layout: Layout, block_bytes=1 << 20, limit=1 << 20) -> list[Block]:
    """The blocks that the cutter makes of a file, a segment each."""
    made = CsvCutter(layout, block_bytes, limit)
    return [
        Block(i, c.data, layout, (Segment(FILE, 0, len(c.data), c.byte),), c.form, c.oversize)
        for i, c in enumerate(made.feed(data) + made.finish())
    ]


def quick_of(block: Block) -> Parsed:
    """What the quick path says, which must not decline."""
    parsed = csv_read._quick(block, grammar.UNLIMITED)
    assert parsed is not None
    return parsed


def careful_of(block: Block) -> Parsed:
    """What the careful path says."""
    return csv_read._careful(block, grammar.UNLIMITED)


def rows(data: bytes, columns=2, form=Form.ODD, dialect=COMMA) -> list[tuple[str, ...]]:
    """The good rows of a text."""
    return read_csv(block_of(data, columns, form, dialect)).frame.rows()


def rejects(
    data: bytes, columns=2, limit=grammar.UNLIMITED
) -> list[tuple[str, int, int, int, bytes]]:
    """What is wrong with a text, and where."""
    parsed = read_csv(block_of(data, columns), limit)
    return [(r.reason, r.record, r.line, r.byte, r.raw) for r in parsed.segments[0].rejects]


def same(one: Parsed, other: Parsed) -> None:
    """Both paths agree in frames, counts and places."""
    assert one.frame.equals(other.frame)
    assert one.frame.schema == other.frame.schema
    assert one.segments == other.segments
    assert [one.place(i) for i in range(one.frame.height)] == [
        other.place(i) for i in range(other.frame.height)
    ]


FIELDS = st.text(
    st.one_of(st.sampled_from("\",;\n\r\t \0a1'#\\"), st.characters(codec="utf-8")), max_size=6
)


@st.composite
def written(draw):
    """A text that Python's csv wrote, its rows, and its number of columns."""
    columns = draw(st.integers(1, 4))
    table = draw(st.lists(st.lists(FIELDS, min_size=columns, max_size=columns), max_size=6))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # csv quotes a line end only if it is its own, so only CRLF is safe without quotes everywhere.
    minimal = end == "\r\n" and draw(st.booleans())
    text = io.StringIO(newline="")
    csv.writer(
        text, lineterminator=end, quoting=csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL
    ).writerows(table)
    return text.getvalue().encode(), [tuple(row) for row in table], columns


@given(written())
@settings(max_examples=500, deadline=None)
def test_reads_what_csv_wrote(case):
    """Every field as it was, whatever the line ends; nothing is rejected."""
    data, table, columns = case
    layout = Layout("csv", tuple("abcd"[:columns]))
    found = []
    for block in cut_blocks(data, layout):
        parsed = read_csv(block)
        assert not parsed.segments[0].rejects
        found += parsed.frame.rows()
        same(parsed, careful_of(block))
    assert found == table


@given(oracle.texts(), oracle.DIALECTS, st.integers(1, 3), st.integers(1, 40))
@settings(max_examples=1200, deadline=None)
def test_quick_and_careful_paths_agree(data, dialect, columns, block_bytes):
    """On whatever the cutter makes of any text."""
    layout = Layout("csv", tuple("abc"[:columns]), dialect)
    for block in cut_blocks(data, layout, block_bytes):
        same(read_csv(block), careful_of(block))


@given(oracle.texts(), oracle.DIALECTS, st.integers(1, 3), st.integers(1, 40), st.integers(8, 40))
@example(b"'\r'\n\"", Dialect(delimiter="\t", quote="'"), 1, 6, 8)
@example(b'"""\r\nbc\r\n"', Dialect(), 1, 1, 8)
@settings(max_examples=1200, deadline=None)
def test_conserves_every_record(data, dialect, columns, block_bytes, limit):
    """Rows and rejects are the records of the state machine, each with its place."""
    layout = Layout("csv", tuple("abc"[:columns]), dialect)
    good, bad, record, line = [], [], 0, 1
    for block in cut_blocks(data, layout, block_bytes, limit):
        parsed = read_csv(block)
        (part,) = parsed.segments
        assert part.rows == parsed.frame.height
        assert part.rows + len(part.rejects) == part.records
        places = [parsed.place(row) for row in range(part.rows)]
        for place, row in zip(places, parsed.frame.rows(), strict=True):
            good.append((record + place.record, line + place.line - 1, place.byte, place.raw, row))
        bad += [
            (record + r.record, line + r.line - 1, r.byte, r.raw, r.reason) for r in part.rejects
        ]
        record, line = record + part.records, line + part.lines
    expected = oracle.read(data, dialect, limit)
    assert record == len(expected)
    for number, found in enumerate(expected, 1):
        raw = data[found.start : found.stop]
        where = (number, 1 + grammar.count_lines(data, 0, found.start), found.start)
        reason = found.trouble or reason_of(raw, found.fields, columns)
        if reason == "record_too_long":
            *seen, head, said = bad.pop(0)
            assert (*seen, said) == (*where, reason)
            assert raw.startswith(head)
        elif reason:
            assert bad.pop(0) == (*where, raw, reason)
        else:
            assert good.pop(0) == (*where, raw, tuple(f.decode() for f in found.fields))
    assert not good
    assert not bad


def reason_of(raw: bytes, fields: list[bytes], columns: int) -> str | None:
    """Why a record of sound structure is rejected."""
    if len(fields) != columns:
        return "too_few_fields" if len(fields) < columns else "too_many_fields"
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "not_utf8"
    return None


@pytest.mark.parametrize("form", list(Form))
def test_empty_is_the_empty_string(form):
    """Quoted or not, and never null."""
    text = b",\na,\n" if form is Form.PLAIN else b'"",\n,""\n'
    frame = read_csv(block_of(text, 2, form)).frame
    assert frame.null_count().row(0) == (0, 0)
    assert frame.rows()[0] == ("", "")
    assert frame.columns == ["c0", "c1"]
    assert frame.dtypes == [pl.String, pl.String]


@pytest.mark.parametrize("form", [Form.PLAIN, Form.ODD])
def test_crlf_is_no_part_of_the_last_field(form):
    """In the last column, filled and empty."""
    assert rows(b"a,b\r\nc,\r\n", 2, form) == [("a", "b"), ("c", "")]


def test_spaces_nul_and_u2028_are_kept():
    """Nothing is trimmed."""
    for form in (Form.PLAIN, Form.ODD):
        assert rows(" a ,\0\u2028\n".encode(), 2, form) == [(" a ", "\0\u2028")]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"x\x01", b"\x1f\x8b", b"(\xb5/\xfd"])
def test_first_bytes_mean_nothing(start):
    """A block is no file: no byte order mark, no compression."""
    block = block_of(start + b",b\n", 2, Form.PLAIN)
    parsed = read_csv(block)
    same(parsed, careful_of(block))
    assert parsed.segments[0].records == 1


@pytest.mark.parametrize("data", [b"a,b\nc\n", b"c\na,b\n", b"a\nb,c,d\n", b"\na,b\n", b"a,b\n\n"])
def test_a_plain_block_with_ragged_or_blank_lines_goes_the_careful_way(data):
    """Polars would fill the short records and make records of blank lines."""
    block = block_of(data, 2, Form.PLAIN)
    assert csv_read._quick(block, grammar.UNLIMITED) is None
    assert all(len(row) == 2 and "" not in row for row in read_csv(block).frame.rows())


def test_blank_lines_in_one_column():
    """They are no records, a quoted empty is one."""
    assert rows(b'a\n\n""\n\r\nb\n', 1) == [("a",), ("",), ("b",)]
    assert rows(b"a\n\nb\n", 1, Form.PLAIN) == [("a",), ("b",)]


def test_a_quote_inside_a_field():
    """5" pipe is text."""
    assert rows(b'a,5" pipe,b\n', 3) == [("a", '5" pipe', "b")]


def test_ragged_rows_are_rejected():
    """Short and long, with line, byte and bytes."""
    assert rejects(b"a,b\nc\n\nd,e,f\r\ng,h\n") == [
        ("too_few_fields", 2, 2, 4, b"c"),
        ("too_many_fields", 3, 4, 7, b"d,e,f"),
    ]


def test_a_quote_that_never_closes_is_one_reject():
    """The rest of the file is read."""
    data = b'a,b\n"c,d\ne,f\n'
    assert rejects(data) == [("unterminated_quote", 2, 2, 4, b'"c,d')]
    assert rows(data) == [("a", "b"), ("e", "f")]


def test_text_after_a_closing_quote_is_one_reject():
    """Up to its line's end."""
    data = b'"a\nb"c,d\ne,f\n'
    assert rejects(data) == [("text_after_quote", 1, 1, 0, b'"a\nb"c,d')]
    assert rows(data) == [("e", "f")]


def test_bytes_that_are_no_utf8_are_one_reject():
    """The message names the byte."""
    data = b"a,b\nc,\xe9\ne,f\n"
    assert rejects(data) == [("not_utf8", 2, 2, 4, b"c,\xe9")]
    assert rows(data) == [("a", "b"), ("e", "f")]
    (reject,) = read_csv(block_of(data)).segments[0].rejects
    assert "e9 at byte 6" in reject.message


def test_a_record_too_long_is_one_reject():
    """Its kept head and what is known of the rest."""
    over = (Oversize(0, 5000, 3),)
    parsed = read_csv(block_of(b'"a\nbc\n', 2, Form.ODD, over=over))
    (segment,) = parsed.segments
    (reject,) = segment.rejects
    assert (segment.rows, segment.records, segment.lines) == (0, 1, 4)
    assert (reject.reason, reject.raw, reject.raw_truncated) == ("record_too_long", b'"a\nbc', True)
    assert "5,000" in reject.message


def test_a_limit_shorter_than_the_segment():
    """A record may be too long even where all of it is there."""
    data = b"a,b\n" + b"c" * 50 + b",d\ne,f\n"
    assert [r[:3] for r in rejects(data, limit=20)] == [("record_too_long", 2, 2)]
    assert rejects(data, limit=52) == []


def test_a_comment_too_long_is_no_record():
    """Its lines count, nothing else."""
    block = block_of(b"#abc\n", 2, Form.ODD, Dialect(comment="#"), (Oversize(0, 99, 1),))
    (segment,) = read_csv(block).segments
    assert (segment.records, segment.lines, segment.rejects) == (0, 1, ())


def test_long_raw_is_cut():
    """A reject keeps at most 64 KiB of its record."""
    (reject,) = read_csv(block_of(b"x" * 70_000 + b"\n")).segments[0].rejects
    assert reject.raw_truncated
    assert len(reject.raw) == 64 * 1024


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n"])
@pytest.mark.parametrize("form", list(Form))
def test_nothing_gives_an_empty_frame(data, form):
    """With its columns."""
    parsed = read_csv(block_of(data, 2, form))
    assert parsed.frame.shape == (0, 2)
    assert parsed.segments[0].records == 0
    with pytest.raises(IndexError):
        parsed.place(0)


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_hundred_thousand_columns_work(quote):
    """Through the cutter and both paths."""
    columns = 100_000
    record = b",".join([quote + b"a" + quote] * columns) + b"\n"
    layout = Layout("csv", tuple(f"n{i}" for i in range(columns)))
    (block,) = cut_blocks(record * 2, layout, 4 << 20, 4 << 20)
    assert quick_of(block).frame.height == 2
    (block,) = cut_blocks(record * 2 + b"b," + record, layout, 4 << 20, 4 << 20)
    parsed = read_csv(block)
    assert set(parsed.frame.row(1)) == {"a"}
    assert [r.reason for r in parsed.segments[0].rejects] == ["too_many_fields"]


def segments_of(texts: list[bytes]) -> tuple[Segment, ...]:
    """A segment a text, each a file of its own."""
    found, start = [], 0
    for index, text in enumerate(texts):
        file = FileInfo(index, f"{index}.csv")
        found.append(Segment(file, start, start + len(text), 100 * index))
        start += len(text)
    return tuple(found)


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        (Form.PLAIN, [b"a,b\nc,d\r\n", b"", b"e,f\n"]),
        (Form.REGULAR, [b'a,"b"\n"c",d\n', b"", b'e,"f"\n']),
        (Form.REGULAR, [b'a,"b\n"\n"\nc",d\n', b"", b'e,"f\n\n"\n']),
    ],
)
def test_segments_are_kept_apart(form, texts):
    """Each with its rows, lines and places, also where line ends stand in quotes."""
    block = Block(0, b"".join(texts), Layout("csv", ("x", "y")), segments_of(texts), form)
    parsed = quick_of(block)
    assert [s.rows for s in parsed.segments] == [2, 0, 1]
    assert [s.lines for s in parsed.segments] == [grammar.count_lines(text) for text in texts]
    assert (parsed.place(2).record, parsed.place(2).line, parsed.place(2).byte) == (1, 1, 200)
    same(parsed, careful_of(block))


def test_an_open_quote_does_not_reach_into_the_next_file():
    """A quote that would close there stays open."""
    texts = [b'a,"b\n', b'c",d\n']
    block = Block(0, b"".join(texts), Layout("csv", ("x", "y")), segments_of(texts))
    parsed = read_csv(block)
    assert [r.reason for r in parsed.segments[0].rejects] == ["unterminated_quote"]
    assert parsed.frame.rows() == [('c"', "d")]


BIG = 30_000


@pytest.mark.parametrize(
    ("record", "columns", "form"),
    [
        (b"ab,c\xc3\xa9,d\r\n", 3, Form.PLAIN),
        (b'"a,""b",c\n', 2, Form.REGULAR),
        (b'"a\n\r\n,""b",\n', 2, Form.REGULAR),
        (b'""\n', 1, Form.REGULAR),
    ],
)
def test_large_blocks_read_the_same_in_every_way(record, columns, form):
    """Polars reads a large text in several pieces; the rows stay those of Python's csv."""
    block = block_of(record * BIG, columns, form)
    expected = list(csv.reader(io.StringIO(record.decode(), newline=""), strict=True))
    parsed = quick_of(block)
    assert parsed.frame.height == BIG
    assert parsed.frame.unique().rows() == [tuple(expected[0])]
    careful = careful_of(block)
    assert careful.frame.equals(parsed.frame)
    assert careful.segments == parsed.segments
    assert parsed.place(BIG - 1).byte == len(record) * (BIG - 1)


def test_many_threads_read_at_once():
    """Nothing is shared but what never changes."""
    texts = [b"a,%d\n" % i * 2000 + (b'"x"y\n' if i % 2 else b"") for i in range(16)]
    with ThreadPoolExecutor(8) as threads:
        parsed = list(threads.map(lambda t: read_csv(block_of(t, 2, Form.PLAIN)), texts))
    for index, each in enumerate(parsed):
        assert each.frame.unique().rows() == [("a", str(index))]
        assert len(each.segments[0].rejects) == index % 2
