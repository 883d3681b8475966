"""Plots as inline SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from ingest.page.course import Stretch, course
from ingest.page.plot import WIDTH, Curve, Plot, drawn
from tests.page.reports import ATTACK, report, timeline

NUMBER = r"-?\d+\.\d"


def stretch(start_s: float, end_s: float, accepted: float, p50: float | None = 1.0) -> Stretch:
    """One in which so many records were accepted."""
    return Stretch(start_s, end_s, accepted, 0, 0, 0, 0, p50, p50)


def plot(curve: Curve, **changes) -> Plot:
    """A plot of one curve, 100 high."""
    return Plot([curve], "what it says", lambda one: f"{one.accepted:g} here", 100, **changes)


def path_of(svg: str) -> str:
    """The first path's description."""
    found = ET.fromstring(svg).find(".//path")
    assert found is not None
    return found.get("d", "")


def test_steps_to_scale():
    """Half of the time at half of the height, and the area goes down to the axis."""
    svg = drawn(plot(Curve(lambda one: one.accepted_per_s, "a", filled=True)),
                [stretch(0, 1, 5), stretch(1, 2, 10)])  # fmt: skip
    assert path_of(svg) == (
        "M0.0 50.0L500.0 50.0L500.0 0.0L1000.0 0.0L1000.0 100.0L500.0 100.0L500.0 100.0L0.0 100.0Z"
    )


def test_a_curve_is_broken_where_nothing_is_known():
    """No line is drawn through a time without an answer."""
    those = [stretch(0, 1, 1), stretch(1, 2, 1, None), stretch(2, 3, 1)]
    assert path_of(drawn(plot(Curve(lambda one: one.p50_ms, "a")), those)).count("M") == 2


@pytest.mark.parametrize("ticks", [1, 2, 40, 900])
def test_everything_lies_inside(ticks):
    """No coordinate leaves the drawing, however long the run."""
    those = course(report(timeline=timeline(ticks)))
    svg = drawn(plot(Curve(lambda one: one.accepted_per_s, "a", filled=True)), those)
    points = re.findall(rf"({NUMBER}) ({NUMBER})", path_of(svg))
    assert points
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= 100 for x, y in points)
    assert len(svg) < 120_000


def test_nothing_at_all_happened():
    """A flat line, not a division by nought."""
    found = path_of(drawn(plot(Curve(lambda one: one.accepted, "a")), [stretch(0, 1, 0)]))
    assert found == "M0.0 100.0L1000.0 100.0"
    assert path_of(drawn(plot(Curve(lambda _: None, "a")), [stretch(0, 1, 0)])) == ""


def test_words_for_who_does_not_see_it():
    """The plot has a summary, each stretch its own words, and all are escaped."""
    shown = Plot([Curve(lambda one: one.accepted, "a")], ATTACK, lambda _: ATTACK, rule=(1, ATTACK))
    svg = drawn(shown, [stretch(0, 1, 2)])
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == ATTACK
    assert [one.text for one in root.iter("title")] == [f"0.0 to 1.0 s: {ATTACK}"]
    assert not list(root.iter("script"))


def test_pauses_are_shown():
    """Neighbouring stretches of a pause as one band."""
    svg = drawn(plot(Curve(lambda one: one.accepted, "a")), course(report()))
    bands = [one for one in ET.fromstring(svg).iter("rect") if one.get("class") == "pause"]
    assert [(one.get("x"), one.get("width")) for one in bands] == [("250.0", "125.0")]
