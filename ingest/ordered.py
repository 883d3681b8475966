"""Work done side by side in threads, results in the order of the work. Bounded.

`width` pieces are under way at once; the one that the consumer waits for is always among them, so a
slow piece holds back what comes out but not what goes on. Nothing is read ahead of that: from the
one that the consumer has not done with, no more than `width` pieces (two, if it is 1) are held.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import ObjectSendStream, TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec import Struct, field

A = TypeVar("A")
B = TypeVar("B")


class Slot(Struct, Generic[B], eq=False):
    """The place of one result in the order: `await ready.wait()`, then `result` is there."""

    ready: anyio.Event = field(default_factory=anyio.Event)
    result: list[B] = field(default_factory=list)


def slots(width: int) -> tuple[MemoryObjectSendStream[Any], MemoryObjectReceiveStream[Any]]:
    """A stream for the slots of `width` pieces: the consumer waits for one of them, one is being
    handed over, and the others stand in between."""
    return anyio.create_memory_object_stream[Any](max(0, width - 2))


async def map_in_threads(
    work: AsyncIterable[A],
    function: Callable[[A], B],
    out: ObjectSendStream[Slot[B]],
    tasks: TaskGroup,
    width: int,
) -> None:
    """Send a slot into `out` for each piece of `work`, in order, and close it at the end.

    Ends early, with no error, once nobody receives any more. `out` is made by `slots`: the next
    piece begins as one is handed over, so a larger buffer would let more than `width` be held, and
    with a smaller one fewer are under way.
    """
    free = anyio.Semaphore(width)
    limiter = anyio.CapacityLimiter(width)

    async def one(piece: A, slot: Slot[B]) -> None:
        try:
            slot.result.append(await anyio.to_thread.run_sync(function, piece, limiter=limiter))
        finally:
            free.release()
            slot.ready.set()

    async with out:
        async for piece in work:
            await free.acquire()
            slot: Slot[B] = Slot()
            tasks.start_soon(one, piece, slot)
            try:
                await out.send(slot)
            except anyio.BrokenResourceError:
                return
