"""How a run is brought to its end from outside: signals, the grace, `--max-duration`, the token.

The first SIGINT, SIGTERM or SIGHUP drains the run, the second stops it, and so does the end of the
grace. A limit of time drains it as an interrupt would. The end of the token drains it while it is
still good, with an error (exit 7) and without a grace: to drop what is in flight would leave it
ambiguous, and its own limits of time end it.

Signals are the whole process's, and so the command's alone: a program that uses ingest as a library
asks by an `Interrupt`, and no handler of its own is touched.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import anyio
import anyio.abc

from ingest.errors import IngestError
from ingest.events import Watcher
from ingest.protocols import Clock

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Endable(Protocol):
    """What can be ended: an engine."""

    @property
    def ending(self) -> bool:
        """True once it drains or stops."""
        ...

    def drain(self, error: IngestError | None = None) -> None:
        """Start nothing new; `error` is why, if it is trouble."""
        ...

    def stop(self) -> None:
        """Drop what is in flight."""
        ...


class Watched(Protocol):
    """What may come to its end before the run does: a login."""

    async def watch(self, expiring: Callable[[IngestError], None]) -> None:
        """Tell when that is near. Runs until cancelled, or until it has told."""
        ...


class Interrupt:
    """Asks a run to end, as signals do: once to drain it, twice to stop it. One run, one loop.

    `heard` says whether somebody listens: before that there is nothing to drain.
    """

    def __init__(self) -> None:
        self.heard = False
        self._asked = 0
        self._more = anyio.Event()

    def ask(self) -> None:
        """Once more. To be called in the run's own event loop."""
        self._asked += 1
        self._more.set()

    def __aiter__(self) -> AsyncIterator[int]:
        self.heard = True
        return self

    async def __anext__(self) -> int:
        while not self._asked:
            self._more = anyio.Event()
            await self._more.wait()
        self._asked -= 1
        return signal.SIGINT


@contextmanager
def _signals(interrupt: Interrupt | None) -> Iterator[AsyncIterator[int]]:
    if interrupt is not None:
        yield aiter(interrupt)
        return
    with anyio.open_signal_receiver(*SIGNALS) as signals:
        yield signals


class Ending:
    """Heeds what ends a run; `interrupted` is the exit code that it then has."""

    def __init__(
        self,
        engine: Endable,
        watcher: Watcher,
        clock: Clock,
        grace_s: float,
        also: Callable[[], None],
        interrupt: Interrupt | None = None,
    ) -> None:
        """`also` is called when the run is told to end, for what goes on beside the engine.
        `interrupt` is heeded instead of signals."""
        self._engine = engine
        self._watcher = watcher
        self._clock = clock
        self._grace_s = grace_s
        self._also = also
        self._interrupt = interrupt
        self._loading = anyio.CancelScope()
        self.interrupted: int | None = None

    async def heed_signals(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Run until cancelled."""
        with _signals(self._interrupt) as signals:
            task_status.started()
            async with anyio.create_task_group() as tasks:
                async for number in signals:
                    if self._engine.ending and self.interrupted is not None:
                        self._watcher.note("stopping now", level="warning")
                        self._engine.stop()
                        continue
                    code = 130 if number == signal.SIGINT else 143
                    why = "interrupted: finishing what is in flight (once more to stop now)"
                    self._drain(code, why)
                    tasks.start_soon(self._stop_after_grace)

    async def end_in_time(self, seconds: float) -> None:
        """Drain after so long."""
        await self._clock.sleep(seconds)
        if not self._engine.ending:
            self._drain(130, "the time given by --max-duration is over")
            await self._stop_after_grace()

    async def heed_token(self, login: Watched) -> None:
        """Drain before the token ends, unless everything is loaded by then."""
        with self._loading:
            await login.watch(self._expiring)

    def loaded(self) -> None:
        """The load has ended: the token's end is no reason any more to end it."""
        self._loading.cancel()

    def _expiring(self, error: IngestError) -> None:
        if not self._engine.ending:
            self._watcher.note(f"{error.message}; finishing what is in flight", level="warning")
            self._engine.drain(error)

    def _drain(self, code: int, why: str) -> None:
        self.interrupted = code
        self._watcher.note(why, level="warning")
        self._engine.drain()
        self._also()

    async def _stop_after_grace(self) -> None:
        await self._clock.sleep(self._grace_s)
        self._watcher.note("the grace is over: stopping now", level="warning")
        self._engine.stop()
