"""A word now and then, while something long goes on that has no display of its own.

To verify or to undo a large run takes minutes, in which nothing would be seen. What is said is a
note like any other: a line every few seconds, none for what is over by then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ingest.events import Watcher

T = TypeVar("T")
EVERY_S = 10.0


async def telling(
    watcher: Watcher, words: Callable[[], str], call: Callable[[], Awaitable[T]]
) -> T:
    """What `call` returns; meanwhile `words` are said every `EVERY_S`. Raises what it raises."""

    async def often() -> None:
        while True:
            await anyio.sleep(EVERY_S)
            watcher.note(words())

    done: list[T] = []
    failed: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(often)
        try:
            done.append(await call())
        except Exception as exc:  # noqa: BLE001 - raised behind the group, which would wrap it
            failed = exc
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return done[0]
