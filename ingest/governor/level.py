"""Level: what was learned of a service's rate, and the course that the rate takes from there.

After a refusal the rate starts a little below what the service seemed to take (`base`), creeps up
by `CREEP` while it is held, and then grows: first gently, since most often the limit is where it
was and each overshoot may cost a pause of all writers; then by `GROWTH_PER_S` (`SEARCH_PER_S` while
little is known), since a limit that has moved away should be found within seconds. The shape is
that of CUBIC (RFC 9438: a plateau at the last known limit, then ever faster), relative to the rate,
so that it is the same at 2 and at 2,000 requests a second.

How long a level is held is a matter of how well it is known: `SHORT_HOLD_S` at first, `MORE` times
that whenever a refusal comes about where the last one came, `LONG_HOLD_S` at most: that is the
price of a doubled limit that goes unnoticed, against the price of a refusal for nothing.

A level that was lowered for nothing, because refusals come by chance, is `freed`: from there the
rate doubles each second.
"""

from __future__ import annotations

import math

from msgspec import Struct

CUT = 0.04
CREEP = 0.04
GROWTH_PER_S = 0.1
SEARCH_PER_S = 0.2
GENTLE_S = 8.0
SHORT_HOLD_S = 2.0
NEW_HOLD_S = 16.0
LONG_HOLD_S = 24.0
MORE = 3.0
ABOUT = 1.1
SLOWEST_PER_S = 0.1
FREE_PER_S = math.log(2)


class Level(Struct, frozen=True):
    """A place on the rate's course. Rates are requests a second.

    `ceiling` is where the service refused, `base` where the rate went on after that; both are
    infinite while nothing is known. `strikes` counts refusals that came in spite of the cut before.
    """

    ceiling: float = math.inf
    base: float = math.inf
    hold_s: float = SHORT_HOLD_S
    strikes: int = 0
    free: bool = False

    @property
    def known(self) -> bool:
        """A limit of the service was met."""
        return self.base < math.inf

    @property
    def sure(self) -> bool:
        """It was met where it was expected, or by slow growth from below."""
        return self.hold_s >= NEW_HOLD_S

    def after(self, seconds: float) -> float:
        """The rate, so many seconds of use after the cut."""
        if not self.known:
            return math.inf
        if self.free:
            return self.base * math.exp(min(50.0, FREE_PER_S * max(0.0, seconds)))
        held = self.base * (1 + CREEP * min(1.0, max(0.0, seconds) / self.hold_s))
        beyond_s = seconds - self.hold_s
        if beyond_s <= 0:
            return held
        speed = GROWTH_PER_S if self.sure else SEARCH_PER_S
        grown = speed * beyond_s**3 / (beyond_s**2 + GENTLE_S**2)
        return held * math.exp(min(50.0, grown))

    def lowered(self, ceiling: float, hold_s: float, strikes: int) -> Level:
        """The level after a refusal at `ceiling`, to be held so long."""
        base = max(SLOWEST_PER_S, ceiling * (1 - CUT))
        return Level(ceiling, base, min(LONG_HOLD_S, max(SHORT_HOLD_S, hold_s)), strikes)

    def freed(self, per_s: float) -> Level:
        """The level from which the rate goes up at once. The next refusal finds it outgrown."""
        return Level(math.inf, max(SLOWEST_PER_S, per_s), 0.0, 0, free=True)

    def outgrown(self, ceiling: float) -> Level:
        """The level after a refusal that came when the rate had been held and was growing."""
        expected = ceiling < ABOUT * self.ceiling
        return self.lowered(ceiling, MORE * self.hold_s if expected else NEW_HOLD_S, 0)
