"""What Polars is given to read, and what it is not believed."""

from __future__ import annotations

import csv
import io
from unittest.mock import Mock

import polars as pl
import pytest

from ingest.model import Dialect, Form, Layout
from ingest.shape.csv_native import read_native


def native(data: bytes, form=Form.PLAIN, columns=2, dialect=None):
    """The rows of a text that is one part, or None."""
    layout = Layout("csv", tuple(f"n{i}" for i in range(columns)), dialect or Dialect())
    found = read_native(data, [(0, len(data))], layout, form)
    if found is None:
        return None
    assert found.rows == [found.frame.height]
    return found.frame.rows()


def test_reads_plain_and_regular_texts():
    """Strings as written, none of them null."""
    assert native(b"a,b\r\n,\n") == [("a", "b"), ("", "")]
    assert native(b'"a\n,""",b\n"",\n', Form.REGULAR) == [('a\n,"', "b"), ("", "")]
    assert native(b'"a","b\n', dialect=Dialect(quote=None)) == [('"a"', '"b')]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a\nb,c\n",
        b"a,b\nc\n",
        b"a\nb,c,d\n",
        b"a,b\n\n",
        b"a,\xff\n",
        b"\xef\xbb\xbfa,b\n",
        b"x\x01,b\n",
    ],
)
def test_declines_what_it_would_read_wrong(data):
    """Short and blank lines, a mark in front, what looks compressed, what is no UTF-8."""
    assert native(data) is None


def test_declines_escapes_and_comments():
    """Polars knows neither as the dialect means them."""
    dialect = Dialect(escape="\\", comment="#")
    assert native(b"a,b\n", dialect=dialect) == [("a", "b")]
    assert native(b"a,\\b\n", dialect=dialect) is None
    assert native(b"#a,b\n", dialect=dialect) is None


def test_declines_where_the_form_is_a_lie():
    """Said to be regular, but a quote stays open, or text follows a closed one."""
    assert native(b'a,"b\n', Form.REGULAR) is None
    assert native(b'a,"b"c\n', Form.REGULAR) is None
    assert native(b'a,b\n"c\n",d,e\n', Form.REGULAR) is None


@pytest.mark.parametrize("rows", [1, 2, 3, 1000, 50_000])
def test_polars_reads_as_python_does(rows):
    """In one go and in several pieces, with line ends, delimiters and quotes in quotes."""
    table = [[f"{i}\n" * (i % 3), f'"{i},\r\n"', "é" * (i % 7)] for i in range(rows)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    assert native(text.getvalue().encode(), Form.REGULAR, 3) == [tuple(row) for row in table]


def test_line_ends_are_not_looked_for_where_none_can_stand():
    """What is said of a column is believed, and only of that column."""
    data, layout = b'"a\nb",c\nd,"e"\n', Layout("csv", ("n0", "n1"))
    for named, rows in (((), 2), (("c1",), 2), (("c0",), None), (("c0", "c1"), None)):
        one_liners = Mock(return_value=named)
        found = read_native(data, [(0, len(data))], layout, Form.REGULAR, one_liners)
        assert (found and found.frame.height) == rows


def test_a_miscount_is_not_believed(monkeypatch):
    """Whatever the reader's reason, rows that are too few or too many are not taken."""
    true = pl.read_csv
    monkeypatch.setattr(pl, "read_csv", lambda *a, **k: true(*a, **k).head(1))
    assert native(b"a,b\nc,d\n") is None
    assert native(b'a,"b"\nc,d\n', Form.REGULAR) is None
