"""What a piece of text is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.grammar import is_utf8
from ingest.model import Form, Layout
from ingest.sources import forms
from ingest.sources.forms import common_form, ended, is_regular, whole_characters
from tests import csv_oracle as oracle

TWO = Layout("csv", ("a", "b"))


@given(st.text(max_size=8), st.integers(0, 40))
def test_a_head_ends_with_a_whole_character(text, size):
    """At most three bytes are given up, and none without need."""
    data = text.encode()[:size]
    assert whole_characters(data).decode() == data.decode(errors="ignore")


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"", b""),
        (b"a", b"a"),
        (b"a\xf0\x9f\x92", b"a"),
        (b"a\xff\x80", b"a"),
        (b"\x80" * 5, b"\x80" * 5),
    ],
)
def test_bytes_that_are_no_text_are_cut_somewhere(data, kept):
    """Without an error, and never by more than three bytes."""
    assert whole_characters(data) == kept


@pytest.mark.parametrize(
    ("data", "with_end"),
    [(b"", b"\n"), (b"a", b"a\n"), (b"a\n", b"a\n"), (b"a\r", b"a\r"), (b"a\r\n", b"a\r\n")],
)
def test_a_line_end_is_added_where_there_is_none(data, with_end):
    """Any of the three is one."""
    assert ended(data) == with_end


def test_utf8():
    """Plain ASCII, more, and none."""
    assert is_utf8(b"abc")
    assert is_utf8("é".encode())
    assert not is_utf8(b"\xff")


@given(oracle.texts())
@settings(max_examples=300, deadline=None)
def test_both_engines_say_the_same(data):
    """Which of them is asked depends on the size alone."""
    small = is_regular(data, TWO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "SMALL_BYTES", -1)
        assert is_regular(data, TWO) is small


def test_the_form_of_several_pieces():
    """The worst of them; PLAIN pieces among REGULAR ones must have the right fields."""
    plain, short = (Form.PLAIN, b"a,b\n"), (Form.PLAIN, b"a\n")
    regular, odd = (Form.REGULAR, b'a,"b"\n'), (Form.ODD, b"")
    assert common_form([plain, short], TWO) is Form.PLAIN
    assert common_form([regular, plain], TWO) is Form.REGULAR
    assert common_form([regular, short], TWO) is Form.ODD
    assert common_form([regular, odd], TWO) is Form.ODD
    assert common_form([], TWO) is Form.ODD
