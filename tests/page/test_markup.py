"""Markup that can't be broken out of."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.display import safe
from ingest.page.markup import Html, joined, lines, soft, tag


class Seen(HTMLParser):
    """What a parser finds in a piece of markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_comment(self, data):
        self.tags.append("comment")

    def handle_data(self, data):
        self.text += data


@given(st.text(max_size=60))
def test_no_text_becomes_markup(text):
    """Whatever stands in a child and in an attribute is read back as that very text."""
    seen = Seen(tag("p", f"a{text}b", class_=f"a{text}b"))
    assert seen.tags == ["p"]
    assert seen.text == safe(f"a{text}b").replace("\x00", "")
    assert seen.attributes == [("class", safe(f"a{text}b"))]


@given(st.text("<>&\"'/= aonscript!-", max_size=40))
def test_the_likely_attacks(text):
    """Tags, quotes, comments and entities."""
    seen = Seen(tag("p", tag("b", text, title=text), soft(text), lines(text)))
    assert set(seen.tags) <= {"p", "b", "wbr"}
    assert [name for name, _ in seen.attributes] == ["title"]


def test_attributes():
    """None and False are left out, True stands alone, underscores are hyphens."""
    found = tag(
        "a", class_="x", aria_label="y", hidden=True, title=None, open=False, n=0, viewBox="0"
    )
    assert found == '<a class="x" aria-label="y" hidden n="0" viewBox="0"></a>'


def test_void_elements_have_no_end():
    """As the standard wants it."""
    assert tag("meta", name="a") == '<meta name="a">'


def test_children():
    """None is nothing, numbers are text, markup stays markup, blanks at the ends stay."""
    assert joined("a ", None, 0, Html("<b>"), " c") == "a 0<b> c"
    assert joined(" ") == " "


@pytest.mark.parametrize("bad", ["\x1b[31m", "\u202e", "\x00", "\ud800"])
def test_text_is_fit_to_be_shown(bad):
    """No control characters and no change of direction; what is no character is spelt out."""
    found = tag("p", f"a{bad}b")
    assert bad not in found
    assert found.encode()


def test_long_texts_are_cut():
    """A page of a service's words is no part of this page."""
    assert len(tag("p", "x" * 10**6)) < 3000
    assert len(lines("x\n" * 10**6, 100)) <= 100


def test_lines_and_folds():
    """Newlines where they are shown; a path is folded behind its separators."""
    assert lines("a\n<b>") == "a\n&lt;b&gt;"
    assert soft("a/<b>/c") == "a/<wbr>&lt;b&gt;/<wbr>c"
