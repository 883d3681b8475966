"""The governor: when the next request may start, and what follows a failed one. Pure arithmetic.

It never awaits, reads no clock and draws no chance that was not handed in; times are seconds of one
monotonic clock. One governor serves all writers of a run, on one thread:

    while (wait_s := governor.admit(now())) > 0:
        await sleep(wait_s)            # or, if it is infinite, until an attempt of anyone ends
    governor.started(now())            # no await between the last admit and this
    ... one attempt ...
    governor.succeeded(now(), latency_s)
    # or: decision = governor.troubled(now(), trouble, attempts, latency_s)
    # or: governor.abandoned()

Laws. *Pace* (`pace`): starts are spaced by the rate given, or by the lower one that was learned
from the service's refusals (`rate`), and never saved up. *Pause*: what one writer is told by a 429
or 503 holds for all; pauses don't add up, are capped at `PAUSE_CAP_S`, and end with jitter, so that
the writers don't come back as one. *Patience* (`patience`): a batch is tried again until
`retry_budget_s` have passed since its first failure. *Concurrency* (`concurrency`): never more at
once than `in_flight`, and fewer where fewer do as well.

A run begins at full speed with `in_flight` writers, because most services take it and a ramp would
cost every short run; a few refusals are the price of the others. Rate and concurrency are both
needed: by its concurrency and pauses alone a client reached 15 to 90 % of a limit per second with
up to half of its answers refused (simulated, tests/governor), and by its rate alone it never learns
that it only waits in a queue.

Refusals that come by chance, whatever the pace, lower neither for long: whether they do is tried
(`proof`), and then only more than the known share counts (`chance`). Such a refusal makes its own
batch wait, and pauses the others only if the service asks for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from ingest.errors import Retryable, Trouble
from ingest.governor.concurrency import LearnedLimit
from ingest.governor.pace import TICK_S, Pace
from ingest.governor.patience import Attempts, Decision, decide
from ingest.governor.rate import LearnedRate

__all__ = ["TICK_S", "Attempts", "Decision", "Findings", "Governor"]

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 30.0
PAUSE_CAP_S = 300.0
RELEASE_S = 1.0
PAUSING_STATUSES = frozenset({429, 503})
PRESSED_STATUSES = frozenset({408, 409, 429, 503})  # a retryable 409 is contention
LATE_SHARE = 0.25


class Findings(Struct, frozen=True):
    """What a run found out about its service, for the report.

    `limit`: attempts at once that were enough. `rate_per_s`: requests a second that the service
    takes, None if no limit was met. `refusals` for the pace; `pauses` of all writers, `paused_s`
    together.
    """

    limit: int
    rate_per_s: float | None
    refusals: int
    pauses: int
    paused_s: float


class Governor:
    """Pace, pause, patience and concurrency for the writers of one run."""

    def __init__(
        self,
        in_flight: int,
        requests_per_s: float | None,
        retry_budget_s: float,
        random: Callable[[], float],
        *,
        wakes: bool = False,
        learns: bool = True,
    ) -> None:
        """`random` draws from 0 to below 1. `wakes`: whoever is told to wait for infinity is woken
        when an attempt ends; without it the concurrency is not lowered, and no wait is infinite.
        Unless it `learns`, pace and concurrency stay as they are given.

        Raises ValueError for limits that allow nothing.
        """
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, not {in_flight}")
        if requests_per_s is not None and not requests_per_s > 0:
            raise ValueError(f"requests_per_s must be more than 0, not {requests_per_s}")
        if not retry_budget_s >= 0:
            raise ValueError(f"retry_budget_s must be 0 or more, not {retry_budget_s}")
        self._most = in_flight
        self._most_per_s = requests_per_s or math.inf
        self._retry_budget_s = retry_budget_s
        self._random = random
        self._in_flight = 0
        self._pace = Pace()
        self._rate = LearnedRate()
        self._learns = learns
        self._learned = LearnedLimit(in_flight) if wakes and learns else None
        self._paused_until = -math.inf
        self._refusals = 0
        self._pauses = 0
        self._paused_s = 0.0

    @property
    def limit(self) -> int:
        """How many attempts may be under way at once."""
        return self._learned.limit if self._learned else self._most

    @property
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return self._in_flight

    @property
    def rate_per_s(self) -> float | None:
        """The learned rate; None while the service has shown no limit below the one given."""
        return self._rate.per_s if self._rate.per_s < self._most_per_s else None

    @property
    def paused_until(self) -> float:
        """The end of the shared pause; in the past, or minus infinity, if there is none."""
        return self._paused_until

    @property
    def findings(self) -> Findings:
        """What is known so far."""
        return Findings(self.limit, self.rate_per_s, self._refusals, self._pauses, self._paused_s)

    def admit(self, now: float) -> float:
        """Seconds until the next attempt may start; 0: now. Ask again after waiting.

        Infinity (only with `wakes`): not before an attempt that is under way has ended.
        """
        if self._paused_until - now > TICK_S:
            return self._paused_until - now + self._random() * self._release_s()
        if self._in_flight >= self.limit and self._learned:
            return math.inf
        wait_s = self._pace.wait_s(now, self._interval_s())
        if wait_s and self.rate_per_s is not None:
            self._rate.held_back(now + wait_s)
        return wait_s

    def started(self, now: float) -> None:
        """An attempt starts."""
        self._in_flight += 1
        self._rate.started(now)
        interval_s = self._interval_s()
        # What was given is a promise; what was learned is an estimate, and timers are late.
        late_s = 0.0 if self.rate_per_s is None else LATE_SHARE * interval_s
        self._pace.started(now, interval_s, late_s)

    def succeeded(self, now: float, latency_s: float) -> None:
        """An attempt ended in acceptance."""
        self._in_flight -= 1
        self._rate.accepted(now, latency_s)
        if self._learned:
            self._learned.accepted(now, latency_s)

    def abandoned(self) -> None:
        """An attempt ended by our own will: the run was cancelled, or the program failed."""
        self._in_flight -= 1

    def troubled(
        self, now: float, trouble: Trouble, attempts: Attempts, latency_s: float | None = None
    ) -> Decision:
        """An attempt failed, `latency_s` after its start. `attempts` is the batch's state before;
        the decision holds the new."""
        self._in_flight -= 1
        backoff_s = self._backoff_s(attempts.failed)
        if isinstance(trouble, Retryable):
            fresh = True
            if trouble.status in PRESSED_STATUSES:
                self._refusals += 1
                fresh = self._rate.refused(now, latency_s) if self._learns else True
            self._pause(now, trouble, backoff_s if fresh else None)
        return decide(now, trouble, attempts, backoff_s, self._retry_budget_s)

    def _interval_s(self) -> float:
        return 1 / min(self._most_per_s, self._rate.per_s)

    def _release_s(self) -> float:
        """No longer than the pace needs to let all writers go: that spreads them as well."""
        interval_s = self._interval_s()
        return min(RELEASE_S, self._most * interval_s) if interval_s else RELEASE_S

    def _backoff_s(self, failed: int) -> float:
        ceiling_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(failed, 16))
        return self._random() * ceiling_s

    def _pause(self, now: float, trouble: Trouble, backoff_s: float | None) -> None:
        """Make or lengthen the one pause, if the service asked for it or is pressed. An echo
        (no backoff) lengthens it only if it asks for that itself."""
        pause_s = trouble.retry_after_s
        if pause_s is None and trouble.status in PAUSING_STATUSES:
            pause_s = backoff_s
        if pause_s is None:
            return
        until = max(self._paused_until, now + min(pause_s, PAUSE_CAP_S))
        self._pauses += now > self._paused_until
        self._paused_s += until - max(now, self._paused_until)
        self._paused_until = until
        self._rate.paused()
        if self._learned:
            self._learned.disturbed()
