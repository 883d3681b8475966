"""What may be shown."""

from __future__ import annotations

import copy
import pickle
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from ingest.wire import Secret, literal_markup, safe_words, scrubbed, without_query
from ingest.wire.redact import HIDDEN, WORDS_CHARACTERS

TOKEN = "tok-0123456789"


@pytest.mark.parametrize(
    "shown",
    [str(Secret(TOKEN)), repr(Secret(TOKEN)), f"{Secret(TOKEN)}", f"{Secret(TOKEN):>20}",
     f"{Secret(TOKEN)!r}", repr({"a": [Secret(TOKEN).prefixed("Bearer ")]})],
)  # fmt: skip
def test_a_secret_shows_stars_only(shown):
    """No ordinary way of printing gives the value out."""
    assert HIDDEN in shown
    assert TOKEN not in shown


def test_a_secret_gives_its_value_to_who_asks():
    """`reveal` is the only way, and equality works without it."""
    assert Secret(TOKEN).prefixed("Bearer ").reveal() == f"Bearer {TOKEN}"
    assert Secret(TOKEN) == Secret(TOKEN) != Secret("other")
    assert len({Secret(TOKEN), Secret(TOKEN)}) == 1
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
    assert Secret(TOKEN) != TOKEN


@pytest.mark.parametrize("leak", [pickle.dumps, copy.deepcopy])
def test_a_secret_is_not_copied_out(leak):
    """Pickling would carry it into files and other processes."""
    with pytest.raises(TypeError, match="not pickled"):
        leak(Secret(TOKEN))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"plain words", "plain words"),
        ("a\x1b[31;1mred\x1b[0m b", "ared b"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("un\x1b]terminated", "unterminated"),
        ("two\r\nlines\tand\u2028three", "two lines and three"),
        ("bell\x07 null\x00 del\x7f", "bell null del"),
        ("right\u202eto left", "rightto left"),
        (b"bad \xff utf", "bad \ufffd utf"),
        ("lone \udc80 half", "lone half"),
        ("", ""),
    ],
)
def test_words_lose_what_a_terminal_would_obey(raw, clean):
    """Escapes, control and direction characters are gone; the words stay, on one line."""
    assert safe_words(raw) == clean


@pytest.mark.parametrize("length", [0, 1, WORDS_CHARACTERS, WORDS_CHARACTERS + 1, 10_000_000])
def test_words_are_bounded(length):
    """A 10 MB page gives 2,000 characters, and says that there was more."""
    words = safe_words(b"x" * length)
    assert len(words) == min(length, WORDS_CHARACTERS)
    assert words.endswith("…") == (length > WORDS_CHARACTERS)


@given(st.text(max_size=300) | st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_words_whatever_hold_a_control_character(text):
    """Whatever comes in, what goes out is printable and one line, and cleaning again changes
    nothing."""
    words = safe_words(text)
    categories = {unicodedata.category(character) for character in words}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert words == safe_words(words)


def test_an_echoed_secret_is_blotted_out():
    """Whole, as a bare token, and even with an escape in its middle."""
    secrets = [Secret(TOKEN).prefixed("Bearer ")]
    said = f"bad header 'Bearer {TOKEN}'; token {TOKEN}; {TOKEN[:5]}\x1b[0m{TOKEN[5:]}"
    assert safe_words(said, secrets) == "bad header '***'; token ***; ***"


def test_a_short_secret_is_no_reason_to_blot_out_words():
    """The sandbox's token is a word that its messages need."""
    assert scrubbed("said by the sandbox", [Secret("sandbox")]) == "said by the sandbox"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://s3.example/b/k?X-Amz-Signature=abc&X=1", "https://s3.example/b/k?***"),
        ("https://user:pw@host.example/p#frag", "https://host.example/p"),
        ("/relative?token=1", "/relative?***"),
        ("https://plain.example", "https://plain.example"),
        ("https://[broken", "(an unreadable URL)"),
        ("", ""),
    ],
)
def test_urls_are_shown_without_what_signs_them(url, shown):
    """No query, fragment or user."""
    assert without_query(url) == shown


@pytest.mark.parametrize("words", ["[red]x[/red]", "[link=https://e.example]y", "a\\", "[/]"])
def test_rich_prints_escaped_words_letter_by_letter(words):
    """The helper for printers turns markup into text."""
    assert Text.from_markup(f"[bold]{literal_markup(words)}[/bold]").plain == words
