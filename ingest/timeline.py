"""Timeline: a run's course over time in a bounded number of points. Pure: times are handed in.

A run of two seconds and one of three days leave reports of about one size. A point is as wide as a
tick at first; when there are `POINTS` of them, neighbours are joined and every later one is twice
as wide. Amounts (records, bytes, requests, seconds of pause) add up when points are joined, and
what is under way is a mean weighted by time, so nothing is lost but resolution: the points' sums
are the run's, whatever was joined.

Percentiles of percentiles mean nothing, so a point keeps no percentile but counts of its latencies,
in buckets whose borders grow by a fixed ratio. Counts add up, and a percentile read from them is
within `ACCURACY` of a latency that was measured (DDSketch: Masson, Rim and Lee, VLDB 2019).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct, field

from ingest.model import Accounts

POINTS = 300
WIDTH_S = 0.2
ACCURACY = 0.02
_RATIO = (1 + ACCURACY) / (1 - ACCURACY)
_LEAST_S = 1e-5  # shorter is no request's latency; it bounds the number of buckets


class Point(Struct):
    """One stretch of a run, from `start_s` to `end_s` after its start.

    `busy_s` is the number of requests under way times the seconds that they were; `latencies`
    counts those of the attempts that ended in it, by bucket.
    """

    start_s: float
    end_s: float
    accepted: int = 0
    bytes_sent: int = 0
    requests: int = 0
    paused_s: float = 0.0
    busy_s: float = 0.0
    latencies: Counter[int] = field(default_factory=Counter)

    @property
    def width_s(self) -> float:
        """How long it is."""
        return self.end_s - self.start_s

    @property
    def in_flight(self) -> float:
        """Requests under way, the mean over its time."""
        return self.busy_s / self.width_s if self.width_s > 0 else 0.0

    def join(self, later: Point) -> None:
        """Take in the point that follows this one."""
        self.end_s = later.end_s
        self.accepted += later.accepted
        self.bytes_sent += later.bytes_sent
        self.requests += later.requests
        self.paused_s += later.paused_s
        self.busy_s += later.busy_s
        self.latencies += later.latencies

    def latency_s(self, percent: int) -> float | None:
        """That percentile, nearest rank, of the latencies in it; None without any."""
        rank = math.ceil(self.latencies.total() * percent / 100)
        for bucket in sorted(self.latencies):
            rank -= self.latencies[bucket]
            if rank <= 0:
                return 2 * _RATIO**bucket / (_RATIO + 1)
        return None


class Timeline:
    """The points of one process of a run. `before` is what earlier processes had accounted for;
    `taken_up` says that there were any."""

    def __init__(self, before: Accounts, *, taken_up: bool = False, points: int = POINTS) -> None:
        """Raises ValueError for less than two points."""
        if points < 2:
            raise ValueError(f"a timeline needs two points or more, not {points}")
        self._most = points
        self._taken_up = taken_up
        self._first = self._last = (before.accepted, before.bytes_sent, before.requests_sent)
        self._width_s = WIDTH_S
        self._elapsed_s: float | None = None
        self._paused_s = 0.0
        self._seen = 0
        self._points: list[Point] = []
        self._open: Point | None = None

    def add(
        self, elapsed_s: float, accounts: Accounts, paused_s: float, latencies_s: Sequence[float]
    ) -> None:
        """The totals at one instant: seconds since the start and seconds of pause so far, and the
        latencies of all attempts that have ended so far, in that order."""
        start_s = elapsed_s if self._elapsed_s is None else self._elapsed_s
        now = (accounts.accepted, accounts.bytes_sent, accounts.requests_sent)
        accepted, size_bytes, requests = (
            new - old for new, old in zip(now, self._last, strict=True)
        )
        end_s = max(start_s, elapsed_s)
        point = Point(
            start_s,
            end_s,
            accepted,
            size_bytes,
            requests,
            max(0.0, paused_s - self._paused_s),
            accounts.in_flight * (end_s - start_s),
            _counted(islice(latencies_s, self._seen, None)),
        )
        self._elapsed_s, self._last, self._paused_s = end_s, now, paused_s
        self._seen = len(latencies_s)
        self._take(point)

    @property
    def points(self) -> list[Point]:
        """All of them. A last one of less than half a width is part of the one before: what came
        within a few milliseconds says nothing of a rate."""
        if self._open is None:
            return list(self._points)
        last = self._open
        if self._points and last.width_s < self._width_s / 2:
            whole = _joined(self._points[-1], last)
            return [*self._points[:-1], whole]
        return [*self._points, last]

    def as_report(self) -> dict[str, Any]:
        """Columns of equal length for the report, under `timeline`.

        `seconds` is each point's end; `accepted`, `bytes_sent`, `requests` and `paused_s` are
        amounts within it, `in_flight` a mean, latencies in milliseconds or null. The first point
        starts at `from_s`. `before` is what earlier processes of the run had done.
        """
        points = self.points
        names = ("accepted", "bytes_sent", "requests")
        return {
            "taken_up": self._taken_up,
            "before": dict(zip(names, self._first, strict=True)),
            "from_s": round(points[0].start_s, 3) if points else 0.0,
            "seconds": [round(point.end_s, 3) for point in points],
            **{name: [getattr(point, name) for point in points] for name in names},
            "in_flight": [round(point.in_flight, 2) for point in points],
            "paused_s": [round(point.paused_s, 3) for point in points],
            "latency_p50_ms": [_ms(point.latency_s(50)) for point in points],
            "latency_p95_ms": [_ms(point.latency_s(95)) for point in points],
        }

    def _take(self, point: Point) -> None:
        if self._open is None:
            self._open = point
        else:
            self._open.join(point)
        # A timer is a little late or early: a tick that is nearly a width is one.
        if self._open.width_s >= 0.9 * self._width_s:
            self._points.append(self._open)
            self._open = None
        if len(self._points) >= self._most:
            self._halve()

    def _halve(self) -> None:
        pairs = [self._points[at : at + 2] for at in range(0, len(self._points), 2)]
        self._width_s *= 2
        self._points = [_joined(*pair) for pair in pairs]


def _joined(*points: Point) -> Point:
    first = points[0]
    whole = Point(first.start_s, first.start_s)
    for point in points:
        whole.join(point)
    return whole


def _counted(latencies_s: Iterable[float]) -> Counter[int]:
    return Counter(
        math.ceil(math.log(max(_LEAST_S, latency_s)) / math.log(_RATIO))
        for latency_s in latencies_s
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
