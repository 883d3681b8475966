"""What ends a run from outside: signals, the time given, the grace, and the token's end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import anyio
import pytest

from ingest.build.ending import Ending
from ingest.errors import IngestError, StoppedByService
from tests.end_to_end import Listener
from tests.fakes import JumpingClock

pytestmark = pytest.mark.anyio
EXPIRING = StoppedByService("the token ends", "renew it")


class Engine:
    """What can be ended, and how it was."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.error: IngestError | None = None
        self.told = anyio.Event()

    @property
    def ending(self) -> bool:
        return bool(self.heard)

    def drain(self, error: IngestError | None = None) -> None:
        self.heard.append("drain")
        self.error = error
        self.told.set()

    def stop(self) -> None:
        self.heard.append("stop")
        self.told.set()


class Login:
    """A token that ends when it is told to."""

    def __init__(self) -> None:
        self.end = anyio.Event()

    async def watch(self, expiring: Callable[[IngestError], None]) -> None:
        await self.end.wait()
        expiring(EXPIRING)


def ending_of(engine: Engine, clock: JumpingClock) -> tuple[Ending, Listener, list[str]]:
    """An ending with a grace of 25 s; what goes on beside the engine, and was ended, too."""
    listener, beside = Listener(), []  # type: tuple[Listener, list[str]]
    ending = Ending(engine, listener, clock, 25.0, lambda: beside.append("ended"))
    return ending, listener, beside


async def test_the_end_of_the_token_drains_with_an_error_and_no_grace():
    """Exit 7 by the error; what is in flight is finished, never dropped."""
    engine, clock, login = Engine(), JumpingClock(), Login()
    ending, listener, beside = ending_of(engine, clock)
    login.end.set()
    await ending.heed_token(login)
    assert (engine.heard, engine.error) == (["drain"], EXPIRING)
    assert listener.notes == ["the token ends; finishing what is in flight"]
    assert (ending.interrupted, clock.slept, beside) == (None, [], [])


async def test_a_run_that_ends_already_is_not_ended_for_the_token():
    """Why it ends is known, and stays so."""
    engine, login = Engine(), Login()
    ending, listener, _ = ending_of(engine, JumpingClock())
    engine.drain()
    login.end.set()
    await ending.heed_token(login)
    assert (engine.heard, engine.error, listener.notes) == (["drain"], None, [])


async def test_a_token_that_ends_after_the_load_ends_nothing():
    """What follows the load goes on."""
    engine, login = Engine(), Login()
    ending, _, _ = ending_of(engine, JumpingClock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ending.heed_token, login)
        await anyio.wait_all_tasks_blocked()
        ending.loaded()
        login.end.set()
    assert engine.heard == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
async def test_the_first_signal_drains_and_the_end_of_the_grace_stops(number, code):
    """And what goes on beside the engine is ended at once."""
    engine, clock = Engine(), JumpingClock()
    ending, listener, beside = ending_of(engine, clock)
    async with anyio.create_task_group() as tasks:
        await tasks.start(ending.heed_signals)
        os.kill(os.getpid(), number)
        with anyio.fail_after(5):
            await engine.told.wait()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert (engine.heard, engine.error, ending.interrupted) == (["drain", "stop"], None, code)
    assert (clock.slept, beside, len(listener.notes)) == ([25.0], ["ended"], 2)


@pytest.mark.parametrize("seconds", [0, 1, 60.5])
async def test_the_time_given_drains_as_an_interrupt_does(seconds):
    """Exit 130, then the grace."""
    engine, clock = Engine(), JumpingClock()
    ending, listener, _ = ending_of(engine, clock)
    await ending.end_in_time(seconds)
    assert (engine.heard, ending.interrupted) == (["drain", "stop"], 130)
    assert clock.slept == [seconds, 25.0]
    assert "--max-duration" in listener.notes[0]
