"""One goes alone, the others wait, and nobody waits for ever."""

from __future__ import annotations

import anyio
import pytest

from ingest.delivery.turns import LARGE_BODY_BYTES, Turns
from ingest.model import Accounts
from tests.batches import sized_batch

pytestmark = pytest.mark.anyio
ONE, OTHER = sized_batch(20), sized_batch(20)
LARGE, LARGER = sized_batch(LARGE_BODY_BYTES + 1), sized_batch(LARGE_BODY_BYTES + 2)


class Watched:
    """Turns, and what they ask."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self.stopping = False
        self.wanted = True
        self.landed = False
        self.turns = Turns(self.accounts, lambda: self.stopping)
        self.log: list[str] = []

    async def take(self) -> None:
        taken = await self.turns.take(OTHER, lambda: self.wanted)
        self.log.append(f"took {taken}")

    async def large(self) -> None:
        await self.turns.wait_while_first_large(LARGER, LARGER, lambda: self.landed)
        self.log.append("large")


async def test_the_holder_waits_for_attempts_under_way():
    """And holds the others back meanwhile."""
    all_ = Watched()
    all_.accounts.in_flight = 2
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(all_.take)
        await anyio.wait_all_tasks_blocked()
        assert (all_.log, all_.turns.is_held_back(ONE)) == ([], True)
        all_.accounts.in_flight = 0
        all_.turns.tell()
    assert all_.log == ["took True"]
    assert not all_.turns.is_held_back(OTHER)
    all_.turns.give(ONE)
    assert all_.turns.is_held_back(ONE)
    all_.turns.give(OTHER)
    assert not all_.turns.is_held_back(ONE)


@pytest.mark.parametrize(("change", "taken"), [("give", True), ("wanted", False), ("stop", False)])
async def test_a_second_one_waits(change, taken):
    """Until the first gives back, until it needs it no more, or until the run is being ended."""
    all_ = Watched()
    assert await all_.turns.take(ONE, lambda: True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(all_.take)
        await anyio.wait_all_tasks_blocked()
        assert all_.log == []
        if change == "give":
            all_.turns.done(ONE)
        all_.wanted = change != "wanted"
        all_.stopping = change == "stop"
        all_.turns.tell()
    assert all_.log == [f"took {taken}"]
    assert all_.turns.is_held_back(ONE) is taken


async def test_ending_the_run_wakes_a_holder_who_waits():
    """Attempts that never end don't hold up the end."""
    all_ = Watched()
    all_.accounts.in_flight = 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(all_.take)
        await anyio.wait_all_tasks_blocked()
        all_.stopping = True
        all_.turns.tell()
    assert all_.log == ["took False"]


@pytest.mark.parametrize("change", ["done", "landed", "stopping"])
async def test_large_bodies_go_one_at_a_time_at_first(change):
    """Until the first of them has its end, or landed, or the run is being ended."""
    all_ = Watched()
    await all_.turns.wait_while_first_large(LARGE, LARGE, lambda: False)
    await all_.turns.wait_while_first_large(LARGE, LARGE, lambda: False)
    await all_.turns.wait_while_first_large(ONE, ONE, lambda: False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(all_.large)
        await anyio.wait_all_tasks_blocked()
        assert all_.log == []
        if change == "done":
            all_.turns.done(LARGE)
        else:
            setattr(all_, change, True)
            all_.turns.tell()
    assert all_.log == ["large"]
