"""Reading ahead of whoever takes the pieces, in order, by tasks that somebody else owns.

Each unit of work has a stream of its own; the first one is taken from until it ends, while the next
`AHEAD` fill theirs and then wait. What comes out does not depend on which task was quicker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

AHEAD = 2
HELD = 1

U = TypeVar("U")
T = TypeVar("T")


class ReadAhead(Generic[U, T]):
    """What `read` sends for each of `units`, in their order. `read` runs in tasks of `tasks`.

    `close` lets the tasks end at their next step; call it in every case.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        units: Iterator[U],
        read: Callable[[U, Callable[[list[T]], Awaitable[None]]], Awaitable[None]],
    ) -> None:
        self._tasks = tasks
        self._units = units
        self._read = read
        self._streams: deque[
            tuple[MemoryObjectSendStream[list[T]], MemoryObjectReceiveStream[list[T]]]
        ] = deque()
        self._here: deque[T] = deque()

    def __aiter__(self) -> ReadAhead[U, T]:
        return self

    async def __anext__(self) -> T:
        while not self._here:
            self._top_up()
            if not self._streams:
                raise StopAsyncIteration
            receive = self._streams[0][1]
            try:
                self._here.extend(await receive.receive())
            except anyio.EndOfStream:
                self._streams.popleft()
                receive.close()
        return self._here.popleft()

    def close(self) -> None:
        """Give up what is still to come."""
        while self._streams:
            for end in self._streams.popleft():
                end.close()

    def _top_up(self) -> None:
        while len(self._streams) <= AHEAD:
            for unit in self._units:
                send, receive = anyio.create_memory_object_stream[list[T]](HELD)
                self._streams.append((send, receive))
                self._tasks.start_soon(self._work, unit, send)
                break
            else:
                return

    async def _work(self, unit: U, send: MemoryObjectSendStream[list[T]]) -> None:
        with send:
            try:
                await self._read(unit, send.send)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return  # nobody takes any more
