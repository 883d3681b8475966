"""Samples to figures: medians, and ratios with their spread. Pure.

A ratio is ours to theirs in records a second, taken within each round; shown are the median of the
rounds' ratios and the least and greatest of them. Above 1 we are quicker. Of processor seconds a
record the ratio is ours to theirs, too: there less is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.plot import Bar, Chart

MEGA = 1e6
BARE = "bare-socket"
Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one contender. `wall_s` is the whole process, `work_s` its own word."""

    round: int
    contender: str
    label: str
    records: int
    wall_s: float
    work_s: float
    cpu_s: float
    server_cpu_s: float
    peak_rss_bytes: int
    sent_bytes: int
    requests: int


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between its least and its greatest value."""

    median: float
    least: float
    greatest: float

    @property
    def shown(self) -> str:
        """`7.41 (7.02 to 7.90)`."""
        return f"{self.median:.2f} ({self.least:.2f} to {self.greatest:.2f})"


@dataclass(frozen=True, slots=True)
class Summary:
    """A contender's medians, and how many times as quick as it we are."""

    contender: str
    label: str
    records_per_s: float
    work_records_per_s: float
    rate: Spread
    work_rate: Spread
    ratio: Spread
    work_ratio: Spread
    cpu_ratio: Spread
    cpu_s_per_million: float
    server_cpu_s_per_million: float
    peak_rss_bytes: int


HEADER = (
    "",
    "records/s",
    "ingest is, times",
    "work alone/s",
    "ingest is, times",
    "CPU s/M",
    "ingest's, times",
    "server CPU s/M",
    "peak MB",
)


def spread(values: Sequence[float]) -> Spread:
    """Median, least, greatest; of at least one value."""
    return Spread(median(values), min(values), max(values))


def ratios(
    ours: Sequence[Sample], theirs: Sequence[Sample], seconds: Callable[[Sample], float]
) -> Spread:
    """Ours to theirs in records a second, round by round."""
    by_round = {sample.round: sample for sample in theirs}
    pairs = [(sample, by_round[sample.round]) for sample in ours if sample.round in by_round]
    return spread([(o.records / seconds(o)) / (t.records / seconds(t)) for o, t in pairs])


def inverse(found: Spread) -> Spread:
    """Of records a processor second to processor seconds a record."""
    return Spread(1 / found.median, 1 / found.greatest, 1 / found.least)


def summarise(samples: Sequence[Sample], ours: str) -> list[Summary]:
    """A summary for every contender, in the order in which they first ran."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.contender, []).append(sample)
    return [_summary(group, groups[ours]) for group in groups.values()]


def _summary(group: Sequence[Sample], ours: Sequence[Sample]) -> Summary:
    return Summary(
        contender=group[0].contender,
        label=group[0].label,
        records_per_s=median(s.records / s.wall_s for s in group),
        work_records_per_s=median(s.records / s.work_s for s in group),
        rate=spread([s.records / s.wall_s for s in group]),
        work_rate=spread([s.records / s.work_s for s in group]),
        ratio=ratios(ours, group, lambda sample: sample.wall_s),
        work_ratio=ratios(ours, group, lambda sample: sample.work_s),
        cpu_ratio=inverse(ratios(ours, group, lambda sample: sample.cpu_s)),
        cpu_s_per_million=median(s.cpu_s / s.records * MEGA for s in group),
        server_cpu_s_per_million=median(s.server_cpu_s / s.records * MEGA for s in group),
        peak_rss_bytes=round(median(s.peak_rss_bytes for s in group)),
    )


def rows_of(summaries: Sequence[Summary], ours: str) -> list[Row]:
    """The table's cells; our own ratios to ourselves are left out."""
    return [
        (
            one.label,
            f"{one.records_per_s:,.0f}",
            "" if one.contender == ours else one.ratio.shown,
            f"{one.work_records_per_s:,.0f}",
            "" if one.contender == ours else one.work_ratio.shown,
            f"{one.cpu_s_per_million:.2f}",
            "" if one.contender == ours else one.cpu_ratio.shown,
            f"{one.server_cpu_s_per_million:.2f}",
            f"{one.peak_rss_bytes / MEGA:.0f}",
        )
        for one in summaries
    ]


def chart_of(summaries: Sequence[Summary], ours: str, title: str) -> Chart:
    """Two bars a contender: the whole process, and below it, lighter, the work alone.

    The bare socket is left out: it is no contender, and beside it all bars would be short.
    """
    bars = []
    for one in summaries:
        if one.contender == BARE:
            continue
        is_ours = one.contender == ours
        pairs = ((one.rate, one.ratio, one.label), (one.work_rate, one.work_ratio, "work alone"))
        for rate, ratio, label in pairs:
            times = "" if is_ours else f", ingest {ratio.median:.{2 if ratio.median < 10 else 0}f}×"
            millions = rate.median / MEGA
            words = f"{millions:.{2 if millions >= 0.1 else 3}f} M/s{times}"
            values = (rate.median, rate.least, rate.greatest)
            bars.append(Bar(label, *values, words, is_ours, light=label == "work alone"))
    return Chart(title, bars)


def as_text(header: Row, rows: Sequence[Row]) -> str:
    """Columns for a terminal: the first to the left, figures to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, tuple("-" * width for width in widths), *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(header: Row, rows: Sequence[Row]) -> str:
    """The same as a Markdown table."""
    rule = ("---", *("---:" for _ in header[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
