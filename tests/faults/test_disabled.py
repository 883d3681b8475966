"""The list of handlers that are put out of action by hand (`disabled`) holds what it says."""

from __future__ import annotations

import pytest

from tests.faults.disabled import HANDLERS
from tests.faults.test_table import is_there


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_and_its_test_are_there(monkeypatch, name):
    """A patch of what is gone raises; a test that is gone would never turn red."""
    HANDLERS[name].disable(monkeypatch)
    assert is_there(HANDLERS[name].test.removeprefix("tests/"))


def test_there_are_enough_of_them():
    """Five at the least, and no two with one test and one name for it."""
    assert len({one.what for one in HANDLERS.values()}) == len(HANDLERS) >= 5
