"""Where CSV records begin and end."""

from __future__ import annotations

import csv
import io
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import grammar
from ingest.grammar import (
    Extent,
    border,
    count_feeds,
    count_lines,
    field_count,
    fields,
    pcre2,
    split,
)
from ingest.model import Dialect
from tests import csv_oracle as oracle

COMMA = Dialect()
WITHOUT = None if pcre2.version() is None else "nothing"  # what is said without PCRE2
LIMITS = st.one_of(st.just(10**9), st.integers(1, 24))


def found(data: bytes, dialect: Dialect = COMMA, **more) -> list[tuple[bytes, str | None]]:
    """The records' bytes and troubles."""
    extents = split(data, dialect, **({"final": True} | more))
    return [(data[e.start : e.stop], e.trouble) for e in extents]


def by_csv(text: str, dialect: Dialect) -> tuple[list[list[str]], bool]:
    """Python's rows before it gives up, without blank ones, and whether it did."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        strict=True,
    )
    rows: list[list[str]] = []
    try:
        rows += (row for row in reader if row)
    except csv.Error:
        return rows, True
    return rows, False


@given(oracle.texts(), oracle.DIALECTS, LIMITS)
@settings(max_examples=1500, deadline=None)
def test_agrees_with_the_state_machine(data, dialect, limit):
    """One pattern a record says the same as a machine that takes one byte at a time."""
    extents = list(split(data, dialect, final=True, max_record_bytes=limit))
    expected = oracle.read(data, dialect, limit)
    assert [(e.start, e.stop, e.trouble) for e in extents] == [
        (r.start, r.stop, r.trouble) for r in expected
    ]
    for extent, record in zip(extents, expected, strict=True):
        if not extent.trouble:
            raw = data[extent.start : extent.stop]
            assert fields(raw, dialect) == record.fields
            assert field_count(raw, dialect) == len(record.fields)


@given(
    oracle.texts(pieces=[p for p in oracle.PIECES + oracle.ODD_PIECES if p != b"\xff"]), st.data()
)
@settings(max_examples=800, deadline=None)
def test_agrees_with_python_csv(data, more):
    """Until csv gives up, and to the end where it doesn't, its rows are ours.

    The text gets its last line end, for `csv` refuses a text that ends behind an escaped line end
    and some more characters.
    """
    dialect = more.draw(oracle.DIALECTS.filter(lambda d: d.comment is None))
    data = data if data.endswith((b"\r", b"\n")) else data + b"\n"
    expected, gave_up = by_csv(data.decode(), dialect)
    ours = []
    troubled = False
    for extent in split(data, dialect, final=True):
        if extent.trouble:
            troubled = True
            break
        raw = fields(data[extent.start : extent.stop], dialect)
        ours.append([field.decode() for field in raw])
    assert ours == expected
    assert troubled == gave_up


@given(oracle.texts(), oracle.DIALECTS, LIMITS, st.data())
@settings(max_examples=800, deadline=None)
def test_what_is_told_early_stays_true(data, dialect, limit, more):
    """Without the end in sight the splitter says only what more data can't change."""
    seen = more.draw(st.integers(0, len(data)))
    early = list(split(data[:seen], dialect, final=False, max_record_bytes=limit))
    assert early == list(split(data, dialect, final=True, max_record_bytes=limit))[: len(early)]


@given(oracle.texts(), oracle.DIALECTS, st.data())
@settings(max_examples=800, deadline=None)
def test_a_border_parts_no_record(data, dialect, more):
    """The records before and behind a border are the records of the whole."""
    seen = more.draw(st.integers(0, len(data)))
    cut = border(data[:seen], dialect)
    whole = list(split(data, dialect, final=True))
    assert list(split(data, dialect, final=True, start=cut)) == [e for e in whole if e.start >= cut]
    assert all(e.end <= cut for e in whole if e.start < cut)
    early = split(data[:seen], dialect, final=False)
    assert cut >= max((e.end for e in early), default=0)


@given(oracle.texts(pieces=oracle.PIECES), st.integers(1, 3))
@settings(max_examples=1500, deadline=None)
def test_regular_means_exactly_n_fields_everywhere(data, columns):
    """All engines agree, and what they accept is legal, of that width and free of blank lines."""
    regular = grammar.is_regular(data, COMMA, columns)
    assert grammar.is_regular_at_once(data, COMMA, columns) in (regular, WITHOUT)
    pattern = grammar.regular_pattern(COMMA, columns)
    assert pl.Series([data.decode()]).str.contains(pattern).item() is regular
    if regular:
        records = oracle.read(data, COMMA)
        assert all(len(r.fields) == columns and not r.trouble for r in records)
        counted = pl.Series([data.decode()]).str.count_matches(
            grammar.record_pattern(COMMA, columns)
        )
        assert counted.item() == len(records)


@pytest.mark.parametrize(
    ("data", "columns"),
    [(b"", 1), (b"a\n", 1), (b'""\n', 1), (b'a,"b""\r\n,"\r\n,\n', 2), (b"a,b,c\n" * 3, 3)],
)
def test_regular_texts_are_recognised(data, columns):
    """The law above would hold for a function that always says no."""
    assert grammar.is_regular(data, COMMA, columns)
    assert grammar.is_regular_at_once(data, COMMA, columns) in (True, WITHOUT)
    assert pl.Series([data.decode()]).str.contains(grammar.regular_pattern(COMMA, columns)).item()


@pytest.mark.parametrize("mark", list(",;|^]-.*$\\# \t"))
def test_any_mark_may_be_a_delimiter(mark):
    """Marks that mean something in a pattern are quoted in every one of them."""
    dialect = Dialect(mark)
    data = f'a{mark}"b{mark}"\nc{mark}d\n'.encode()
    assert [fields(raw, dialect) for raw, _ in found(data, dialect)] == [
        [b"a", b"b" + mark.encode()],
        [b"c", b"d"],
    ]
    assert grammar.is_regular(data, dialect, 2)
    assert grammar.is_regular_at_once(data, dialect, 2) in (True, WITHOUT)
    assert pl.Series([data.decode()]).str.contains(grammar.regular_pattern(dialect, 2)).item()
    assert grammar.legal_run(dialect, 2).fullmatch(data)


def test_comments_and_escapes_are_not_regular():
    """A native reader knows neither."""
    dialect = Dialect(",", '"', "\\", "#")
    for data in (b"#,b\n", b"a,b\n#,b\n", b'a,"\\""\n', b"a,\\b\n", b'a,"\\\\"\n'):
        assert not grammar.is_regular(data, dialect, 2)
        assert not grammar.is_regular_at_once(data, dialect, 2)
        pattern = grammar.regular_pattern(dialect, 2)
        assert not pl.Series([data.decode()]).str.contains(pattern).item()
    assert grammar.is_regular(b'a,"#"\n', dialect, 2)


def test_a_quote_inside_a_field_opens_nothing():
    """5" pipe: a quote opens a field only at its start."""
    assert found(b'a,5" pipe,b\nc,d,e\n') == [(b'a,5" pipe,b', None), (b"c,d,e", None)]
    assert fields(b'a,5" pipe,b', COMMA) == [b"a", b'5" pipe', b"b"]


def test_an_unclosed_quote_spoils_its_line_only():
    """Reading goes on at the next line."""
    data = b'a,b\nc,"d\ne,f\n"",g\n'
    assert found(data) == [
        (b"a,b", None),
        (b'c,"d', "unterminated_quote"),
        (b"e,f", None),
        (b'"",g', None),
    ]


def test_an_unclosed_quote_spoils_the_line_it_stands_in():
    """Earlier lines of its record belong to it."""
    data = b'"a\nb","c\nd\n'
    assert found(data) == [(b'"a\nb","c', "unterminated_quote"), (b"d", None)]


@pytest.mark.parametrize(("limit", "trouble"), [(5, None), (2, "unterminated_quote")])
def test_a_quote_must_close_within_the_limit(limit, trouble):
    """`"a\\nb"` is five bytes long."""
    records = found(b'"a\nb"\nc\n', max_record_bytes=limit)
    assert records[0] == ((b'"a\nb"' if trouble is None else b'"a'), trouble)
    assert records[-1] == (b"c", None)


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_record_may_be_exactly_as_long_as_the_limit(limit):
    """One byte more is too much; its end is its line's end."""
    data = b"x" * limit + b"\r\n" + b"y" * (limit + 1) + b"\r\nz\n"
    assert found(data, max_record_bytes=limit) == [
        (b"x" * limit, None),
        (b"y" * (limit + 1), "record_too_long"),
        (b"z", None),
    ]


def test_text_after_a_closing_quote_spoils_its_record():
    """Its end is the end of the line where the text stands."""
    assert found(b'a,"b\nc"d,e\nf,g\n') == [(b'a,"b\nc"d,e', "text_after_quote"), (b"f,g", None)]


def test_comments_are_no_records():
    """Only where a record would start."""
    dialect = Dialect(comment="#")
    data = b'#x,"\na,#b\n\n# y\r\n"c\n#d",e\n#'
    assert found(data, dialect) == [(b"a,#b", None), (b'"c\n#d",e', None)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_blank_lines_are_no_records(end):
    """For every kind of line end, first, between and last."""
    data = end * 2 + b"a" + end * 3 + b"b" + end * 2
    assert [raw for raw, _ in found(data)] == [b"a", b"b"]


def test_mixed_line_ends():
    """CR, LF and CRLF in one text, and inside quotes as they are."""
    data = b'a\rb\nc\r\n"d\r\ne\rf"\r'
    assert [raw for raw, _ in found(data)] == [b"a", b"b", b"c", b'"d\r\ne\rf"']


def test_u2028_and_nul_are_text():
    """Only CR and LF end lines."""
    raw = "a\u2028b\u0085\0\x0b\x0c\x1c,c".encode()
    assert found(raw + b"\n") == [(raw, None)]


def test_an_escape_at_the_very_end_is_trouble():
    """Python's csv refuses it as well."""
    dialect = Dialect(escape="\\")
    for data in (b"a\nb\\", b"a\nb\\\n"):
        assert found(data, dialect) == [(b"a", None), (b"b\\", "unfinished_escape")]
        assert by_csv(data.decode(), dialect) == ([["a"]], True)


@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"", 0), (b"a", 0), (b"a\n", 1), (b"a\rb\r\nc\n\n\r\r", 6), (b"\r\n\r\n", 2)],
)
def test_lines_are_counted(data, lines):
    """LF, CRLF and CR are one each."""
    assert count_lines(data) == lines
    assert count_lines(b"\r\n" + data + b"x\n", 2, 2 + len(data)) == lines
    feeds = data.count(b"\n")
    assert count_feeds(data) == count_feeds(b"\n" + data + b"x\n", 1, 1 + len(data)) == feeds


def test_plain_records_are_counted_if_none_is_short():
    """Two counts; a blank line is short, too."""
    assert grammar.plain_records(b"a,b\nc,d\r\n", COMMA, 2) == 2
    assert grammar.plain_records(b"a,b\nc\n", COMMA, 2) is None
    assert grammar.plain_records(b"a\n\nb\n", COMMA, 1) is None
    assert grammar.plain_records(b"\r\nb\r\n", COMMA, 1) is None
    assert grammar.plain_records(b"a\nb\n", COMMA, 1) == 2


def test_a_hundred_thousand_columns():
    """The patterns of Python's engine have no bound worth speaking of."""
    wide = b",".join([b'"a"'] * 100_000)
    data = wide + b"\n" + wide[:-4] + b"\n"
    assert [field_count(raw, COMMA) for raw, _ in found(data)] == [100_000, 99_999]
    assert grammar.is_regular(wide + b"\n", COMMA, 100_000)
    assert not grammar.is_regular(data, COMMA, 100_000)


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b"a" * 500_000,
        b'"' + b'""' * 500_000,
        b'"a\n' * 100_000,
        b'a,"b\n' + b'"",c\n' * 50_000,
        b'a,"b\n' + b'c,""d\n' * 50_000,
        b'"",' * 100_000 + b'"',
        b"," * 500_000,
        b'"a",' * 250_000 + b'"a"x',
        b"\r" * 500_000,
        b'""\n' * 100_000 + b'"',
        b'"\n""\n' * 100_000,
    ],
    ids=range(11),
)
def test_no_input_takes_more_than_linear_time(data):
    """Half a megabyte made to hurt takes its second or so, where a square would take hours."""
    before = time.monotonic()
    for final in (True, False):
        for limit in (grammar.UNLIMITED, 50_000):
            sum(1 for _ in split(data, COMMA, final=final, max_record_bytes=limit))
    border(data, COMMA)
    grammar.is_regular(data, COMMA, 3)
    assert time.monotonic() - before < 10


def test_extents_are_tuples():
    """They are compared and sorted as such."""
    assert Extent(1, 2, 3) == (1, 2, 3, None)
