"""A run for a program: in a task that the scope around the caller does not cancel.

The caller's own task waits beside it, is cancelled instead, and asks the run to end. What comes of
that depends on whose cancelling it was. A scope of anyio's stays cancelled, and raises again at the
next await, so the run's result may be returned meanwhile. asyncio's own is an edge: it is raised
once, and who keeps it to himself breaks `asyncio.timeout` and `TaskGroup`; so it goes on, behind
the end of the run.

Where nobody listens (before the load, and when its books are closed), the run itself is cancelled.
The records of a program are pumped here too, under the same shield: cancelled from outside, they
would seem to have come to their end.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from msgspec.structs import replace

from ingest.build import execute
from ingest.build.ending import Interrupt
from ingest.build.options import RunOptions, RunResult
from ingest.errors import only_cause
from ingest.events import Watcher
from ingest.job import Job
from ingest.sources.records import Records, RecordStream


class Conducted:
    """One run. `failure` is what the iterator of records raised."""

    def __init__(
        self, job: Job, options: RunOptions, watcher: Watcher, records: Records | None = None
    ) -> None:
        self._interrupt = Interrupt()
        self._job = job
        self._options = replace(options, interrupt=self._interrupt)
        self._watcher = watcher
        self._records = records
        self._scope = anyio.CancelScope(shield=True)
        self._over = anyio.Event()
        self._result: RunResult | None = None
        self._error: Exception | None = None
        self.failure: Exception | None = None

    async def result(self) -> RunResult:
        """Run it, once. Raises what `execute` raises."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._run)
                await self._until_over()
        except anyio.get_cancelled_exc_class():
            if self._result is None or not _in_cancelled_scope():
                raise
        if self._error is not None:
            raise self._error
        assert self._result is not None, "it was cancelled, has failed, or has a result"
        return self._result

    async def _until_over(self) -> None:
        try:
            await self._over.wait()
        except anyio.get_cancelled_exc_class():
            by_scope = _in_cancelled_scope()
            self._ask()
            with anyio.CancelScope(shield=True):
                await self._outlast()
            if self._result is None or not by_scope:
                raise

    async def _outlast(self) -> None:
        """Only asyncio's own cancelling gets through a shield: that is once more, to stop now."""
        while not self._over.is_set():
            try:
                await self._over.wait()
            except anyio.get_cancelled_exc_class():
                self._ask()

    def _ask(self) -> None:
        if self._interrupt.heard:
            self._interrupt.ask()
        else:
            self._scope.cancel()

    async def _run(self) -> None:
        try:
            with self._scope:
                try:
                    async with self._pumped() as stream:
                        args = (self._job, self._options, self._watcher, stream)
                        self._result = await execute(*args)
                except Exception as exc:  # noqa: BLE001 - raised where it is awaited, in no group
                    self._error = only_cause(exc)
        finally:
            self._over.set()

    @asynccontextmanager
    async def _pumped(self) -> AsyncIterator[RecordStream | None]:
        if self._records is None:
            yield None
            return
        stream = RecordStream(self._records)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.pump)
                yield stream
                tasks.cancel_scope.cancel()
        finally:
            self.failure = stream.failure
            stream.close()


def _in_cancelled_scope() -> bool:
    return anyio.current_effective_deadline() == -math.inf
