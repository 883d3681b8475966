"""Work side by side, results in order, bounded."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest

from ingest.ordered import map_in_threads, slots

pytestmark = pytest.mark.anyio


class Numbers(AsyncIterator[int]):
    """0, 1, 2, ...; `given` is how many were asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.given = 0

    async def __anext__(self) -> int:
        await anyio.lowlevel.checkpoint()
        if self.given == self._count:
            raise StopAsyncIteration
        self.given += 1
        return self.given - 1


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
async def test_results_keep_the_order_of_the_work(width: int, count: int):
    """Though later pieces may be done first."""
    first_waits = threading.Event()

    def square(number: int) -> int:
        if number == 0 and width > 1 and count > 1:
            assert first_waits.wait(10)
        if number == 1:
            first_waits.set()
        return number * number

    results = []
    slots_in, slots_out = slots(width)
    async with anyio.create_task_group() as tasks, slots_out:
        tasks.start_soon(map_in_threads, Numbers(count), square, slots_in, tasks, width)
        async for slot in slots_out:
            await slot.ready.wait()
            results.append(slot.result[0])
    assert results == [n * n for n in range(count)]


@pytest.mark.parametrize("width", [1, 2, 5])
async def test_no_more_is_taken_than_fits(width: int):
    """While the consumer has not done with a result, `width` pieces are held, that one among them;
    while nobody takes any, not even those."""
    numbers = Numbers(100)
    slots_in, slots_out = slots(width)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(map_in_threads, numbers, abs, slots_in, tasks, width)
        await anyio.wait_all_tasks_blocked()
        assert numbers.given == max(1, width - 1)
        await slots_out.receive()
        await anyio.wait_all_tasks_blocked()
        assert numbers.given == max(2, width)
        await slots_out.aclose()
    assert numbers.given == max(2, width)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
async def test_so_many_are_under_way_at_once(width: int):
    """While the consumer waits for the first of them: none returns before all are there."""
    together = threading.Barrier(width)

    def meet(number: int) -> int:
        together.wait(10)
        return number

    results = []
    slots_in, slots_out = slots(width)
    async with anyio.create_task_group() as tasks, slots_out:
        tasks.start_soon(map_in_threads, Numbers(3 * width), meet, slots_in, tasks, width)
        async for slot in slots_out:
            await slot.ready.wait()
            results.append(slot.result[0])
    assert results == list(range(3 * width))


async def test_what_a_thread_raises_reaches_the_task_group():
    """A defect in the function is not swallowed."""

    def defect(number: int) -> int:
        raise ZeroDivisionError(number)

    slots_in, slots_out = slots(1)
    with pytest.raises(BaseExceptionGroup) as caught:  # noqa: PT012 - the group is what raises
        async with anyio.create_task_group() as tasks, slots_out:
            tasks.start_soon(map_in_threads, Numbers(3), defect, slots_in, tasks, 1)
            await anyio.sleep_forever()
    assert caught.group_contains(ZeroDivisionError)
