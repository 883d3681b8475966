"""The run's course as the report's `timeline` has it: stretches of time, and what happened in each.

Columns that are missing or of unequal length come from a file that was touched: as many stretches
are read as there are whole ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from ingest.page.reading import Report, column, number, part

_AMOUNTS = ("accepted", "bytes_sent", "requests", "paused_s", "in_flight")
_PERCENTILES = ("latency_p50_ms", "latency_p95_ms")


class Stretch(Struct, frozen=True):
    """One stretch: amounts within it, requests under way in the mean, latencies in milliseconds."""

    start_s: float
    end_s: float
    accepted: float
    bytes_sent: float
    requests: float
    paused_s: float
    in_flight: float
    p50_ms: float | None
    p95_ms: float | None

    @property
    def width_s(self) -> float:
        """How long it is, in seconds; more than 0."""
        return self.end_s - self.start_s

    @property
    def accepted_per_s(self) -> float:
        """Records accepted a second."""
        return self.accepted / self.width_s

    @property
    def paused(self) -> float:
        """The share of its time in which all writers were paused, 0 to 1."""
        return min(1.0, max(0.0, self.paused_s / self.width_s))


def course(report: Report) -> list[Stretch]:
    """The stretches, in order; none where the report has no timeline."""
    found = part(report, "timeline")
    seconds = [one for one in column(found, "seconds") if one is not None]
    borders = [number(found, "from_s"), *seconds]
    amounts = [column(found, name) for name in _AMOUNTS]
    latencies = [column(found, name) for name in _PERCENTILES]
    whole = min(len(seconds), *map(len, amounts), *map(len, latencies))
    rows = zip(*amounts, *latencies, strict=False)
    return [
        _stretch(start_s, end_s, values)
        for (start_s, end_s), values in zip(pairwise(borders[: whole + 1]), rows, strict=False)
        if end_s > start_s
    ]


def coarser(stretches: Sequence[Stretch], most: int) -> list[Stretch]:
    """At most so many stretches, neighbours joined. Percentiles can't be: the highest stands."""
    each = -(-len(stretches) // most) if stretches else 1
    return [_joined(stretches[at : at + each]) for at in range(0, len(stretches), each)]


def seconds_of(stretches: Sequence[Stretch]) -> float:
    """How long they are together."""
    return sum(one.width_s for one in stretches)


def _stretch(start_s: float, end_s: float, values: Sequence[float | None]) -> Stretch:
    accepted, size_bytes, requests, paused_s, in_flight = (
        max(0.0, one or 0.0) for one in values[:5]
    )
    p50_ms, p95_ms = values[5:]
    return Stretch(
        start_s, end_s, accepted, size_bytes, requests, paused_s, in_flight, p50_ms, p95_ms
    )


def _joined(those: Sequence[Stretch]) -> Stretch:
    busy_s = sum(one.in_flight * one.width_s for one in those)
    return Stretch(
        those[0].start_s,
        those[-1].end_s,
        sum(one.accepted for one in those),
        sum(one.bytes_sent for one in those),
        sum(one.requests for one in those),
        sum(one.paused_s for one in those),
        busy_s / seconds_of(those),
        max((one.p50_ms for one in those if one.p50_ms is not None), default=None),
        max((one.p95_ms for one in those if one.p95_ms is not None), default=None),
    )
