"""The one place where commands get their event loop."""

from __future__ import annotations

import gc

import pytest

from ingest.cli.awaiting import awaited


async def sum_of(*numbers: int, more: int = 0) -> int:
    """Something asynchronous."""
    return sum(numbers) + more


def test_what_is_awaited_comes_back():
    """With its arguments, as often as it is wanted."""
    assert [awaited(sum_of, 1, 2, more=n) for n in range(3)] == [3, 4, 5]


def test_the_collector_is_on_from_here():
    """`main` turned it off for the imports."""

    async def is_on() -> bool:
        return gc.isenabled()

    gc.disable()
    try:
        assert awaited(is_on)
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_collector_that_is_on_is_left_alone():
    """What others hold stays within its reach."""
    frozen = gc.get_freeze_count()
    awaited(sum_of)
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, frozen)


def test_an_error_comes_as_it_is():
    """In no group."""

    async def failing() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        awaited(failing)
