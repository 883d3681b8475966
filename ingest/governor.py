"""The governor: when the next request may start, and what follows a failed one. Pure arithmetic.

It never awaits, reads no clock and draws no chance that was not handed in; times are seconds of one
monotonic clock. One governor serves all writers of a run, on one thread:

    while (wait_s := governor.admit(now())) > 0:
        await sleep(wait_s)
    governor.started(now())            # no await between the last admit and this
    ... one attempt ...
    governor.succeeded(now(), latency_s)
    # or: decision = governor.troubled(now(), trouble, attempts)
    # or: governor.abandoned()

Laws. *Pace*: in any window of t seconds at most rate x t + 1 attempts start; time unused is not
saved up, because a service that counts per second would answer the burst with 429. *Pause*: what
one writer is told by a 429 or 503 holds for all; pauses don't add up, are capped at `PAUSE_CAP_S`,
and end with jitter, so that the writers don't come back as one. *Patience*: a batch is tried again
until `retry_budget_s` have passed since its first failure, with exponential backoff and full jitter
(every wait is a draw between 0 and the ceiling), which spreads retries best.

Here the limit of concurrency is the one given. A learning governor would lower and raise `limit` in
`succeeded` and `troubled`; nothing else would change for its users.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ingest.errors import Retryable, Trouble

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 30.0
PAUSE_CAP_S = 300.0
RELEASE_S = 1.0
PAUSING_STATUSES = frozenset({429, 503})
# Sums of floats miss a moment by less than this; without it a sleeper could be sent to sleep for
# a time too short to move its clock.
TICK_S = 1e-6


@dataclass(frozen=True, slots=True)
class Attempts:
    """What one batch has behind it: how many attempts failed, and when the first one did."""

    failed: int = 0
    first_failure: float | None = None

    def failed_again(self, now: float) -> Attempts:
        """The state after one more failure at `now`."""
        first = now if self.first_failure is None else self.first_failure
        return Attempts(self.failed + 1, first)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a batch after a failed attempt.

    `retry`: wait `wait_s`, then ask `admit` again. Otherwise the batch is not to be sent again by
    itself; where its trouble is settled and it is sent all the same, `wait_s` still is the wait.
    `exhausted`: it would have been tried again, but the time budget is used up.
    """

    retry: bool
    wait_s: float
    attempts: Attempts
    exhausted: bool = False


class Governor:
    """Pace, pause and patience for the writers of one run."""

    def __init__(
        self,
        in_flight: int,
        requests_per_s: float | None,
        retry_budget_s: float,
        random: Callable[[], float],
    ) -> None:
        """`random` draws from 0 to below 1. Raises ValueError for limits that allow nothing."""
        if in_flight < 1:
            raise ValueError(f"in_flight must be at least 1, not {in_flight}")
        if requests_per_s is not None and not requests_per_s > 0:
            raise ValueError(f"requests_per_s must be more than 0, not {requests_per_s}")
        if not retry_budget_s >= 0:
            raise ValueError(f"retry_budget_s must be 0 or more, not {retry_budget_s}")
        self._limit = in_flight
        self._interval_s = 1 / requests_per_s if requests_per_s else 0.0
        self._retry_budget_s = retry_budget_s
        self._random = random
        self._in_flight = 0
        self._next_start = -math.inf
        self._paused_until = -math.inf

    @property
    def limit(self) -> int:
        """How many attempts may be under way at once."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return self._in_flight

    @property
    def paused_until(self) -> float:
        """The end of the shared pause; in the past, or minus infinity, if there is none."""
        return self._paused_until

    def admit(self, now: float) -> float:
        """Seconds until the next attempt may start; 0: now. Ask again after waiting."""
        if self._paused_until - now > TICK_S:
            return self._paused_until - now + self._random() * RELEASE_S
        wait_s = self._next_start - now
        return wait_s if wait_s > TICK_S else 0.0

    def started(self, now: float) -> None:
        """An attempt starts."""
        self._in_flight += 1
        self._next_start = max(now, self._next_start) + self._interval_s

    def succeeded(self, now: float, latency_s: float) -> None:  # noqa: ARG002 - what a learner needs
        """An attempt ended in acceptance."""
        self._in_flight -= 1

    def abandoned(self) -> None:
        """An attempt ended by our own will: the run was cancelled, or the program failed."""
        self._in_flight -= 1

    def troubled(self, now: float, trouble: Trouble, attempts: Attempts) -> Decision:
        """An attempt failed. `attempts` is the batch's state before; the decision holds the new."""
        self._in_flight -= 1
        backoff_s = self._backoff_s(attempts.failed)
        if isinstance(trouble, Retryable):
            self._pause(now, trouble, backoff_s)
        attempts = attempts.failed_again(now)
        assert attempts.first_failure is not None
        left_s = self._retry_budget_s - (now - attempts.first_failure)
        if not isinstance(trouble, Retryable):
            return Decision(retry=False, wait_s=backoff_s, attempts=attempts)
        if left_s <= 0:
            return Decision(retry=False, wait_s=backoff_s, attempts=attempts, exhausted=True)
        return Decision(retry=True, wait_s=min(backoff_s, left_s), attempts=attempts)

    def _backoff_s(self, failed: int) -> float:
        ceiling_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(failed, 16))
        return self._random() * ceiling_s

    def _pause(self, now: float, trouble: Trouble, backoff_s: float) -> None:
        """Make or lengthen the one pause, if the service asked for it or is pressed."""
        pause_s = trouble.retry_after_s
        if pause_s is None and trouble.status in PAUSING_STATUSES:
            pause_s = backoff_s
        if pause_s is not None:
            self._paused_until = max(self._paused_until, now + min(pause_s, PAUSE_CAP_S))
