"""Cutting a stream of bytes into pieces of whole records."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest import grammar
from ingest.model import Dialect, Form, Layout, Oversize
from ingest.sources import cutting
from ingest.sources.cutter import CsvCutter, NdjsonCutter
from ingest.sources.cutting import Cut
from tests import csv_oracle as oracle

MIB = 1024 * 1024
TWO = Layout("csv", ("a", "b"))


def cuts_of(made: CsvCutter | NdjsonCutter, data: bytes, borders=()) -> list[Cut]:
    """Everything a cutter gives for `data`, fed in pieces that end at these borders."""
    cuts, start = [], 0
    for border in (*sorted(borders), len(data)):
        cuts += made.feed(data[start:border])
        start = border
    return cuts + made.finish()


def csv_cuts(data: bytes, block_bytes=64, limit=1024, layout=TWO, borders=()) -> list[Cut]:
    """The cuts of a CSV text."""
    return cuts_of(CsvCutter(layout, block_bytes, limit), data, borders)


def only(cuts: list[Cut]) -> Cut:
    """The one cut there is."""
    assert len(cuts) == 1
    return cuts[0]


def borders_in(data: bytes):
    """Borders for feeding `data` in any pieces."""
    return st.lists(st.integers(0, len(data)), max_size=6)


def ended(data: bytes) -> bytes:
    """With its last line end."""
    return data + b"\n" * (data != b"" and not data.endswith((b"\r", b"\n")))


LAYOUTS = st.builds(
    lambda columns, dialect: Layout("csv", tuple("abc"[:columns]), dialect),
    st.integers(1, 3),
    oracle.DIALECTS,
)
SIZES = st.integers(1, 40)


@given(oracle.texts(60), LAYOUTS, SIZES, SIZES, st.data())
@settings(max_examples=800, deadline=None)
def test_cuts_depend_on_the_content_only(data, layout, block_bytes, limit, more):
    """However the bytes arrive, the pieces are the same."""
    whole = csv_cuts(data, block_bytes, limit, layout)
    assert csv_cuts(data, block_bytes, limit, layout, more.draw(borders_in(data))) == whole


@example(
    data=b"a\\\n\r\n",  # longer than two by an escaped newline; the window ends with half a CRLF
    layout=Layout("csv", ("a",), Dialect(",", quote=None, escape="\\")),
    block_bytes=1,
    limit=2,
)
@given(oracle.texts(60), LAYOUTS, SIZES, SIZES)
@settings(max_examples=1500, deadline=None)
def test_no_byte_and_no_record_is_lost_or_parted(data, layout, block_bytes, limit):
    """Joined, the pieces are the input; their records are those of the whole text."""
    found: list[tuple[int, str | None]] = []
    position = 0
    for cut in csv_cuts(data, block_bytes, limit, layout):
        assert cut.byte == position
        if cut.oversize:
            (over,) = cut.oversize
            assert over.start == 0
            assert data.startswith(cut.data[:-1], position)
            comment = layout.dialect.comment
            if not comment or not cut.data.startswith(comment.encode()):
                found.append((position, "record_too_long"))
            position += len(cut.data) - 1 + over.skipped_bytes
            continue
        original = data[position : position + len(cut.data)]
        assert cut.data in {ended(original), ended(original.replace(b"\r", b"\n"))}
        extents = grammar.split(original, layout.dialect, final=True, max_record_bytes=limit)
        found += [(position + e.start, e.trouble) for e in extents]
        position += len(original)
    assert position == len(data)
    expected = oracle.read(data, layout.dialect, limit)
    assert found == [(record.start, record.trouble) for record in expected]


@given(oracle.texts(60), LAYOUTS, SIZES)
@settings(max_examples=1500, deadline=None)
def test_a_form_is_true(data, layout, block_bytes):
    """PLAIN and REGULAR pieces are what their names promise."""
    dialect, columns = layout.dialect, len(layout.columns)
    for cut in csv_cuts(data, block_bytes, 10_000, layout):
        records = oracle.read(cut.data, dialect)
        if cut.form is Form.REGULAR:
            assert grammar.is_regular(cut.data, dialect, columns)
            cut.data.decode()
        elif cut.form is Form.PLAIN:
            assert not dialect.quote or dialect.quote.encode() not in cut.data
            assert not dialect.escape or dialect.escape.encode() not in cut.data
            lines = cut.data.decode().replace("\r\n", "\n").split("\n")[:-1]
            assert not any("\r" in line for line in lines)
            if columns == 1:
                assert len(records) == len(lines)
            assert not dialect.comment or not any(x.startswith(dialect.comment) for x in lines)


@given(oracle.texts(60), SIZES, SIZES, st.data())
@settings(max_examples=500, deadline=None)
def test_ndjson_is_cut_at_lf_only(data, block_bytes, limit, more):
    """The same laws for lines of JSON."""
    cuts = cuts_of(NdjsonCutter(block_bytes, limit), data)
    assert cuts_of(NdjsonCutter(block_bytes, limit), data, more.draw(borders_in(data))) == cuts
    position, lines = 0, []
    for cut in cuts:
        assert cut.byte == position
        assert cut.data.endswith(b"\n")
        size = len(cut.data) - 1 + cut.oversize[0].skipped_bytes if cut.oversize else len(cut.data)
        part = data[position : position + size]
        lines += part.removesuffix(b"\n").split(b"\n")
        assert cut.oversize or cut.data == part.removesuffix(b"\n") + b"\n"
        assert bool(cut.oversize) == (len(max(part.split(b"\n"), key=len)) > limit)
        position += len(part)
    assert lines == (data.removesuffix(b"\n").split(b"\n") if data else [])


@pytest.mark.parametrize("made", [CsvCutter(TWO, 10, 1024), NdjsonCutter(10, 1024)])
def test_an_empty_file_has_no_pieces(made):
    """Nothing for nothing."""
    assert cuts_of(made, b"") == []


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"a,b\nc,d\n", Form.PLAIN),
        (b"a,b\r\nc,d\r\n", Form.PLAIN),
        (b"a\nb,c,d\n", Form.PLAIN),
        (b'a,"b\nc"\n"d",""\r\n', Form.REGULAR),
        (b'a,"b"\nc\n', Form.ODD),
        (b'a,5" pipe\n', Form.ODD),
        (b"a,b\rc,d\n", Form.ODD),
        (b"a,\xff\n", Form.ODD),
        (b'a,"\xff"\n', Form.ODD),
        (b'a,"b"\n\nc,d\n', Form.ODD),
    ],
)
def test_forms(data, form):
    """What each kind of text is told to be."""
    assert only(csv_cuts(data)) == Cut(data, 0, form)


def test_blank_lines_make_a_file_of_one_column_odd():
    """There a native reader would take them for records."""
    layout = Layout("csv", ("a",))
    for data in (b"x\n\ny\n", b"x\r\n\r\n", b"\nx\n", b"\r\nx\r\n"):
        assert only(csv_cuts(data, layout=layout)).form is Form.ODD


def test_comments_make_a_piece_odd():
    """At a line's start only."""
    layout = Layout("csv", ("a", "b"), Dialect(comment="#"))
    assert only(csv_cuts(b"a,#b\n", layout=layout)).form is Form.PLAIN
    for data in (b"#a,b\n", b"a,b\n#c,d\n", b'"a",b\n#c,d\n'):
        assert only(csv_cuts(data, layout=layout)).form is Form.ODD


def test_old_mac_lines_become_plain():
    """CRs alone are made LFs, which changes no offset."""
    assert only(csv_cuts(b"a,b\rc,d\r")) == Cut(b"a,b\nc,d\n", 0, Form.PLAIN)
    assert only(csv_cuts(b"a,b\rc,d")) == Cut(b"a,b\nc,d\n", 0, Form.PLAIN)
    many = csv_cuts(b"a,b\r" * 100, 10)
    assert [cut.data for cut in many] == [b"a,b\n" * 2] * 50


def test_a_cr_at_the_end_waits_for_its_lf():
    """Else one line end would be two."""
    made = CsvCutter(TWO, 8, 1024)
    assert made.feed(b"a,b\nc,d\r") == [Cut(b"a,b\n", 0, Form.PLAIN)]
    assert made.feed(b"\ne,f") == [Cut(b"c,d\r\n", 4, Form.PLAIN)]
    assert made.finish() == [Cut(b"e,f\n", 9, Form.PLAIN)]


def test_the_last_record_gets_its_line_end():
    """Whatever its form."""
    assert only(csv_cuts(b"a,b\nc,d")).data == b"a,b\nc,d\n"
    assert only(csv_cuts(b'a,"b"')) == Cut(b'a,"b"\n', 0, Form.REGULAR)
    assert only(csv_cuts(b'a,"b')) == Cut(b'a,"b\n', 0, Form.ODD)


def test_a_piece_ends_before_a_quoted_line_end():
    """The last newline in the window stands in quotes."""
    data = b'a,b\n"c\nd",e\n'
    assert [c.data for c in csv_cuts(data, 8)] == [b"a,b\n", b'"c\nd",e\n']


WITHIN = b'"%s",%d\n'


@pytest.mark.parametrize("text", [b"x", b"x\ny", b"x\n1,2\ny", b'""x""\n""y""', b"1\n" * 50])
@pytest.mark.parametrize("block_bytes", [400, 1000, 40_000])
def test_a_likely_end_is_the_one_that_counting_finds(monkeypatch, text, block_bytes):
    """Quotes are counted only where the last lines don't tell, and the pieces are the same."""
    data = b"".join(WITHIN % (text, n) for n in range(60_000 // len(text)))
    likely = csv_cuts(data, block_bytes, MIB)
    monkeypatch.setattr(CsvCutter, "_likely_end", lambda *_: 0)
    assert likely == csv_cuts(data, block_bytes, MIB)
    assert {cut.form for cut in likely} == {Form.REGULAR}


def test_quotes_are_not_counted_where_the_last_lines_tell(monkeypatch):
    """It would take as long as the rest of the cutting, and hold the interpreter's lock."""
    monkeypatch.setattr(CsvCutter, "_even_newline", None)
    data = b"".join(WITHIN % (b"x\ny", n) for n in range(5000))
    made = CsvCutter(TWO, 10_000, MIB)
    pieces = [
        cut.data
        for start in range(0, len(data), 999)
        for cut in made.feed(data[start : start + 999])
    ]
    assert len(pieces) > 3
    assert data.startswith(b"".join(pieces))


def test_a_wrong_guess_costs_a_look(monkeypatch):
    """The pattern has the last word, and the quotes are counted after all."""
    monkeypatch.setattr(CsvCutter, "_likely_end", lambda _self, _buffer, start, _stop: start + 3)
    data = b'"c\nd",e\n' * 20
    cuts = csv_cuts(data, 64)
    assert b"".join(cut.data for cut in cuts) == data
    assert {cut.form for cut in cuts} == {Form.REGULAR}


def test_stray_quotes_do_not_move_a_border():
    """Two stray quotes keep parity and shift what it means."""
    data = b'a,5" x\n"p\nq",5" y\n"r\ns",t\n'
    pieces = [cut.data for cut in csv_cuts(data, 12)]
    assert pieces == [b'a,5" x\n', b'"p\nq",5" y\n', b'"r\ns",t\n']


def test_a_quote_that_never_closes_costs_one_small_piece():
    """Its line alone; what follows is cut as ever, and no piece grows with the search."""
    data = b'a,"b\n' + b"c,d\n" * 5000
    cuts = csv_cuts(data, 64, 4096)
    assert cuts[0] == Cut(b'a,"b\n', 0, Form.ODD)
    assert all(len(cut.data) <= 64 and cut.form is Form.PLAIN for cut in cuts[1:])
    assert b"".join(cut.data for cut in cuts) == data


LONG = b"c" * 200


@pytest.mark.parametrize(
    "data",
    [
        b"a," + LONG + b"\n1,2\n",
        b"a," + LONG + b"\r\n1,2\r\n",
        b"a," + LONG + b"\n" + b'"1",2\n' * 40,
        b"a," + LONG,
        b"a," + LONG + b"\n" + b"b," + LONG,
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_long_line_is_plain_without_the_grammar(monkeypatch, data, step):
    """Neither while its end is to come nor then: of a record of 1 MB that would take longest."""
    whole = csv_cuts(data)
    monkeypatch.setattr(grammar, "split", None)
    monkeypatch.setattr(grammar, "border", None)
    cuts = csv_cuts(data, borders=range(step, len(data), step))
    assert cuts == whole
    assert cuts[0].data.rstrip(b"\r\n") == b"a," + LONG
    assert cuts[0].form is Form.PLAIN
    assert b"".join(cut.data for cut in cuts) == ended(data)


@pytest.mark.parametrize(
    "first",
    [
        b'a,"' + LONG + b'\nd"\n',
        b"a," + LONG + b'"\n',
        b"a," + LONG + b"\rb,c\n",
        b"a," + LONG + b"\xff\n",
    ],
)
def test_a_long_line_with_anything_odd_is_left_to_the_grammar(first):
    """Quotes, a lone CR, bytes that are no UTF-8."""
    cuts = csv_cuts(first + b"1,2\n")
    assert {cut.form for cut in cuts[:-1]} == {Form.ODD}
    assert b"".join(cut.data for cut in cuts) == first + b"1,2\n"


@pytest.mark.parametrize(("size", "form"), [(299, Form.PLAIN), (300, Form.PLAIN), (301, Form.ODD)])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_long_line_may_be_as_long_as_the_limit(size, form, end):
    """Its end does not count."""
    first = csv_cuts(b"x" * size + end + b"1,2\n", limit=300)[0]
    assert first.form is form
    assert bool(first.oversize) is (form is Form.ODD)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_record_too_long_keeps_its_head(end):
    """The rest is counted and dropped, and the next record is found."""
    long = b"x" * 5000
    cuts = csv_cuts(b"a,b\n" + long + end + b"c,d\n", 64, 1024, borders=range(0, 5000, 7))
    over = Oversize(0, 5000 - 1024 + len(end), 1)
    assert cuts == [
        Cut(b"a,b\n", 0, Form.PLAIN),
        Cut(b"x" * 1024 + b"\n", 4, Form.ODD, (over,)),
        Cut(b"c,d\n", 5004 + len(end), Form.PLAIN),
    ]


def test_a_record_too_long_may_end_with_the_file():
    """Then no line end is counted."""
    cut = only(csv_cuts(b"x" * 5000, 64, 1024))
    assert cut.oversize == (Oversize(0, 5000 - 1024, 0),)


def test_lines_in_a_record_too_long_are_counted():
    """Those in the head are the reader's to count, the others are told."""
    data = b'"a\n",b,"' + b"x" * 5000 + b"\r\nc,d\n"
    first, second = csv_cuts(data, 64, 1024)
    assert first.data.count(b"\n") == 2
    assert first.oversize[0].skipped_lines == 1
    assert second == Cut(b"c,d\n", len(data) - 4, Form.PLAIN)


@pytest.mark.parametrize("made", [CsvCutter(TWO, MIB, 4 * MIB), NdjsonCutter(MIB, 4 * MIB)])
def test_a_hundred_megabytes_without_a_line_end_are_not_held(made):
    """Memory is that of the limit, some times, not that of the record."""
    chunk = b'x"' * (MIB // 2)
    tracemalloc.start()
    cuts = [cut for _ in range(100) for cut in made.feed(chunk)]
    cuts += made.feed(b"\na,b\n") + made.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(cut.data) for cut in cuts] == [cutting.HEAD_BYTES + 1, 4]
    assert cuts[0].oversize[0].skipped_bytes == 100 * MIB - cutting.HEAD_BYTES + 1
    assert peak < 20 * MIB


def test_large_pieces_are_verified_natively():
    """The regular pattern of the native engine, and Python's for many columns, say the same."""
    record = b'"a",' + b"b," * 8 + b'"c\n""d"\n'
    for columns, data in ((10, record * 20_000), (1000, (b'"a",' * 999 + b"b\n") * 30)):
        layout = Layout("csv", tuple(f"n{i}" for i in range(columns)))
        assert only(csv_cuts(data, MIB, MIB, layout)).form is Form.REGULAR
        assert only(csv_cuts(data + b'"a",b\n', MIB, MIB, layout)).form is Form.ODD
        assert only(csv_cuts(data + b'"\xff"\n', MIB, MIB, layout)).form is Form.ODD
