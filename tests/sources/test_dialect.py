"""How a file is spelt: found from its first bytes."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError, SourceError
from ingest.job import SourceSettings
from ingest.model import Dialect, Layout
from ingest.sources.dialect import DELIMITERS, Sniffed, check, sniff


def source(**more) -> SourceSettings:
    """Source settings."""
    return SourceSettings(paths=("x",), **more)


def sniffed(head: bytes | str, final=True, **more) -> Sniffed:
    """What is found, which must be something."""
    data = head.encode() if isinstance(head, str) else head
    found = sniff(data, source(**more), final=final)
    assert found is not None
    return found


def marks(head: str, **more) -> tuple[str, str | None, str | None]:
    """Delimiter, quote and escape of a text."""
    dialect = sniffed(head, **more).dialect
    return dialect.delimiter, dialect.quote, dialect.escape


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_finds_the_delimiter(delimiter):
    """Among the four, by the fields of the whole records."""
    head = f'a{delimiter}b\n1{delimiter}"x\n{delimiter}"\n'
    found = sniffed(head)
    assert found.dialect.delimiter == delimiter
    assert found.columns == ("a", "b")
    assert bool(found.notes) == (delimiter != ",")


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        ("a;b;c\n1,5;2,5;3,5\n", ";"),
        ("a;b\n1,5;2,5\n", ";"),
        ("a,b;c,d\n1,2;3,4\n", ","),
        ("a;b,c\n1;2,3\n", ","),
        ("a|b;c;d\n", ";"),
        ("text\nhello, world\nbye\n", ","),
        ("text\na;b\n", ","),
        ("a\n1\n2\n", ","),
        ("a,b\n1,2\n3\n4,5\n", ","),
        ("a;b\n1;2\n3;4;5\n6;7\n", ";"),
        ('a,b\n1,"2\n', ","),
        ('a;b;c\n"1,2";3;4\n', ";"),
    ],
)
def test_judges_between_delimiters(head, delimiter):
    """Sameness first, then the number of fields, then the order; one column falls to the comma."""
    assert sniffed(head).dialect.delimiter == delimiter


def test_says_what_it_found():
    """In sentences; nothing for the commonest spelling or for what the settings say."""
    assert sniffed("a,b\n1,2\n").notes == ()
    assert sniffed("a;b\n1;2\n").notes == ("found ; as the delimiter",)
    assert sniffed("a\tb\n1\t2\n").notes == ("found a tab as the delimiter",)
    assert sniffed("a;b\n1;2\n", delimiter=";").notes == ()
    assert sniffed("a,b\n1,'2'\n").notes == ("found ' as the quote",)


@pytest.mark.parametrize(
    ("head", "quote"),
    [
        ("a,b\n1,'x,y'\n2,'z'\n", "'"),
        ("a;b\n'1';'x\n;'\n", "'"),
        ("a\n'x,y'\n'z'\n", "'"),
        ("a,b\n1,'x'\n2,y\n3,z\n", '"'),
        ("a,b\n1,'x'\n2,\"y\"\n", '"'),
        ("a,b\n1,'tis\n2,'twas\n", '"'),
        ("a,b\n1,it's\n", '"'),
        ("'a','b'\n", '"'),
    ],
)
def test_finds_single_quotes_where_they_are_sure(head, quote):
    """They enclose whole fields in most records, and `"` encloses none."""
    assert sniffed(head).dialect.quote == quote


def test_finds_a_backslash_that_escapes():
    """Only if the file can't be read without it and can with it."""
    assert marks('a,b\n1,"x \\" y"\n2,"z"\n') == (",", '"', "\\")
    assert marks('a,b\n1,"C:\\"\n2,"z"\n') == (",", '"', None)
    assert marks("a,b\n1,x\\y\n") == (",", '"', None)


def test_the_settings_are_not_questioned():
    """What they say is taken, also if another reading looks better."""
    assert marks("a;b\n1;2\n", delimiter="|") == ("|", '"', None)
    assert marks("a,b\n1,'x'\n", quote='"') == (",", '"', None)
    assert marks('a,b\n1,"x"\n', quote="") == (",", None, None)
    assert marks("a,b\n1,2\n", escape="\\") == (",", '"', "\\")
    assert marks('a"b\n1"2\n', delimiter='"') == ('"', None, None)
    assert sniffed("#x\na,b\n", comment="#").dialect.comment == "#"
    assert marks("a|b\n", comment=",") == ("|", '"', None)


@given(st.lists(st.lists(st.text("ab 1.,;\n\"'", max_size=5), min_size=3, max_size=3)), st.data())
@settings(max_examples=300, deadline=None)
def test_finds_how_csv_wrote_it(table, more):
    """With a clear header, a file in which everything is quoted gives its dialect away."""
    delimiter = more.draw(st.sampled_from(DELIMITERS))
    text = io.StringIO(newline="")
    written = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    written.writerows([["x", "y", "z"], *table])
    found = sniffed(text.getvalue())
    assert found.dialect == Dialect(delimiter)
    assert found.columns == ("x", "y", "z")


@pytest.mark.parametrize("head", [b'{"a": 1}\n', b' \n\t{"a"', b'{"a,b": 1}\n{"a,b": 2}\n'])
def test_a_brace_makes_it_ndjson(head):
    """The first character that is no white space."""
    assert sniffed(head) == Sniffed("ndjson", Dialect(), (), 0, 1)
    assert sniffed(head, final=False).format == "ndjson"
    assert sniffed(head).layout == Layout("ndjson")


def test_a_format_that_is_said_is_taken():
    """Also against the first character."""
    assert sniffed(b"1\n", format="ndjson").format == "ndjson"
    assert sniffed(b"{a},b\n", format="csv").columns == ("{a}", "b")
    assert sniffed(b"[a],b\n", format="csv").columns == ("[a]", "b")


@pytest.mark.parametrize("format_", ["auto", "ndjson"])
def test_an_array_is_refused_with_the_way_on(format_):
    """An array file is one value, not lines."""
    with pytest.raises(SourceError, match="an array, not lines") as caught:
        sniff(b'\n [{"a": 1}]', source(format=format_), final=True)
    assert "jq -c '.[]'" in caught.value.hint


@pytest.mark.parametrize("head", [b"", b"\n", b"\r\n \n", b"# x\n# y"])
def test_an_empty_file_has_no_columns(head):
    """Blank lines and comments are nothing; before the end is seen, more is asked for."""
    found = sniffed(head, comment="#")
    assert (found.format, found.columns, found.data_start) == ("csv", (), len(head))
    assert sniff(head, source(comment="#"), final=False) is None
    assert sniffed(head, comment="#", format="ndjson").format == "ndjson"


@pytest.mark.parametrize("head", [b"", b"a,b", b"a,b\r", b'a,"b\n', b"\n\n"])
def test_a_header_that_is_not_whole_needs_more(head):
    """A CR may be half a CRLF, and a quote may close later."""
    assert sniff(head, source(), final=False) is None


@pytest.mark.parametrize("head", [b"a" * 1024, b'"' + b"\n" * 1024, b"\n" * 1024])
def test_a_header_may_not_be_longer_than_a_record(head):
    """Else one lost quote would have the whole file read as its header."""
    with pytest.raises(SourceError, match=r"header"):
        sniff(head, source(max_record_bytes=1024), final=False)


@pytest.mark.parametrize(
    ("head", "columns", "start", "line"),
    [
        ("a,b\n1,2\n", ("a", "b"), 4, 2),
        ("a,b\r\n1,2\r\n", ("a", "b"), 5, 2),
        ("a,b\r1,2\r", ("a", "b"), 4, 2),
        ("a,b", ("a", "b"), 3, 1),
        ("\n\na,b\n1,2\n", ("a", "b"), 6, 4),
        ('"a\nx","b""c"\n1,2\n', ("a\nx", 'b"c'), 13, 3),
        (" a ,é\n1,2\n", (" a ", "é"), 7, 2),
    ],
)
def test_reads_the_header(head, columns, start, line):
    """With quoted line ends in it, blank lines before it, and any line end behind it."""
    found = sniffed(head)
    assert (found.columns, found.data_start, found.data_line) == (columns, start, line)


def test_skips_rows_and_comments_before_the_header():
    """`skip_rows` counts physical lines, whatever stands in them."""
    found = sniffed('"title\r\n\n# note\na;b\n1;2\n', skip_rows=2, comment="#")
    assert (found.columns, found.data_start, found.data_line) == (("a", "b"), 20, 5)
    found = sniffed('x\n{"a": 1}\n', skip_rows=1)
    assert (found.format, found.data_start, found.data_line) == ("ndjson", 2, 2)
    assert sniffed("a\nb\n", skip_rows=5).columns == ()
    assert sniff(b"a\r", source(skip_rows=1), final=False) is None


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("a,b,a\n", ["the name a"]),
        ("a,,b, \n", ["no name for column 2, 4"]),
        ("a,a,\n", ["no name for column 3", "the name a"]),
    ],
)
def test_blank_and_repeated_names_are_an_error(head, names):
    """It says which, and how to give names."""
    with pytest.raises(SourceError) as caught:
        sniff(head.encode(), source(), final=True)
    assert all(name in caught.value.message for name in ["line 1", *names])
    assert "columns" in caught.value.hint
    assert sniffed(head, header=True, columns=tuple("abcd"[: head.count(",") + 1])).columns


def test_a_header_that_can_not_be_read_is_an_error():
    """With its line and the reason."""
    for head, why in ((b'\n"a"x,b\n', "text after quote"), (b"\n\xff,b\n", "not utf8")):
        with pytest.raises(SourceError, match=f"line 2: .*{why}"):
            sniff(head, source(), final=True)
    with pytest.raises(SourceError, match="unterminated quote"):
        sniff(b'a,"b\n1,2\n', source(), final=True)


def test_columns_without_a_header():
    """`columns` alone says that there is none, unless the first record is these very names."""
    columns = ("a", "b")
    plain = sniffed("1,2\n", columns=columns)
    assert (plain.columns, plain.data_start, plain.data_line) == (columns, 0, 1)
    assert sniffed("a,b\n1,2\n", columns=columns).data_start == 4
    assert sniffed("a,b\n1,2\n", columns=columns, header=False).data_start == 0
    assert sniffed('"1"x,2\n1,2\n', columns=columns).data_start == 0
    assert sniffed("\n1,2\n", columns=columns).data_start == 0


def test_columns_replace_a_header():
    """If there are as many."""
    found = sniffed("x,y\n1,2\n", columns=("a", "b"), header=True)
    assert (found.columns, found.data_start) == (("a", "b"), 4)
    with pytest.raises(SettingsError, match=r"columns names 1 column, .* line 1 has 2: x, y"):
        sniff(b"x,y\n", source(columns=("a",), header=True), final=True)


def test_columns_must_fit_the_records():
    """No record of the head has as many fields."""
    with pytest.raises(SettingsError, match=r"columns names 3 columns, but the records have 2"):
        sniff(b"1,2\n3,4\n", source(columns=("a", "b", "c")), final=True)
    assert sniffed("1,2,3\n4,5\n6,7\n", columns=("a", "b", "c"), delimiter=",").columns


@pytest.mark.parametrize("columns", [("a", "a"), ("a", " ")])
@pytest.mark.parametrize("header", [True, False])
def test_columns_must_be_names(columns, header):
    """The settings are told about their own names."""
    with pytest.raises(SettingsError, match=r"\[source\] columns has"):
        sniff(b"x,y\n", source(columns=columns, header=header), final=True)


def test_columns_may_be_numbered():
    """No header and no names: as many as most records have."""
    found = sniffed("1,2\n3,4\n5\n", header=False)
    assert (found.columns, found.data_start) == (("column_1", "column_2"), 0)


def again(first: Sniffed, head: bytes, final=True, **more) -> Sniffed:
    """What a later file gives."""
    found = check(first, head, source(**more), final=final)
    assert found is not None
    return found


def test_a_later_file_is_spelt_like_the_first():
    """Its own header decides its columns."""
    first = sniffed("a;b\n1;2\n")
    found = again(first, b"b;a;c\n1,5;2;3\n")
    assert (found.columns, found.dialect, found.data_start) == (("b", "a", "c"), first.dialect, 6)
    assert found.notes == ()
    assert check(first, b"b;a", source(), final=False) is None
    with pytest.raises(SourceError, match="the name a"):
        check(first, b"a;a\n", source(), final=True)


def test_a_later_file_with_another_delimiter_is_told():
    """One column where the first file has more."""
    found = again(sniffed("a;b\n1;2\n"), b"a,b\n1,2\n")
    assert found.columns == ("a,b",)
    assert "with ," in found.notes[0]
    assert again(sniffed("a;b\n1;2\n"), b"a\n1\n").notes == ()


def test_a_later_file_of_another_format_is_an_error():
    """Both ways."""
    lines, table = sniffed(b'{"a": 1}\n'), sniffed("a,b\n")
    with pytest.raises(SourceError, match="is CSV, but the first file is NDJSON"):
        check(lines, b"a,b\n", source(), final=True)
    with pytest.raises(SourceError, match="is NDJSON, but the first file is CSV"):
        check(table, b'{"a": 1}\n', source(), final=True)
    assert again(lines, b'\n{"b": 1}\n') == lines


def test_empty_files_fit_anywhere():
    """First, they decide nothing; later, they have what the first has and no data."""
    assert again(sniffed(""), b"a;b\n").dialect.delimiter == ";"
    later = again(sniffed("a;b\n1;2\n"), b"\n")
    assert (later.columns, later.dialect.delimiter, later.data_start) == (("a", "b"), ";", 1)
    assert check(later, b"\n", source(), final=False) is None
