"""A run without a network: virtual writers under a governor against a server that is arithmetic.

Time is a heap of events; nothing sleeps, and a seed decides everything. A writer does what a
delivery does: ask `admit`, wait as told (a little too long, as real timers are), start, and tell
how the attempt ended; after a failure it waits what the decision says. It never runs out of
batches unless `batches` says so.

Requests reach the server (`servers`) not quite in the order in which they started, because
`Wire.up_s` has jitter. `Counts` holds what came back, by the second, so that a test can look at any
stretch of the run.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from ingest.errors import Trouble
from ingest.governor import Attempts, Governor
from tests.governor.servers import Server

LATENESS_S = 0.001


@dataclass(frozen=True, slots=True)
class Wire:
    """Seconds on the way there and back, each a draw from a range."""

    up_s: tuple[float, float] = (0.01, 0.03)
    down_s: tuple[float, float] = (0.005, 0.015)


@dataclass(slots=True)
class Counts:
    """Answers by the second of their arrival, and the latencies of those accepted."""

    accepted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    ended: float = 0.0

    def add(self, now: float, latency_s: float, *, accepted: bool) -> None:
        """One answer."""
        while len(self.accepted) <= now:
            self.accepted.append(0)
            self.refused.append(0)
        (self.accepted if accepted else self.refused)[int(now)] += 1
        self.ended = now
        if accepted:
            self.latencies.append((now, latency_s))

    def per_s(self, start: int, end: int) -> float:
        """Accepted a second, from second `start` to `end`."""
        return sum(self.accepted[start:end]) / (end - start)

    def refused_share(self, start: int, end: int) -> float:
        """Refused of all answers."""
        refused = sum(self.refused[start:end])
        return refused / max(1, refused + sum(self.accepted[start:end]))

    def latency_s(self, start: float, end: float) -> float:
        """The mean latency of what was accepted in that time."""
        found = [latency for now, latency in self.latencies if start <= now < end]
        return sum(found) / len(found)


class Run:
    """Virtual writers, one governor, one server."""

    def __init__(
        self, governor: Governor, server: Server, *, writers: int, seed: int, wire: Wire = Wire()
    ) -> None:
        self.governor = governor
        self.counts = Counts()
        self._server = server
        self._random = Random(seed)
        self._wire = wire
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = iter(range(10**12))
        self._slotless: deque[Callable[[float], None]] = deque()
        self._left: Iterator[int] = iter(())
        for _ in range(writers):
            self._at(0.0, self._begin)

    def until(self, seconds: float = math.inf, batches: int = 10**12) -> Counts:
        """Run for so long, or until so many batches are accepted."""
        self._left = iter(range(batches))
        while self._events and self._events[0][0] <= seconds:
            now, _, act = heapq.heappop(self._events)
            act(now)
        return self.counts

    def _at(self, when: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), act))

    def _later(self, now: float, wait_s: float, act: Callable[[float], None]) -> None:
        self._at(now + wait_s + self._random.random() * LATENESS_S, act)

    def _begin(self, now: float) -> None:
        """A writer takes its next batch, if there is one."""
        if next(self._left, None) is not None:
            self._ask(now, Attempts())

    def _ask(self, now: float, attempts: Attempts) -> None:
        wait_s = self.governor.admit(now)
        if wait_s == math.inf:
            self._slotless.append(lambda then: self._ask(then, attempts))
        elif wait_s > 0:
            self._later(now, wait_s, lambda then: self._ask(then, attempts))
        else:
            self.governor.started(now)
            up_s = self._random.uniform(*self._wire.up_s)
            self._at(now + up_s, lambda then: self._arrive(then, now, attempts))

    def _arrive(self, now: float, started: float, attempts: Attempts) -> None:
        after_s, trouble = self._server.answer(now)
        after_s += self._random.uniform(*self._wire.down_s)
        self._at(now + after_s, lambda then: self._end(then, started, attempts, trouble))

    def _end(self, now: float, started: float, attempts: Attempts, trouble: Trouble | None) -> None:
        self.counts.add(now, now - started, accepted=trouble is None)
        if trouble is None:
            self.governor.succeeded(now, now - started)
            self._at(now, self._begin)
        else:
            decision = self.governor.troubled(now, trouble, attempts, now - started)
            self._later(now, decision.wait_s, lambda then: self._ask(then, decision.attempts))
        while self._slotless:
            self._at(now, self._slotless.popleft())
