"""Names for the target's columns: valid, of one style, none twice."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.operations.init_names import free, snake, target_names

KEPT = frozenset({"id", "created_at"})


def names(*sources: str, live: tuple[str, ...] = (), kept: frozenset[str] = frozenset()):
    """The target's names for these."""
    return list(target_names(sources, live, kept, lambda _: None).values())


def test_plain_names_stay():
    """No renaming where none is needed, whatever the case."""
    assert names("lifeExp", "POP", "year_2") == ["lifeExp", "POP", "year_2"]


def test_one_that_is_not_plain_gives_all_one_style():
    """A table does not have `Date` beside `adj_close`."""
    assert names("Date", "Adj Close", "gdpPercap") == ["date", "adj_close", "gdp_percap"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Culmen Length (mm)", "culmen_length_mm"), ("2010", "c_2010"), ("$", "column"),
        ("Größe in m²", "größe_in_m2"), ("名前", "名前"), ("__a__", "a"), ("x" * 300, "x" * 120),
    ],
)  # fmt: skip
def test_snake(source: str, name: str):
    """Marks become underscores, letters of any script stay letters."""
    assert snake(source) == name


def test_the_services_own_names_are_left_to_it():
    """`id` is renamed in any case of it."""
    assert names("id", "x", kept=KEPT) == ["source_id", "x"]
    assert names("ID", "source_id", "created_at", kept=KEPT) == [
        "source_id", "source_id_2", "created_at_2",
    ]  # fmt: skip


def test_a_live_column_is_found_by_what_it_is_called():
    """Case and marks don't matter; the service's own columns are never meant."""
    assert names("Adj Close", "ID", live=("AdjClose", "id"), kept=KEPT) == ["AdjClose", "source_id"]


def test_a_name_that_the_service_refuses():
    """It gets one that is plain."""
    found = target_names(["a", "sqlite_x"], (), (), lambda name: "no" if name == "a" else None)
    assert list(found.values()) == ["c_a", "c_sqlite_x"]


def test_free():
    """The first number that helps."""
    assert free("a", {"a", "a_2"}) == "a_3"
    assert free("b", {"a"}) == "b"


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_no_two_are_the_same(sources: list[str]):
    """Not even but for case; each is a name."""
    found = names(*sources, kept=KEPT)
    assert len({name.casefold() for name in found} | KEPT) == len(found) + len(KEPT)
    assert all(re.fullmatch(r"\w+", name) and not name[0].isdigit() for name in found)
