"""Patience: whether a batch is tried again after a failure, and how long it waits first.

A batch is tried again until the retry budget has passed since its *first* failure, with exponential
backoff and full jitter (every wait is a draw between 0 and the ceiling), which spreads retries
best.
"""

from __future__ import annotations

from msgspec import Struct

from ingest.errors import Retryable, Trouble


class Attempts(Struct, frozen=True):
    """What one batch has behind it: how many attempts failed, and when the first one did."""

    failed: int = 0
    first_failure: float | None = None

    def failed_again(self, now: float) -> Attempts:
        """The state after one more failure at `now`."""
        first = now if self.first_failure is None else self.first_failure
        return Attempts(self.failed + 1, first)


class Decision(Struct, frozen=True):
    """What to do with a batch after a failed attempt.

    `retry`: wait `wait_s`, then ask `admit` again. Otherwise the batch is not to be sent again by
    itself; where its trouble is settled and it is sent all the same, `wait_s` still is the wait.
    `exhausted`: it would have been tried again, but the time budget is used up.
    """

    retry: bool
    wait_s: float
    attempts: Attempts
    exhausted: bool = False


def decide(
    now: float, trouble: Trouble, before: Attempts, backoff_s: float, budget_s: float
) -> Decision:
    """What follows a failure at `now` of a batch in the state `before`."""
    attempts = before.failed_again(now)
    first = now if before.first_failure is None else before.first_failure
    left_s = budget_s - (now - first)
    if not isinstance(trouble, Retryable):
        return Decision(retry=False, wait_s=backoff_s, attempts=attempts)
    if left_s <= 0:
        return Decision(retry=False, wait_s=backoff_s, attempts=attempts, exhausted=True)
    return Decision(retry=True, wait_s=min(backoff_s, left_s), attempts=attempts)
