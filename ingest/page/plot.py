"""One plot over time as inline SVG that needs no script and is legible at any width.

The outer drawing is as wide as its place and not scaled, so that its words keep their size: they
stand at percentages. Only the curves lie in an inner drawing that is stretched to the width; their
lines are not (`vector-effect`). Labels of the vertical axis stand on their lines, inside the plot:
no margin is lost to them on a telephone.

Curves are steps, since every value holds for its whole stretch. Each stretch has a title, which a
browser shows under the pointer; readers of the screen get the plot's summary instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from ingest.page.course import Stretch
from ingest.page.markup import Html, joined, tag
from ingest.page.scale import compact, moment, ticks, time_ticks

WIDTH = 1000.0
_TOP = 16.0
_BOTTOM = 20.0
_PAUSED = 0.5  # a stretch of which at least so much is a pause is shown as one

Value = Callable[[Stretch], float | None]


class Curve(Struct, frozen=True):
    """One curve: `look` is its CSS class; `filled`: down to the axis, or to the curve `down_to`."""

    value: Value
    look: str
    filled: bool = False
    down_to: Value | None = None


class Plot(Struct, frozen=True):
    """What one plot shows. `said` is its summary in words, `unit` stands behind a value under the
    pointer, `rule` is a value worth a line of its own, with its words."""

    curves: Sequence[Curve]
    said: str
    told: Callable[[Stretch], str]
    height: float = 96.0
    rule: tuple[float, str] | None = None
    highest: float | None = None
    label: Callable[[float], str] = compact


def drawn(plot: Plot, stretches: Sequence[Stretch]) -> Html:
    """The plot. `stretches` are in order and at least one."""
    marks = ticks(_highest(plot, stretches), most=3 if plot.height > 60 else 1)
    inner = tag(
        "svg",
        *_pauses(stretches, plot.height),
        *(_path(curve, stretches, plot.height, marks[-1]) for curve in plot.curves),
        y=_TOP,
        width="100%",
        height=plot.height,
        viewBox=f"0 0 {WIDTH:g} {plot.height:g}",
        preserveAspectRatio="none",
    )
    return tag(
        "svg",
        *_moments(stretches, plot.height),
        inner,
        *_levels(plot, marks),
        *(_under_pointer(one, stretches, plot) for one in stretches),
        class_="plot",
        role="img",
        aria_label=plot.said,
        width="100%",
        height=_TOP + plot.height + _BOTTOM,
    )


def _highest(plot: Plot, stretches: Sequence[Stretch]) -> float:
    if plot.highest is not None:
        return plot.highest
    values = [curve.value(one) or 0.0 for curve in plot.curves for one in stretches]
    return max([*values, plot.rule[0] if plot.rule else 0.0])


def _x(seconds: float, stretches: Sequence[Stretch]) -> float:
    """The place of a moment, 0 to 1."""
    start_s, end_s = stretches[0].start_s, stretches[-1].end_s
    return (seconds - start_s) / (end_s - start_s)


def _path(curve: Curve, stretches: Sequence[Stretch], height: float, top: float) -> Html:
    pieces: list[str] = []
    for run in _runs(curve.value, stretches):
        along = [
            (WIDTH * _x(at_s, stretches), height * (1 - (curve.value(one) or 0.0) / top))
            for one in run
            for at_s in (one.start_s, one.end_s)
        ]
        if curve.filled:
            low = curve.down_to or (lambda _: 0.0)
            along += [
                (WIDTH * _x(at_s, stretches), height * (1 - (low(one) or 0.0) / top))
                for one in reversed(run)
                for at_s in (one.end_s, one.start_s)
            ]
        pieces.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in along))
    close = "Z" if curve.filled else ""
    # Made here of figures alone; too long for what cuts a text from outside.
    return tag("path", class_=curve.look, d=Html("".join(piece + close for piece in pieces)))


def _runs(value: Value, stretches: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """Neighbours that all have a value: the curve is broken where there is none."""
    run: list[Stretch] = []
    for one in stretches:
        if value(one) is not None:
            run.append(one)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _pauses(stretches: Sequence[Stretch], height: float) -> Iterator[Html]:
    paused = _runs(lambda one: one.paused if one.paused >= _PAUSED else None, stretches)
    for run in paused:
        x = WIDTH * _x(run[0].start_s, stretches)
        width = WIDTH * _x(run[-1].end_s, stretches) - x
        yield tag("rect", class_="pause", x=f"{x:.1f}", width=f"{width:.1f}", height=height)


def _levels(plot: Plot, marks: Sequence[float]) -> Iterator[Html]:
    """The horizontal lines with their values, and the rule with its words."""
    for mark in marks:
        y = round(_TOP + plot.height * (1 - mark / marks[-1]), 1)
        look = "grid" if mark else "axis"
        yield tag("line", class_=look, x2="100%", y1=y, y2=y)
        if mark:
            yield tag("text", plot.label(mark), class_="tick", y=y - 4)
    if plot.rule is not None:
        value, words = plot.rule
        y = round(_TOP + plot.height * (1 - value / marks[-1]), 1)
        yield tag("line", class_="rule", x2="100%", y1=y, y2=y)
        yield tag("text", words, class_="tick ruled", x="100%", y=y - 4)


def _moments(stretches: Sequence[Stretch], height: float) -> Iterator[Html]:
    """The vertical lines with their moments; the words stay inside at both ends."""
    start_s, end_s = stretches[0].start_s, stretches[-1].end_s
    found = time_ticks(start_s, end_s)
    for index, at_s in enumerate(found):
        share = _x(at_s, stretches)
        x = f"{100 * share:.2f}%"
        yield tag("line", class_="grid", x1=x, x2=x, y1=_TOP, y2=_TOP + height)
        side = " first" if share < 0.04 else " last" if share > 0.96 else ""
        odd = " odd" if index % 2 else ""
        y = _TOP + height + 14
        yield tag("text", moment(at_s), class_=f"tick when{side}{odd}", x=x, y=y)


def _under_pointer(one: Stretch, stretches: Sequence[Stretch], plot: Plot) -> Html:
    x, to = _x(one.start_s, stretches), _x(one.end_s, stretches)
    when = f"{one.start_s:.1f} to {one.end_s:.1f} s"
    return tag(
        "rect",
        tag("title", joined(when, ": ", plot.told(one))),
        class_="hit",
        x=f"{100 * x:.2f}%",
        width=f"{100 * (to - x):.2f}%",
        y=_TOP,
        height=plot.height,
    )
