"""A run's turn: the job's lock, taken at once or when the run that has it has ended.

The waiting is done in the event loop, so an interrupt ends it like anything else. It is part of the
time that `--max-duration` gives: a schedule's slot begins with the command, whatever came first.
Several who wait get their turns in no order.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from msgspec.structs import replace

from ingest.build.booking import locked
from ingest.build.options import RunOptions
from ingest.errors import JobHeld
from ingest.events import Watcher
from ingest.job import Job
from ingest.protocols import Clock
from ingest.state import StateDir

POLL_S = 0.2


async def in_turn(
    stack: AsyncExitStack,
    job: Job,
    state: StateDir,
    options: RunOptions,
    about: tuple[Watcher, Clock],
) -> RunOptions:
    """Hold the job's lock until `stack` is left; the options, with the time that is left.

    Raises JobHeld where another run has it: at once, or when the time for waiting is over.
    """
    watcher, clock = about
    began_s, waited = clock.monotonic(), False
    while True:
        try:
            stack.enter_context(locked(job, state, options))
        except JobHeld as held:
            left_s = _left_s(options, clock.monotonic() - began_s)
            if options.if_running != "wait" or (left_s is not None and left_s <= 0):
                raise
            if not waited:
                watcher.note(f"{held.message}: waiting until it has ended")
            waited = True
            await clock.sleep(POLL_S if left_s is None else min(POLL_S, left_s))
        else:
            break
    if not waited:
        return options
    left_s = _left_s(options, clock.monotonic() - began_s)
    return replace(options, max_duration_s=None if left_s is None else max(left_s, 0.0))


def _left_s(options: RunOptions, waited_s: float) -> float | None:
    return None if options.max_duration_s is None else options.max_duration_s - waited_s
