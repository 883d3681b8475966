"""Proof: whether it is the pace that a service refuses for. First watched, then tried.

A rate that is cut for refusals that come by chance falls and falls, for each cut makes the next
refusal look deserved. No cut mends them; so what has to be found out is whether cuts do.

*Watched* are the gaps between the pressures: what was accepted in how many seconds, pauses
included. A limit of c requests a second gives about c in each second of a gap, be it short or long.
Chance gives a number that has nothing to do with the seconds, so that the gaps are `ERRATIC`. And a
service that took g a second over several gaps has no limit below g: a refusal at a rate of g or
less contradicts that it is the pace. Therefore no cut goes below what was taken `lately`.

*Tried*: erratic gaps or `CONTRADICTIONS` are no proof, since the limit may just have changed. So
for a little while the rate is `TRIAL_SHARE` of what was taken lately, which no limit refuses. A
refusal then proves chance. If `ENOUGH` times the usual gap pass without one, or `TRIAL_S`, it is
the pace: all goes on as before, and the next trial must wait, longer each time.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean, median, stdev

from msgspec import Struct, field

from ingest.governor.level import SLOWEST_PER_S

GAPS = 5
LATELY = 3
FEW = 5
SLACK_S = 0.5  # a limit per second lets a part of one second more through
ERRATIC = 0.4  # standard deviation of the gaps' rates, in means
CONTRADICTIONS = 2
FORGOTTEN_S = 15.0  # a gap so long is the end of the trouble
TRIAL_SHARE = 0.6
ENOUGH = 4
LONGER = 3  # than usual is a gap that has a reason
ENOUGH_LEAST = 10
TRIAL_S = 15.0
REST_S = 30.0
REST_CAP_S = 480.0


class Gap(Struct):
    """What came between two pressures."""

    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0


class Row(Struct):
    """Pressures in a row. `since` is when the last of them started, `gap` what came after it.

    `last` gaps are kept; of those at a learned rate, `accepted` and `refused` count the answers.
    `proven`: requests a second that the service took at its best, `lately` over the last gaps.
    """

    since: float = math.inf
    gap: Gap = field(default_factory=Gap)
    last: deque[Gap] = field(default_factory=lambda: deque(maxlen=GAPS))
    accepted: int = 0
    refused: int = 0
    lately: float = 0.0
    proven: float = 0.0
    contradictions: int = 0

    def pressed(self, start: float, per_s: float) -> None:
        """A pressure, by an attempt that started then, while this was the rate. If nothing was
        accepted since the last one, that is an outage or the same pressure still."""
        if math.isfinite(self.since) and not self.gap.accepted:
            return
        gap, self.gap = self.gap, Gap()
        if math.isfinite(self.since):
            gap.seconds = start - self.since
            self.last.append(gap)
            if math.isfinite(per_s):
                self.accepted += gap.accepted
                self.refused += gap.refused
        self.since = start
        self.contradictions += per_s <= self.proven
        self.lately = self._taken(list(self.last)[-LATELY:])
        if len(self.last) >= LATELY:
            self.proven = max(self.proven, self.lately)

    @property
    def is_doubtful(self) -> bool:
        """It does not look like a limit."""
        return self.contradictions >= CONTRADICTIONS or self._is_erratic()

    @property
    def given(self) -> float:
        """Requests a second that are surely within a limit: lately, if that is not too few."""
        few = sum(gap.accepted for gap in list(self.last)[-LATELY:]) < FEW
        return self._taken(list(self.last)) if few else self.lately

    @property
    def usual(self) -> float:
        """Accepted in one gap."""
        return median(gap.accepted for gap in self.last) if self.last else 0.0

    def _is_erratic(self) -> bool:
        if len(self.last) < GAPS:
            return False
        rates = [gap.accepted / gap.seconds for gap in self.last]
        return stdev(rates) > ERRATIC * fmean(rates)

    @staticmethod
    def _taken(gaps: list[Gap]) -> float:
        if len(gaps) < 2:
            return 0.0
        return sum(gap.accepted for gap in gaps) / (SLACK_S + sum(gap.seconds for gap in gaps))


class Proof:
    """Told of each answer and each pressure; `rate_per_s` is the trial's, infinite without one."""

    def __init__(self) -> None:
        self.rate_per_s = math.inf
        self._row = Row()
        self._trial_since = math.inf
        self._rest_until = -math.inf
        self._rest_s = REST_S

    @property
    def is_trying(self) -> bool:
        """A trial is under way."""
        return math.isfinite(self.rate_per_s)

    @property
    def lately_per_s(self) -> float:
        """What was taken over the last gaps, their pauses included; 0 if that is not known."""
        return self._row.lately

    def accepted(self, now: float, start: float) -> None:
        """An attempt that started then was accepted."""
        row = self._row
        if self.is_trying and start <= self._trial_since:
            return
        row.gap.accepted += 1
        if not self.is_trying or row.gap.accepted < ENOUGH_LEAST:
            return
        if row.gap.accepted > ENOUGH * row.usual or now > self._trial_since + TRIAL_S:
            self._rest_until = now + self._rest_s
            self._rest_s = min(REST_CAP_S, 2 * self._rest_s)
            self._restart()

    def refused(self) -> None:
        """An attempt was refused."""
        self._row.gap.refused += 1

    def pressed(
        self, now: float, start: float, per_s: float, *, in_spite: bool, calm: bool
    ) -> bool:
        """A pressure while this was the rate; `in_spite` of a cut that should have ended it. True
        if a trial begins.

        What came before a `calm` may have been another limit: if the gap was long, too, a new row
        begins.
        """
        row = self._row
        if start - row.since > FORGOTTEN_S or (calm and row.gap.accepted >= LONGER * row.usual):
            self._row = Row()
        self._row.pressed(start, per_s)
        begins = in_spite and now > self._rest_until and self._row.is_doubtful
        if begins:
            self.rate_per_s = max(SLOWEST_PER_S, TRIAL_SHARE * self._row.given)
            self._trial_since = now
        return begins

    def failed(self) -> tuple[float, float] | None:
        """A refusal in the trial: the share refused by chance, and the rate to go on from. None if
        nothing was accepted in the trial: that may be an outage, and proves nothing."""
        row = self._row
        if not row.gap.accepted:
            return None
        refused, accepted = row.refused + row.gap.refused, row.accepted + row.gap.accepted
        per_s = self.rate_per_s / TRIAL_SHARE
        self._restart()
        return refused / (refused + accepted), per_s

    def _restart(self) -> None:
        self._row = Row()
        self.rate_per_s = self._trial_since = math.inf
