"""The table of faults: every row is shown by tests, and every test that it names is there.

One file for each part of the table, in `table/`. A row has the fault, what must happen, and its
tests by their place below `tests/`. What the program cannot do yet stands apart, with the reason.
"""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
PARTS = ("server", "settling", "files", "machine", "security")
# As many as there are: a row comes and goes by being counted here, too.
ROWS = {"server": 24, "settling": 10, "files": 18, "machine": 15, "security": 13}


def part(name: str) -> dict[str, list[dict[str, Any]]]:
    """One part of the table."""
    return tomllib.loads((TESTS / "faults" / "table" / f"{name}.toml").read_text())


@cache
def names_in(path: Path) -> frozenset[str]:
    """The names of the tests that stand in a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = ast.parse(path.read_bytes()).body if path.is_file() else []
    names = (node.name for node in found if isinstance(node, kinds))
    return frozenset(name for name in names if name.startswith("test_"))


def is_there(test: str) -> bool:
    """Whether a test of that place exists."""
    path, _, name = test.partition("::")
    return name in names_in(TESTS / path)


def wrong_with(row: dict[str, Any]) -> list[str]:
    """What a row of the table lacks."""
    tests = row.get("tests", [])
    found = [f"no {key}" for key in ("fault", "must") if not row.get(key)]
    found += [f"unknown key {key}" for key in row.keys() - {"fault", "must", "tests"}]
    found += [] if tests else ["no test"]
    found += ["a test is named twice"] if len(set(tests)) < len(tests) else []
    return found + [f"no such test: {test}" for test in tests if not is_there(test)]


@pytest.mark.parametrize("name", PARTS)
def test_every_row_has_its_tests(name):
    """Each of them exists."""
    rows = part(name)["row"]
    wrong = {row.get("fault", "?"): found for row in rows if (found := wrong_with(row))}
    assert wrong == {}
    assert len({row["fault"] for row in rows}) == len(rows) == ROWS[name]


@pytest.mark.parametrize("name", PARTS)
def test_what_is_for_later_says_why(name):
    """It names no test, and is no row of the table at the same time."""
    whole = part(name)
    later = whole.get("later", [])
    assert all(row.keys() == {"fault", "must", "why"} and all(row.values()) for row in later)
    assert {row["fault"] for row in later}.isdisjoint(row["fault"] for row in whole["row"])
    assert whole.keys() <= {"row", "later"}


def test_the_parts_are_all_there_is():
    """No file of the table is passed over."""
    assert {path.stem for path in (TESTS / "faults" / "table").iterdir()} == set(PARTS)


def test_a_test_that_is_not_there_is_noticed():
    """A check that can't fail proves nothing."""
    good = "faults/test_table.py::test_a_test_that_is_not_there_is_noticed"
    row = {"fault": "f", "must": "m", "tests": [good]}
    assert wrong_with(row) == []
    for tests in ([], [good, good], [f"{good}x"], ["faults/no_file.py::test_x"], [good[:-1]]):
        assert wrong_with(row | {"tests": tests})
    assert wrong_with(row | {"must": ""})
