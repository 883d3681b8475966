"""Words now and then while something long goes on."""

from __future__ import annotations

import anyio
import pytest

from ingest.build import telling as module
from ingest.build.telling import telling
from ingest.errors import SettingsError
from tests.end_to_end import Listener

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("wanted", [0, 1, 3])
async def test_words_until_it_is_over(monkeypatch, wanted):
    """As they are at each time, and none when it is over."""
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    listener = Listener()

    async def long() -> int:
        while len(listener.notes) < wanted:
            await anyio.lowlevel.checkpoint()
        return 7

    assert await telling(listener, lambda: f"word {len(listener.notes)}", long) == 7
    assert listener.notes[:wanted] == [f"word {number}" for number in range(wanted)]
    said = len(listener.notes)
    await anyio.lowlevel.checkpoint()
    assert len(listener.notes) == said


async def test_what_is_short_is_not_talked_about():
    """Nothing is said before the first `EVERY_S`."""
    listener = Listener()
    await telling(listener, lambda: "word", anyio.lowlevel.checkpoint)
    assert listener.notes == []


async def test_an_error_comes_as_it_is():
    """In no group, with what caused it."""
    cause = ValueError()

    async def failing() -> None:
        raise SettingsError("wrong") from cause

    with pytest.raises(SettingsError, match="wrong") as caught:
        await telling(Listener(), str, failing)
    assert caught.value.__cause__ is cause


async def test_a_cancelled_one_is_cancelled():
    """By the scope around it."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await telling(Listener(), str, anyio.sleep_forever)
    assert scope.cancelled_caught
