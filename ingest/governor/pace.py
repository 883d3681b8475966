"""Pace: starts are spaced evenly, and those who wait are not all woken at once.

In any window of t seconds at most rate x t + 1 attempts start; time unused is not saved up, because
a service that counts per second would answer the burst with 429.

Were all who wait told the moment of the next start, each start would wake all of them for one to
go. So they are told turns, two to each interval, and whoever comes too early waits again. A turn is
no reservation: who is there when a start is due may go, so a waiter that never comes back holds up
nobody. Since timers are late and push the starts behind the turns, a single turn to each interval
would leave starts that nobody is there for; of two, one always comes in the half interval before a
start, and is told that very moment. No turn is more than `LINE_S` ahead, so that a line formed at a
slow pace does not sleep through a quicker one.
"""

from __future__ import annotations

import math

# Sums of floats miss a moment by less than this; without it a sleeper could be sent to sleep for
# a time too short to move its clock.
TICK_S = 1e-6
LINE_S = 1.0


class Pace:
    """When the next attempt may start, if starts are so many seconds apart."""

    def __init__(self) -> None:
        self._next_start = -math.inf
        self._last_turn = -math.inf

    def wait_s(self, now: float, interval_s: float) -> float:
        """Seconds until this writer's turn; 0: it may start now."""
        due_s = self._next_start - now
        if due_s <= TICK_S:
            return 0.0
        if due_s <= interval_s / 2:
            return due_s
        turn = max(self._next_start, self._last_turn + interval_s / 2)
        if turn > now + LINE_S:
            return max(due_s, LINE_S)
        self._last_turn = turn
        return turn - now

    def started(self, now: float, interval_s: float, late_s: float = 0.0) -> None:
        """An attempt starts. If it is late, the next makes good up to `late_s` of that."""
        idle = now - self._next_start > interval_s
        self._next_start = (now if idle else max(now - late_s, self._next_start)) + interval_s
