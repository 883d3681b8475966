"""SQL quoting."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import TargetError
from ingest.targets.sql import quote_identifier, quote_literal

SAFE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\\\0"), max_size=30
) | st.sampled_from(["'", "''", "' or 1=1 --", '"', "a';drop table t;--", "/*", "[x]", "`x`"])


@given(SAFE | st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=200, deadline=None)
def test_a_literal_means_its_value_and_nothing_else(value):
    """A database reads back exactly the value, whatever stands in it."""
    with closing(sqlite3.connect(":memory:")) as db:
        rows = db.execute(f"select {quote_literal(value)}, 7").fetchall()
    assert rows == [(value, 7)]


@given(SAFE.filter(bool))
@settings(max_examples=200, deadline=None)
def test_an_identifier_names_its_table_and_nothing_else(name):
    """A database knows the table by exactly that name."""
    with closing(sqlite3.connect(":memory:")) as db:
        quoted = quote_identifier("t" + name)
        db.execute(f"create table {quoted} (x)")
        assert db.execute("select name from sqlite_master").fetchall() == [("t" + name,)]
        assert db.execute(f"select count(*) from {quoted}").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("stock", "stock"), ("my_user", "my_user"), ("T1", "T1"), ("order", '"order"'),
     ("Select", '"Select"'), ("1st", '"1st"'), ("two words", '"two words"'), ('a"b', '"a""b"'),
     ("größe", '"größe"')],
)  # fmt: skip
def test_plain_names_stand_bare_as_the_service_shows_them(name, quoted):
    """Only what isn't plain, or is a key word, needs quotes."""
    assert quote_identifier(name) == quoted


@pytest.mark.parametrize("value", ["\\", "a\\' or 1=1 --", "nul\0", "\ud800"])
def test_what_a_dialect_might_read_otherwise_is_refused(value):
    """A backslash is an escape in some databases; NUL ends a statement in others."""
    with pytest.raises(TargetError, match="can't stand in a query"):
        quote_literal(value)
    with pytest.raises(TargetError, match="can't stand in a query"):
        quote_identifier(value)


@pytest.mark.parametrize(("value", "quoted"), [(0, "0"), (-1, "-1"), (True, "1"), ("", "''")])
def test_numbers_and_nothing(value, quoted):
    """The edges."""
    assert quote_literal(value) == quoted


def test_no_name_is_no_identifier():
    """An empty name would quote to an empty pair of quotes."""
    with pytest.raises(TargetError):
        quote_identifier("")
