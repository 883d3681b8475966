"""The rows before a run's first request, whichever process asks."""

from __future__ import annotations

import pytest

from ingest.build.rows_before import ROWS_BEFORE, rows_before
from ingest.state import RunDir


@pytest.mark.parametrize("counted", [None, 0, 1, 2, 10**12])
def test_the_first_process_s_count_stands(tmp_path, counted):
    """What a later one counts are rows of the run itself."""
    run = RunDir(tmp_path)
    assert rows_before(run, counted, first=True) == counted
    assert rows_before(run, 99, first=False) == counted
    assert (tmp_path / ROWS_BEFORE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"rows_before":"3"}', '{"rows_before":3.5}']
)
def test_what_is_not_known_is_not_guessed(tmp_path, text):
    """A file of somebody else's making, or none."""
    run = RunDir(tmp_path)
    assert rows_before(run, 99, first=False) is None
    (tmp_path / ROWS_BEFORE).write_text(text)
    assert rows_before(run, 99, first=False) is None


def test_a_directory_that_takes_nothing(tmp_path):
    """Best effort: the count of this process is good for it."""
    run = RunDir(tmp_path / "none")
    assert rows_before(run, 5, first=True) == 5
    assert rows_before(run, 9, first=False) is None
