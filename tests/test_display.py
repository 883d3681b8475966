"""Text from outside is disarmed and printable; figures read as people write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.display import count, duration, encodable, json_bytes, plural, rate, safe, size
from ingest.model import Column, Schema

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\x1bcb", "ab"),
        ("a\x00b\x07c", "a b c"),
        ("two\nlines\r\nand a\ttab", "two lines and a tab"),
        ("\u202eevil", "evil"),
        ("[red]markup[/red]", "[red]markup[/red]"),
        ("a\udcff.csv", "a\\xff.csv"),
        ("\ud800", "\\ud800"),
        ("\x9b31mx", "31mx"),
        ("", ""),
    ],
)
def test_safe_disarms(text, shown):
    """Escape sequences go, controls become spaces, bytes that are no text are spelt out."""
    assert safe(text) == shown


def test_safe_keeps_lines_if_asked():
    """Messages of several lines stay so, but for carriage returns."""
    assert safe("a\r\nb\x07\nc", lines=True) == "a\nb \nc"


@pytest.mark.parametrize(("length", "cut"), [(0, False), (1, False), (10, False), (11, True)])
def test_safe_is_bounded(length, cut):
    """Up to `max_chars` characters stay; one more is cut, and says so."""
    shown = safe("x" * length, max_chars=10)
    assert len(shown) <= 10
    assert shown.endswith("...") is cut


def test_a_page_of_ten_megabytes_is_cut_before_it_is_searched():
    """The cost does not grow with what a service sends."""
    assert safe("\x1b[31m" * 2_000_000) == "..."


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT, st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252", "no-such-codec"]))
def test_safe_is_always_printable_and_encodable(text, encoding):
    """No control character comes out, and the stream can hold what does."""
    shown = safe(text, encoding=encoding)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs")]
    shown.encode("utf-8" if encoding == "no-such-codec" else encoding)


def test_encodable_leaves_good_text_alone():
    """What the encoding holds is not touched; the rest is escaped."""
    assert encodable("grün") == "grün"
    assert encodable("grün → x", "ascii") == "gr\\xfcn \\u2192 x"


def test_json_takes_what_orjson_does_not():
    """Lone surrogates and integers beyond 64 bits are spelt out instead of failing."""
    value = {"a\udcff": ["b\udcfe", 2**64, {"ok": 1}], "n": None}
    assert orjson.loads(json_bytes(value)) == {
        "a\\xff": ["b\\xfe", str(2**64), {"ok": 1}],
        "n": None,
    }


def test_json_takes_our_own_values():
    """A value of the model, nested too, is written as its fields; a path as its text."""
    schema = Schema("t", (Column("a", "Integer", required=True),))
    [column] = orjson.loads(json_bytes({"before": schema, "at": Path("x")}))["before"]["columns"]
    assert (column["name"], column["type"], column["required"]) == ("a", "Integer", True)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | ANY_TEXT,
        lambda v: st.lists(v) | st.dictionaries(ANY_TEXT, v),
        max_leaves=8,
    )
)
def test_json_bytes_is_total(value):
    """Every text and number can be written, and read again."""
    orjson.loads(json_bytes(value))


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (999.6, "1.00 kB"), (1000, "1.00 kB"),
        (9994, "9.99 kB"), (9996, "10.0 kB"), (99_960, "100 kB"), (999_499, "999 kB"),
        (999_600, "1.00 MB"), (52_000_000_000, "52.0 GB"), (10**15, "1000 TB"),
    ],
)  # fmt: skip
def test_size(size_bytes, shown):
    """Three figures, decimal units, right at the borders."""
    assert size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.00 s"), (0.42, "0.42 s"), (9.994, "9.99 s"), (9.996, "10.0 s"), (59.94, "59.9 s"),
        (59.96, "1m 00s"), (60, "1m 00s"), (3599.4, "59m 59s"), (3599.6, "1h 00m"),
        (86_399, "23h 59m"), (86_400, "1d 00h"), (-1, "-"), (float("inf"), "-"),
        (float("nan"), "-"),
    ],
)  # fmt: skip
def test_duration(seconds, shown):
    """The next unit comes where rounding reaches it, never `60.0 s`."""
    assert duration(seconds) == shown


def test_small_figures():
    """Counts, rates and plurals."""
    assert count(1_240_000) == "1,240,000"
    assert (rate(10, 2.0), rate(10, 0.0)) == ("5/s", "-")
    assert [plural(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
