"""Servers that exist only as arithmetic: limits, queues, and refusals by chance.

A server is asked in the order in which requests arrive, and says of each how long it takes and
whether it is refused.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from ingest.errors import Retryable, Trouble


class Server(Protocol):
    """Says, for a request that arrives at `now`, after how many seconds it answers, and what."""

    def answer(self, now: float) -> tuple[float, Trouble | None]:
        """Seconds of its own, and the trouble if it refuses."""
        ...


@dataclass(frozen=True, slots=True)
class Phases:
    """A limit that changes: `per_s[n]` requests a second hold for the n-th `each_s` seconds."""

    per_s: Sequence[float]
    each_s: float = 90.0

    def at(self, now: float) -> float:
        """The limit that holds now."""
        return self.per_s[min(int(now / self.each_s), len(self.per_s) - 1)]


@dataclass(slots=True)
class Refusing:
    """How a server refuses: with which status, after how long, and asking for which pause."""

    status: int = 429
    after_s: float = 0.0
    retry_after_s: float | None = 1.0

    def answer(self) -> tuple[float, Trouble]:
        """A refusal."""
        trouble = Retryable("slow down", status=self.status, retry_after_s=self.retry_after_s)
        return self.after_s, trouble


@dataclass(slots=True)
class Window:
    """Counts per fixed window; its windows begin `offset_s` after the run's start."""

    limit: Phases
    refusing: Refusing
    work_s: float = 0.03
    offset_s: float = 0.0
    length_s: float = 1.0
    _number: int = -1
    _count: int = 0

    def answer(self, now: float) -> tuple[float, Trouble | None]:
        """Taken while the window has room."""
        number = math.floor((now - self.offset_s) / self.length_s)
        if number != self._number:
            self._number, self._count = number, 0
        if self._count >= self.limit.at(now) * self.length_s:
            return self.refusing.answer()
        self._count += 1
        return self.work_s, None


@dataclass(slots=True)
class Bucket:
    """A token bucket that holds `burst_s` seconds of its rate, but at least one token."""

    limit: Phases
    refusing: Refusing
    burst_s: float = 1.0
    work_s: float = 0.03
    _tokens: float = math.inf
    _seen: float = 0.0

    def answer(self, now: float) -> tuple[float, Trouble | None]:
        """Taken while there is a token."""
        rate = self.limit.at(now)
        filled = self._tokens + (now - self._seen) * rate
        self._tokens, self._seen = min(filled, max(1.0, rate * self.burst_s)), now
        if self._tokens < 1:
            return self.refusing.answer()
        self._tokens -= 1
        return self.work_s, None


@dataclass(slots=True)
class Workers:
    """So many workers, one queue, no refusals: beyond `workers` in flight only the wait grows.

    `thrash` is by how much each request that waits makes the work of the others longer.
    """

    random: Random
    workers: int
    work_s: float = 0.1
    spread: float = 0.2
    thrash: float = 0.0
    _free: list[float] = field(default_factory=list)
    _ends: list[float] = field(default_factory=list)

    def answer(self, now: float) -> tuple[float, Trouble | None]:
        """Its place in the queue decides."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        waiting = max(0, len(self._ends) - self.workers)
        work_s = self.work_s * self.random.uniform(1 - self.spread, 1 + self.spread)
        work_s *= 1 + self.thrash * waiting
        free = heapq.heappop(self._free) if len(self._free) >= self.workers else now
        end = max(now, free) + work_s
        heapq.heappush(self._free, end)
        heapq.heappush(self._ends, end)
        return end - now, None


@dataclass(slots=True)
class Boundless:
    """Takes everything in the same time; refuses a share of it by chance, whatever the rate."""

    random: Random
    work_s: float = 0.001
    share: float = 0.0
    refusing: Refusing = field(default_factory=Refusing)

    def answer(self, now: float) -> tuple[float, Trouble | None]:
        """Taken, or by chance not."""
        if self.random.random() < self.share:
            return self.refusing.answer()
        return self.work_s * self.random.uniform(0.9, 1.1), None


@dataclass(slots=True)
class Flaky:
    """Refuses a share by chance, and passes the rest on to a server behind it."""

    random: Random
    share: float
    refusing: Refusing
    behind: Server

    def answer(self, now: float) -> tuple[float, Trouble | None]:
        """By chance not taken, or as the server behind says."""
        if self.random.random() < self.share:
            return self.refusing.answer()
        return self.behind.answer(now)
