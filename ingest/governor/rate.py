"""The rate that a service takes, learned from its refusals, attempt by attempt.

Nothing is limited until the service refuses (408, 429, 503, 409 for contention). Then the rate goes
just below what the service took, is held, and feels its way up again (`level`).

What did it take? A refusal tells the most by *when the refused attempt started*; answers may come
late. `Pressure` keeps that moment, and the estimate is made anew with each refusal that belongs to
the same pressure, because the first to be answered is only the first of many. Four measures:

- The rate a second before. A service that counts per second refuses at its second's end for what
  came since its beginning.
- What it took in the last second before, whatever the pace was meant to be.
- Where refusals are answered late (a proxy may hold them for seconds): what was accepted meanwhile.
- From the second refusal in a row that came in spite of a cut on, the mean of that and the accepted
  requests over the whole time since the cut. For a service that pauses us the latter is too low,
  for one that lets bursts through it is exact; the mean halves the error each time.

*Not every refusal is a matter of the rate.* Nothing is learned from single refusals: only from
`HEAVY` of one pressure that are `HEAVY_SHARE` of what was sent in it, or from `LIGHT_EVENTS`
pressures in `LIGHT_S`. No cut goes below what was taken over the last pressures, pauses included.
And where cuts do not end the refusals, it is tried whether any rate would (`proof`). If not, the
rate grows again at once, a share of refusals is known to be `chance`, and only more than that is a
pressure: so there may be a limit and a flaky node at the same time.

Growth is measured in seconds of *use*: while other things hold the writers back, nothing is proved
about a higher rate. An outage proves nothing either: if nothing at all was taken, nothing changes.
"""

from __future__ import annotations

import math

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.governor.chance import Chance
from ingest.governor.level import SHORT_HOLD_S, Level
from ingest.governor.proof import Proof
from ingest.governor.tally import SLOT_S, Tally

SECOND_S = 1.0
SPREAD_S = 0.8  # refusals of one second are one pressure, though a short pause lies between
ACTIVE_S = 0.5  # a stretch shorter than this is no measure of a rate
CALM_S = 5.0
USED_S = 0.5
FULL_SHARE = 0.8
UNUSED = 1.5
HEAVY = 8
HEAVY_SHARE = 0.75
LIGHT_EVENTS = 3
LIGHT_S = 10.0


class Pressure(Struct, frozen=True):
    """The service began to refuse: `start` is when the first refused attempt started, `at` when
    that was known. `before` and `used_s` say where the rate was, `goodput` what was accepted a
    second since the pressure before, `active_s` how long (at most a second) it was sent unpaused.
    """

    start: float = -math.inf
    at: float = -math.inf
    before: Level = field(default_factory=Level)
    used_s: float = 0.0
    goodput: float = 0.0
    active_s: float = 0.0

    @property
    def rate(self) -> float:
        """The rate that held a second before."""
        return self.before.after(self.used_s - SECOND_S)

    @property
    def reached(self) -> float:
        """The rate that held at that moment."""
        return self.before.after(self.used_s)

    @property
    def in_spite(self) -> bool:
        """It came while the rate was held, in spite of the cut before."""
        return self.used_s < self.before.hold_s

    @property
    def calm(self) -> bool:
        """It came after a while without any, at a level that was known well."""
        return self.used_s >= CALM_S and (self.before.sure or not self.in_spite)


class LearnedRate:
    """Learns from what it is told; `per_s` is the result. Moments are those of one clock."""

    def __init__(self) -> None:
        self._level = Level()
        self._pressure = Pressure()
        self._tally = Tally()
        self._used_s = 0.0
        self._seen = -math.inf
        self._in_use_until = -math.inf
        self._resumed: float | None = None
        self._accepted = 0
        self._latency_s = 0.0
        self._recent: list[float] = []
        self._proof = Proof()
        self._chance = Chance()

    @property
    def per_s(self) -> float:
        """Requests a second; infinite while no limit is known."""
        return min(self._proof.rate_per_s, self._level.after(self._used_s))

    def held_back(self, until: float) -> None:
        """A writer waits until then because of this rate: it is in use."""
        self._in_use_until = until + USED_S

    def paused(self) -> None:
        """All writers pause."""
        self._resumed = None

    def started(self, now: float) -> None:
        """An attempt starts."""
        if self._resumed is None:
            self._resumed = self._seen = now
        if now <= self._in_use_until and not self._proof.is_trying:
            self._used_s += now - self._seen
        self._seen = now
        self._tally.started(now)

    def accepted(self, now: float, latency_s: float) -> None:
        """An attempt ended in acceptance."""
        self._accepted += 1
        self._latency_s += (latency_s - self._latency_s) / (8 if self._latency_s else 1)
        self._tally.accepted(now - latency_s)
        self._proof.accepted(now, now - latency_s)
        self._chance.accepted(now)

    def refused(self, now: float, latency_s: float | None) -> bool:
        """An attempt was refused for the pace. True if that is more than chance, and it started
        after the last refusal was known, so that it is no mere echo of it. Without a latency that
        of the accepted ones is taken."""
        start = now - (self._latency_s if latency_s is None else latency_s)
        self._tally.refused(start)
        self._proof.refused()
        if not self._chance.refused(now):
            return False
        fresh = start > self._pressure.at
        if self._proof.is_trying:
            if fresh:
                self._free_if_proven(now)
            return fresh
        if start > self._pressure.at + SPREAD_S:
            self._pressure = self._begun(now, start)
            pressure = self._pressure
            if self._proof.pressed(
                now, start, pressure.reached, in_spite=pressure.in_spite, calm=pressure.calm
            ):
                self._chance.forget_excess()
        self._level = self._judged(self._pressure)
        return fresh

    def _free_if_proven(self, now: float) -> None:
        """A refusal in a trial: not for the pace, if the service took something in it."""
        self._pressure = replace(self._pressure, at=now)
        if proven := self._proof.failed():
            share, per_s = proven
            self._chance.learned(share)
            self._level = self._level.freed(per_s)
            self._used_s = 0.0

    def _begun(self, now: float, start: float) -> Pressure:
        goodput = self._accepted / max(SECOND_S, now - self._pressure.at)
        self._recent = [at for at in self._recent if now - at < LIGHT_S] + [now]
        active_s = start - (start if self._resumed is None else self._resumed)
        pressure = Pressure(
            start=start,
            at=now,
            before=self._level,
            used_s=max(0.0, self._used_s - (now - start)),
            goodput=goodput,
            active_s=min(SECOND_S, max(SLOT_S, active_s)),
        )
        self._accepted, self._used_s, self._seen = 0, 0.0, now
        return pressure

    def _judged(self, pressure: Pressure) -> Level:
        """The level after this pressure, by what is known of it now."""
        before = pressure.before
        taken = self._tally.between(pressure.start - SECOND_S, pressure.start).taken
        if taken == 0:
            return before.freed(pressure.reached) if before.free else before
        active = pressure.active_s >= ACTIVE_S
        actual = taken / pressure.active_s if active else math.inf
        if before.free and not active:  # its rate may be far beyond what was ever sent
            actual = taken / SECOND_S
        if pressure.rate > UNUSED * actual or not before.known:
            return self._first(pressure, taken)
        lately = self._proof.lately_per_s
        ceiling = min(pressure.rate, actual, self._accepted_meanwhile(pressure) or math.inf)
        ceiling = max(ceiling, lately)
        if not pressure.in_spite:
            return before.outgrown(ceiling)
        strikes = 1 if pressure.used_s >= CALM_S else before.strikes + 1
        if before.sure and strikes == 1:
            return before.lowered(max(ceiling, taken / 2), before.hold_s, strikes)
        between = (ceiling + min(ceiling, max(lately, pressure.goodput))) / 2
        return before.lowered(max(between, taken / 2), before.hold_s / 2, strikes)

    def _first(self, pressure: Pressure, taken: int) -> Level:
        """A level where none was known, if this is enough to tell."""
        meanwhile = self._tally.between(pressure.start - SLOT_S, pressure.at)
        if meanwhile.refused >= max(HEAVY, HEAVY_SHARE * meanwhile.all):
            ceiling = max(taken / SECOND_S, self._accepted_meanwhile(pressure))
        elif len(self._recent) >= LIGHT_EVENTS and pressure.active_s >= ACTIVE_S:
            ceiling = taken / pressure.active_s
        else:
            ceiling = pressure.goodput if len(self._recent) >= LIGHT_EVENTS else 0.0
        if not ceiling:
            return Level()
        return Level().lowered(max(ceiling, self._proof.lately_per_s), SHORT_HOLD_S, 0)

    def _accepted_meanwhile(self, pressure: Pressure) -> float:
        """Accepted a second, of what started while a refusal was on its way; 0: it can't be told,
        because that was short, or the writers were stuck in answers held back."""
        over_s = pressure.at - 2 * self._latency_s - pressure.start
        if over_s < ACTIVE_S:
            return 0.0
        meanwhile = self._tally.between(pressure.start, pressure.start + over_s)
        meant = pressure.before.after(pressure.used_s + over_s / 2) * over_s
        full = not pressure.before.known or meanwhile.all >= FULL_SHARE * meant
        return meanwhile.accepted / over_s if full else 0.0
