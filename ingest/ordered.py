"""Work done side by side in threads, results in the order of the work. Bounded.

`width` pieces are under way at once; the one that the consumer waits for is always among them, so a
slow piece holds back what comes out but not what goes on. Nothing is read ahead of that: while the
consumer does not take a result, no more than `width` pieces and one more are held.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import ObjectSendStream, TaskGroup

A = TypeVar("A")
B = TypeVar("B")


@dataclass(slots=True, eq=False)
class Slot(Generic[B]):
    """The place of one result in the order: `await ready.wait()`, then `result` is there."""

    ready: anyio.Event = field(default_factory=anyio.Event)
    result: list[B] = field(default_factory=list)


async def map_in_threads(
    work: AsyncIterable[A],
    function: Callable[[A], B],
    out: ObjectSendStream[Slot[B]],
    tasks: TaskGroup,
    width: int,
) -> None:
    """Send a slot into `out` for each piece of `work`, in order, and close it at the end.

    Ends early, with no error, once nobody receives any more. `out` must be unbuffered: handing over
    a slot then means that the consumer is ready for it.
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
