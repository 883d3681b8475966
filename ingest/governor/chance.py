"""Chance: the share of refusals that comes whatever the pace, and what is more than that.

One flaky node behind a balancer refuses a share of everything, however slowly it comes. Where that
share is known (`proof` finds it out), such a refusal is no news: it lowers no rate and pauses
nobody but its own batch, unless the service asks for a pause. What is news is a share that has
grown to `MORE` times as much. That is told by a CUSUM of log likelihood ratios (Page 1954): six
refusals in a row are enough, or some hundred attempts of a share that is a little more.

If `GONE` times as many attempts as one refusal usually takes pass without any, the share was
guessed too high: it is halved, and forgotten once it is small.
"""

from __future__ import annotations

import math

MORE = 4.0
SURELY = 0.95
ALARM = math.log(1_000)
GONE = 6.0
GONE_S = 2.0
LEAST_SHARE = 0.01
MOST_SHARE = 0.8


class Chance:
    """Told of each answer; says which refusals are to be heeded. The share is 0 until learned."""

    def __init__(self) -> None:
        self._share = 0.0
        self._excess = 0.0
        self._accepted = 0
        self._last_refused = -math.inf

    @property
    def share(self) -> float:
        """Refused of all, whatever the pace."""
        return self._share

    def learned(self, share: float) -> None:
        """This share is refused whatever the pace."""
        self._share = min(MOST_SHARE, max(LEAST_SHARE, share))
        self._excess = 0.0
        self._accepted = 0

    def forget_excess(self) -> None:
        """What was refused so far says nothing about what comes: the pace is another."""
        self._excess = 0.0

    def accepted(self, now: float) -> None:
        """An attempt was accepted."""
        if not self._share:
            return
        self._accepted += 1
        self._excess = max(0.0, self._excess + math.log((1 - self._more) / (1 - self._share)))
        if self._accepted * self._share > GONE and now > self._last_refused + GONE_S:
            half = self._share / 2
            self._share = half if half >= LEAST_SHARE else 0.0
            self._accepted = 0

    def refused(self, now: float) -> bool:
        """An attempt was refused. True if that is more than chance."""
        self._accepted = 0
        self._last_refused = now
        if not self._share:
            return True
        self._excess = min(ALARM, self._excess + math.log(self._more / self._share))
        return self._excess >= ALARM

    @property
    def _more(self) -> float:
        return min(SURELY, MORE * self._share)
