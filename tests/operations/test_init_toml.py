"""TOML from values: what is read back is what was written, whatever columns are called."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.operations import init_toml as toml

# Every character that UTF-8 has: quotes, newlines, controls and marks of direction among them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300)
@given(name=TEXTS, value=VALUES)
@example(name='a"b\n[x]', value="\u2028\u202e\x7f\x85\ud7ff\U000e0001")
@example(name="", value={"": "", "a.b": ["\\", '"""', "'''"]})
def test_what_is_read_back_is_what_was_written(name: str, value: Any):
    """The law, for any key and any value."""
    line = toml.assignment(name, value)
    assert "\n" not in line
    assert tomllib.loads(line) == {name: value}


@settings(max_examples=300)
@given(words=st.text(max_size=80))
@example(words="x\ny = 1")
@example(words="x\x00\x1b[31m\x7f\r[table]")
def test_a_comment_says_nothing_to_a_parser(words: str):
    """Whatever stands in it, lone surrogates too, a document with it is the one without it."""
    lines = toml.comment(words)
    text = "\n".join([*lines, "a = 1", *lines, ""])
    text.encode()
    assert tomllib.loads(text) == {"a": 1}


def test_long_comments_are_folded():
    """Lines of about a hundred columns; a long word stands alone."""
    lines = toml.comment("word " * 50 + "x" * 200)
    assert [len(line) <= 100 for line in lines] == [True, True, True, False]
    assert all(line.startswith("# ") for line in lines)


def test_plain_keys_are_bare():
    """Quotes only where they are needed."""
    assert toml.assignment("a-b_1", "x", 6) == 'a-b_1  = "x"'
    assert toml.assignment("a b", True) == '"a b" = true'
    assert toml.assignment("n", {}) == "n = {}"


def test_half_of_a_surrogate_pair_is_refused():
    """TOML has no form for it (a file name that is no UTF-8)."""
    with pytest.raises(ValueError, match="surrogates"):
        toml.string("caf\udce9")
