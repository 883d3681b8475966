"""Time on the wire: the limits of one request, the senses handed in, Retry-After, moments shown.

Retry-After (RFC 9110, 10.2.3) is a number of seconds or an HTTP date. A date needs the wall clock,
which is handed in; a date in the past means "now". What can't be read is as if it were not there.
No cap is applied here: how long a run bears to wait is the governor's decision.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anyio
from msgspec import Struct, field

from ingest.protocols import Clock

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


class Timeouts(Struct, frozen=True):
    """Limits in seconds. `connect_s`, `write_s` and `read_s` bound one step (opening, one piece,
    the wait for the next bytes), `total_s` a whole request, `calls_s` a small call with all its
    retries."""

    connect_s: float = 10.0
    read_s: float = 120.0
    write_s: float = 60.0
    pool_s: float = 30.0
    total_s: float = 300.0
    calls_s: float = 60.0


class SystemClock:
    """The machine's clock, on asyncio and on trio."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less still yields to other tasks."""
        await anyio.sleep(max(seconds, 0.0))


class Senses(Struct, frozen=True):
    """What is not pure, handed in: the clock for waits, the wall clock (Unix seconds), chance."""

    clock: Clock = field(default_factory=SystemClock)
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random


def parse_retry_after(value: str | None, wall_s: float) -> float | None:
    """Seconds from `wall_s` on, at least 0; None where the header is missing or unreadable."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # asctime dates bear no zone; HTTP dates are always UTC
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - wall_s)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def shown_moment(moment_s: float) -> str:
    """A moment (Unix seconds) for people, in UTC."""
    try:
        return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "no time at all"
