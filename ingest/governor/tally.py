"""Tally: what became of the attempts of the last seconds, booked by the moment they *started*.

That moment is nearest to what the service counts, and an answer that is held back for two seconds
is still booked where it belongs. Kept in slots of `SLOT_S` for `KEPT_S`, so that the memory is the
same at any rate.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

SLOT_S = 0.02
KEPT_S = 12.0


class Started(Struct):
    """Attempts of one stretch of time: all, those known to be accepted, those known as refused."""

    all: int = 0
    accepted: int = 0
    refused: int = 0

    @property
    def taken(self) -> int:
        """Not refused so far: what is still unanswered counts as taken."""
        return self.all - self.refused


class Tally:
    """The attempts that started within the last `KEPT_S` seconds."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, Started]] = deque(maxlen=int(KEPT_S / SLOT_S))

    def started(self, now: float) -> None:
        """An attempt starts."""
        number = int(now // SLOT_S)
        if not self._slots or self._slots[-1][0] < number:
            self._slots.append((number, Started()))
        self._slots[-1][1].all += 1

    def accepted(self, start: float) -> None:
        """An attempt that started then was accepted."""
        self._slot(start).accepted += 1

    def refused(self, start: float) -> None:
        """An attempt that started then was refused."""
        self._slot(start).refused += 1

    def between(self, since: float, until: float) -> Started:
        """Those that started after the slot of `since`, up to and with the slot of `until`."""
        first, last = int(since // SLOT_S), int(until // SLOT_S)
        inside = [slot for number, slot in self._slots if first < number <= last]
        return Started(
            sum(slot.all for slot in inside),
            sum(slot.accepted for slot in inside),
            sum(slot.refused for slot in inside),
        )

    def _slot(self, start: float) -> Started:
        """The slot of that moment; of one that is no longer kept, a slot that nobody reads."""
        number = int(start // SLOT_S)
        # The start is reckoned from a latency and may miss its slot by one.
        return next((s for n, s in reversed(self._slots) if n <= number), Started())
