"""Reading ahead: in order, so far and no further, and gone when it is closed."""

from __future__ import annotations

import anyio
import pytest

from ingest.sources.ahead import AHEAD, ReadAhead

pytestmark = pytest.mark.anyio


async def test_order_does_not_depend_on_who_is_quicker():
    """The first unit is the slowest, and still comes first."""
    gates = [anyio.Event() for _ in range(4)]

    async def read(unit, send):
        if unit + 1 < len(gates):
            await gates[unit + 1].wait()
        await send([unit, unit + 0.5])
        gates[unit].set()

    async with anyio.create_task_group() as tasks:
        ahead = ReadAhead(tasks, iter(range(AHEAD + 1)), read)
        gates[AHEAD + 1].set()
        assert [item async for item in ahead] == [0, 0.5, 1, 1.5, 2, 2.5]
        ahead.close()


@pytest.mark.parametrize("count", [0, 1, 2, 10])
async def test_any_number_of_units(count):
    """Units that send nothing, too."""

    async def read(unit, send):
        for part in range(unit % 3):
            await send([(unit, part)])

    async with anyio.create_task_group() as tasks:
        ahead = ReadAhead(tasks, iter(range(count)), read)
        expected = [(unit, part) for unit in range(count) for part in range(unit % 3)]
        assert [item async for item in ahead] == expected


async def test_no_further_than_it_may():
    """Until something is taken only so many units are begun, and none runs away."""
    begun, sent = [], []

    async def read(unit, send):
        begun.append(unit)
        for part in range(10):
            await send([part])
            sent.append(unit)

    async with anyio.create_task_group() as tasks:
        ahead = ReadAhead(tasks, iter(range(100)), read)
        assert await anext(ahead) == 0
        await anyio.wait_all_tasks_blocked()
        assert sorted(begun) == list(range(AHEAD + 1))
        assert len(sent) <= 2 * (AHEAD + 1)
        ahead.close()


async def test_closing_ends_the_tasks():
    """Nobody takes any more: the tasks end by themselves, in their own clean-up."""
    ended = []

    async def read(unit, send):
        try:
            while True:
                await send([unit])
        finally:
            ended.append(unit)

    async with anyio.create_task_group() as tasks:
        ahead = ReadAhead(tasks, iter(range(10)), read)
        await anext(ahead)
        await anyio.wait_all_tasks_blocked()
        ahead.close()
        ahead.close()
    assert sorted(ended) == list(range(AHEAD + 1))


async def test_cancelled_before_the_tasks_ran():
    """Streams of tasks that never began are closed as well (an unclosed one would warn)."""

    async def read(unit, send):
        await send([unit])

    async with anyio.create_task_group() as tasks:
        ahead = ReadAhead(tasks, iter(range(3)), read)
        ahead._top_up()
        tasks.cancel_scope.cancel()
        ahead.close()
    assert not ahead._streams
