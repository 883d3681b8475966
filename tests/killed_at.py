"""The real command, which kills itself at a named instant of a file upload, or of its end.

`python -P -m tests.killed_at POINT N python -P -m ingest.cli ARGUMENTS...`: a SIGKILL, which nobody
can catch, the Nth time that the program passes POINT. Instants that last microseconds can't be hit
from outside; here each is hit for certain.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from ingest.build.booked_run import Booking
from ingest.journal import JournalLedger
from ingest.pack.spool_file import SpoolFile
from ingest.pack.spool_folder import SpoolFolder
from ingest.targets import aito_file_steps
from ingest.targets.aito_file_steps import Steps

POINTS = (
    "spooling",  # a spool is half written
    "sealed",  # it is on the disk, nobody knows it
    "intended",  # it stands in the books
    "noted initialised",
    "putting",  # bytes of it are on their way
    "put",  # the storage has it
    "noted uploaded",
    "noted triggering",  # and no trigger is out
    "triggered",  # the answer has come, and is not recorded
    "noted triggered",
    "processing",  # a status has come
    "noted finished",
    "settling",  # the verdict is known, and not recorded
    "settled",
    "released",  # its file is gone
)
END_POINTS = (
    "closing",  # all is settled, and the run's end not recorded
    "closed",  # it is
)


class Point:
    """Counts how often a point is passed."""

    def __init__(self, wanted: str, times: int) -> None:
        self.wanted = wanted
        self.left = times

    def passed(self, name: str) -> None:
        """Here."""
        if name == self.wanted:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def behind(call: Callable[..., Awaitable[Any]], told: Callable[[Any], None]) -> Any:
    """`call`, which tells when it has returned."""

    async def wrapped(*args: Any, **rest: Any) -> Any:
        found = await call(*args, **rest)
        told(args)
        return found

    return wrapped


def arm(point: Point) -> None:
    """Put the point into the program."""
    write, seal = SpoolFile._write_oldest, SpoolFolder.seal
    settle, finish = JournalLedger.settle, Booking.finish
    put_file: Callable[..., Awaitable[Any]] = vars(aito_file_steps)["put_file"]

    def writing(self: SpoolFile) -> None:
        write(self)
        point.passed("spooling")

    def sealing(self: SpoolFolder, file: SpoolFile) -> Any:
        spool = seal(self, file)
        point.passed("sealed")
        return spool

    async def settling(self: JournalLedger, receipt: Any, /) -> None:
        point.passed("settling")
        await settle(self, receipt)
        point.passed("settled")

    async def putting(*args: Any) -> Any:
        *others, told = args

        def tell(done: int) -> None:
            point.passed("putting")
            told(done)

        result = await put_file(*others, tell)
        point.passed("put")
        return result

    def closing(self: Booking, *args: Any) -> None:
        point.passed("closing")
        finish(self, *args)
        point.passed("closed")

    patches: list[tuple[Any, str, Any]] = [
        (SpoolFile, "_write_oldest", writing),
        (SpoolFolder, "seal", sealing),
        (SpoolFolder, "release", behind(SpoolFolder.release, lambda _: point.passed("released"))),
        (JournalLedger, "settle", settling),
        (JournalLedger, "intend", behind(JournalLedger.intend, lambda _: point.passed("intended"))),
        (JournalLedger, "note_state", behind(JournalLedger.note_state, noted(point))),
        (Steps, "trigger", behind(Steps.trigger, lambda _: point.passed("triggered"))),
        (Steps, "look", behind(Steps.look, lambda _: point.passed("processing"))),
        (aito_file_steps, "put_file", putting),
        (Booking, "finish", closing),
    ]
    for owner, name, patch in patches:
        setattr(owner, name, patch)


def noted(point: Point) -> Callable[[Any], None]:
    """By the state that was recorded."""

    def told(args: Any) -> None:
        text = args[2]
        for state in ("initialised", "uploaded", "triggering", "triggered", "finished"):
            if f'"state":"{state}"' in text:
                point.passed(f"noted {state}")

    return told


if __name__ == "__main__":
    arm(Point(sys.argv[1], int(sys.argv[2])))
    sys.argv = sys.argv[6:]  # from `ingest.cli` on
    from ingest.cli import main

    main()
