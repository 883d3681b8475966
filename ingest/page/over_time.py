"""The section of plots: records accepted, latency, concurrency, pauses; and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.display import count, plural, size
from ingest.page.course import Stretch, coarser, course, seconds_of
from ingest.page.markup import Html, tag
from ingest.page.parts import section, table
from ingest.page.plot import Curve, Plot, drawn
from ingest.page.reading import Report, part, whole
from ingest.page.scale import compact, moment

LEAST = 3
ROWS = 24


def over_time(report: Report, in_flight: int | None) -> Html | None:
    """The section; `in_flight` is the most requests at once that the job allows, if known."""
    stretches = course(report)
    if not part(report, "timeline"):
        said = "This report holds no course over time: an earlier version of the program wrote it."
        return section("Over time", tag("p", said, class_="none"))
    if len(stretches) < LEAST:
        return section("Over time", tag("p", "Too short a run for a course.", class_="none"))
    return section(
        "Over time",
        _taken_up(report),
        _figure("Accepted", "records a second", None, _accepted(stretches), stretches),
        _figure(
            "Latency",
            "ms, of half and of 95 % of the answers",
            "latency",
            _latency(stretches),
            stretches,
        ),
        _figure(
            "Concurrency", "requests under way", None, _concurrency(stretches, in_flight), stretches
        ),
        _figure(
            "Pauses",
            "share of the time in which all writers waited",
            None,
            _paused(stretches),
            stretches,
        ),
        _as_table(stretches),
    )


def _taken_up(report: Report) -> Html | None:
    timeline = part(report, "timeline")
    if timeline.get("taken_up") is not True:
        return None
    before = plural(whole(timeline, "before", "accepted"), "record")
    said = "This run was taken up: the course is that of its last process."
    return tag("p", f"{said} {before} had been accepted before.", class_="note")


def _figure(title: str, unit: str, key: str | None, plot: Plot, those: Sequence[Stretch]) -> Html:
    legend = None
    if key == "latency":
        legend = tag(
            "span",
            tag("i", class_="key p50"), "p50 ", tag("i", class_="key p95"), "p95",
            class_="legend",
        )  # fmt: skip
    caption = tag(
        "figcaption", tag("h3", title), tag("span", unit, class_="unit"), legend,
        tag("span", plot.said.partition(": ")[2], class_="said"),
    )  # fmt: skip
    return tag("figure", caption, drawn(plot, those))


def _accepted(those: Sequence[Stretch]) -> Plot:
    mean = sum(one.accepted for one in those) / seconds_of(those)
    most = max(one.accepted_per_s for one in those)
    return Plot(
        [Curve(lambda one: one.accepted_per_s, "area accepted", filled=True)],
        f"Records accepted a second: mean {count(round(mean))}, at most {count(round(most))}",
        lambda one: (
            f"{count(round(one.accepted_per_s))} records/s,"
            f" {size(one.bytes_sent / one.width_s)}/s sent"
        ),
        height=128.0,
        rule=(mean, "mean") if mean else None,
    )


def _latency(those: Sequence[Stretch]) -> Plot:
    answered = [one for one in those if one.p95_ms is not None]
    highest = max((one.p95_ms or 0.0 for one in answered), default=0.0)
    said = f"p95 at most {count(round(highest))} ms" if answered else "no answers"
    return Plot(
        [
            Curve(
                lambda one: one.p95_ms, "area spread", filled=True, down_to=lambda one: one.p50_ms
            ),
            Curve(lambda one: one.p95_ms, "line p95"),
            Curve(lambda one: one.p50_ms, "line p50"),
        ],
        f"Latency of requests: {said}",
        lambda one: (
            "no answers"
            if one.p95_ms is None
            else f"p50 {one.p50_ms or 0:,.0f} ms, p95 {one.p95_ms:,.0f} ms"
        ),
    )


def _concurrency(those: Sequence[Stretch], in_flight: int | None) -> Plot:
    mean = sum(one.in_flight * one.width_s for one in those) / seconds_of(those)
    return Plot(
        [Curve(lambda one: one.in_flight, "area busy", filled=True)],
        f"Requests under way: mean {mean:.1f}" + (f" of {in_flight}" if in_flight else ""),
        lambda one: f"{one.in_flight:.1f} under way, {count(round(one.requests))} sent",
        height=72.0,
        rule=(float(in_flight), "allowed") if in_flight else None,
    )


def _paused(those: Sequence[Stretch]) -> Plot:
    paused_s = sum(one.paused_s for one in those)
    share = paused_s / seconds_of(those)
    return Plot(
        [Curve(lambda one: one.paused, "area paused", filled=True)],
        f"Time in which all writers were paused: {paused_s:.1f} s in all, {share:.1%}",
        lambda one: f"paused for {one.paused_s:.1f} s of it",
        height=32.0,
        highest=1.0,
        label=lambda value: f"{value:.0%}",
    )


def _as_table(those: Sequence[Stretch]) -> Html:
    rows = [
        [
            f"{moment(round(one.start_s, 1))} to {moment(round(one.end_s, 1))}",
            count(round(one.accepted_per_s)),
            f"{size(one.bytes_sent / one.width_s)}/s",
            count(round(one.requests)),
            "–" if one.p95_ms is None else compact(round(one.p95_ms)),
            f"{one.in_flight:.1f}",
            f"{one.paused:.0%}",
        ]
        for one in coarser(those, ROWS)
    ]
    heads = ["When", "Accepted/s", "Sent", "Requests", "Highest p95, ms", "Under way", "Paused"]
    return tag(
        "details",
        tag("summary", "The same as a table"),
        table(heads, rows, numbers_from=1, look=None),
        class_="same",
    )
