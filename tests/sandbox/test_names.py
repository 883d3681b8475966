"""Names in SQL, and names that are refused."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox.names import checked, folded, quoted
from ingest.sandbox.refusal import Refused

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


@given(NAMES, NAMES)
def test_a_quoted_name_names_exactly_that(table: str, column: str) -> None:
    """Whatever the text, SQLite gives the same table and column name back, and nothing else."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE TABLE {quoted('t' + table)} ({quoted(column)} TEXT)")
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("t" + table,)]
        cursor = db.execute(f"SELECT {quoted(column)} FROM {quoted('t' + table)}")
        assert [entry[0] for entry in cursor.description] == [column]


@pytest.mark.parametrize("name", ["", "a\x00b", "\ud800"])
def test_what_no_identifier_can_hold_is_an_error(name: str) -> None:
    """Empty names, NUL and lone surrogates never reach SQL."""
    with pytest.raises(ValueError, match=r".+"):
        quoted(name)


@pytest.mark.parametrize(
    "name",
    ["", None, 5, "a" * 129, "a/b", "a\nb", "a\x00", "sqlite_x", "SQLITE_X", "_sandbox_tables"],
)
def test_names_that_are_refused(name: object) -> None:
    """Reserved, unprintable, overlong and missing names are a 400."""
    with pytest.raises(Refused) as refused:
        checked(name, "table")
    assert refused.value.status == 400


@pytest.mark.parametrize("name", ["a", "a" * 128, "Adj Close", "select", 'x"y', "größe", "a]b"])
def test_names_that_are_taken(name: str) -> None:
    """Everything else is, as it is."""
    assert checked(name, "column") == name


@given(NAMES)
def test_folding_is_ascii_only(name: str) -> None:
    """SQLite folds A to Z and nothing else."""
    assert folded(name) == "".join(c.lower() if c.isascii() else c for c in name)
