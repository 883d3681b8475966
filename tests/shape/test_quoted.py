"""What is known of a block with quotes at once. (`test_spelled` holds it to the careful path.)"""

from __future__ import annotations

from typing import Any

import pytest

from ingest.grammar import pcre2
from ingest.model import Dialect, Layout
from ingest.shape.quoted import known_of_quoted
from tests.shape.helpers import job_of, plan_of
from tests.shape.test_spelled import COLUMNS, FIELDS, blocks_of

needs_pcre2 = pytest.mark.skipif(pcre2.version() is None, reason="this machine has no PCRE2")


def known(data: str, dialect: Dialect | None = None, fields: Any = FIELDS) -> set[int]:
    """The fields of which something is known, by the first record of the data."""
    layout = Layout("csv", COLUMNS, dialect or Dialect())
    (block,) = blocks_of(data, layout.dialect)
    first = ["2024-01-31", "1", "1.5", "a"]
    found = known_of_quoted(block.data, plan_of(layout, job_of(fields=fields)), first)
    return set(found.spellings)


@needs_pcre2
@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('2024-02-29,2,"NA","x"\n', {0, 1, 2, 3}),
        ('"2024-02-29","2",NA,"x, y"\r\n', {0, 1, 2, 3}),
        (',"",,""\n', {0, 1, 2, 3}),
        ('2024-02-29,2,1.5,"x\ny"\n', set()),  # a text with a line end
        ('2024-02-29,2,1.5,"say ""hi"""\n', set()),  # one that needs an escape
        ('2024-02-30,2,1.5,"x"\n', set()),
        ('2024-02-29,"2 ",1.5,"x"\n', set()),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 50])
def test_what_is_known_holds_of_all_records(line: str, fields: set[int], count: int) -> None:
    """In quotes or without them, words for null among them."""
    assert known('2024-01-31,1,1.5,"a"\n' * 50 + line * count) == fields


@needs_pcre2
def test_columns_that_may_be_anything_are_passed_over() -> None:
    """What is read by a rule that no pattern holds hinders no other; the third is a text."""
    fields = {"day": {"type": "date"}, "s": {"type": "string", "column": {"max_length": 9}}}
    line = '2024-01-31,"a\n""b""","c,d","x\ny"\n'
    assert known(line * 3, fields=fields | {"n": {"type": "json"}}) == {0, 3}


@needs_pcre2
@pytest.mark.parametrize(
    ("dialect", "line"),
    [(Dialect("-"), '"a"-1-1-a\n'), (Dialect(",", None), "2024-01-31,1,1.5,a\n")],
)
def test_other_dialects_are_left_to_the_columns(dialect: Dialect, line: str) -> None:
    """A delimiter that values use, and a file without quotes."""
    assert known(line, dialect) == set()


def test_without_pcre2_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns are asked one by one."""
    monkeypatch.setattr("ingest.shape.quoted.runs_of", lambda _pattern: None)
    assert known('2024-01-31,1,1.5,"a"\n') == set()
