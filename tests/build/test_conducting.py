"""A run for a program: whose cancelling does what, before, in and after the load."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ingest.build import RunOptions, RunResult, conducting
from ingest.build.conducting import Conducted
from ingest.build.ending import Ending, Interrupt
from ingest.errors import JobHeld
from tests.build.test_ending import Engine
from tests.end_to_end import Listener, job_of
from tests.fakes import JumpingClock

RESULT = RunResult({"state": "done"}, 0)
Faked = Callable[[Interrupt], Awaitable[RunResult]]


@pytest.fixture
def conducted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Faked], Conducted]:
    """Makes a run of which `execute` is a function of the interrupt."""

    def make(faked: Faked) -> Conducted:
        async def execute(_job: Any, options: RunOptions, *_rest: Any) -> RunResult:
            assert options.interrupt is not None
            return await faked(options.interrupt)

        monkeypatch.setattr(conducting, "execute", execute)
        return Conducted(job_of(tmp_path, "t", "a.csv"), RunOptions(tmp_path), Listener())

    return make


@pytest.mark.anyio
async def test_a_result_and_an_error_come_as_they_are(conducted):
    """An error in no group, though a task of its own has raised it."""

    async def held(_interrupt: Interrupt) -> RunResult:
        raise ExceptionGroup("tasks", [JobHeld("another run")])

    async def done(_interrupt: Interrupt) -> RunResult:
        return RESULT

    assert await conducted(done).result() is RESULT
    with pytest.raises(JobHeld, match="another run"):
        await conducted(held).result()


@pytest.mark.anyio
async def test_a_cancelled_scope_asks_the_load_to_end_and_gets_its_result(conducted):
    """It goes on under a shield until then; the scope raises at the next await."""
    came: list[str] = []
    with anyio.CancelScope() as scope:

        async def loading(interrupt: Interrupt) -> RunResult:
            asked = aiter(interrupt)
            scope.cancel()
            came.append(str(await anext(asked)))
            await anyio.lowlevel.checkpoint()  # would be cancelled, were it not shielded
            return RESULT

        came.append(str((await conducted(loading).result()) is RESULT))
        await anyio.lowlevel.checkpoint()
        came.append("not to be reached")
    assert came == [str(int(signal.SIGINT)), "True"]
    assert scope.cancelled_caught


@pytest.mark.anyio
@pytest.mark.parametrize("heard_before", [False, True])
async def test_where_nobody_listens_the_run_is_cancelled(conducted, heard_before):
    """Before the load there is nothing to drain; behind its books there is nothing to lose."""
    ended: list[str] = []
    with anyio.CancelScope() as scope:

        async def waiting(interrupt: Interrupt) -> RunResult:
            if heard_before:
                aiter(interrupt)
                interrupt.heard = False
            scope.cancel()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("run")
            raise AssertionError("was cancelled")

        await conducted(waiting).result()
        ended.append("not to be reached")
    assert ended == ["run"]
    assert scope.cancelled_caught


def test_asyncios_own_cancelling_goes_on_behind_the_end(conducted):
    """`asyncio.timeout` relies on it. The first time drains, the second stops."""
    asked: list[int] = []

    async def main() -> None:
        async def loading(interrupt: Interrupt) -> RunResult:
            requests = aiter(interrupt)
            task.cancel()
            asked.append(await anext(requests))
            task.cancel()
            asked.append(await anext(requests))
            return RESULT

        task = asyncio.create_task(conducted(loading).result())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(main())
    assert asked == [signal.SIGINT, signal.SIGINT]


@pytest.mark.anyio
async def test_an_interrupt_is_heeded_as_signals_are_and_touches_none():
    """Once drains, with the grace running; twice stops."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    engine, interrupt = Engine(), Interrupt()
    interrupt.ask()  # early is not lost
    ending = Ending(engine, Listener(), JumpingClock(), 25.0, lambda: None, interrupt)
    async with anyio.create_task_group() as tasks:
        await tasks.start(ending.heed_signals)
        assert interrupt.heard
        await engine.told.wait()
        assert (engine.heard[0], ending.interrupted) == ("drain", 130)
        interrupt.ask()
        await anyio.wait_all_tasks_blocked()
        now = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        tasks.cancel_scope.cancel()
    assert "stop" in engine.heard
    assert now == before
