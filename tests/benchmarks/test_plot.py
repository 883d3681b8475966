"""Pictures are well-formed, to scale, and escape what they show."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks.plot import LEFT, RIGHT, WIDTH, Bar, Chart, as_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*bars: Bar) -> ET.Element:
    """The picture, parsed."""
    return ET.fromstring(as_svg(Chart("a < b & c", bars)))


def test_bars_are_to_scale() -> None:
    """The longest whisker takes all the room; half of it is half as long."""
    root = drawn(Bar("one", 8, 8, 10, "8"), Bar("two", 5, 5, 5, "5", ours=True, light=True))
    widths = [float(rect.attrib["width"]) for rect in root.iter(f"{SVG}rect")]
    room = WIDTH - LEFT - RIGHT
    assert widths == pytest.approx([0.8 * room, 0.5 * room], abs=0.1)
    assert [rect.attrib["class"] for rect in root.iter(f"{SVG}rect")] == ["bar", "ours light"]


def test_a_promise_is_a_stroke_and_may_be_the_longest() -> None:
    """It is drawn where it stands, even beyond all bars."""
    root = drawn(Bar("one", 1, 1, 1, "1", promise=2.0))
    marks = [line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "mark"]
    assert [float(mark.attrib["x1"]) for mark in marks] == [WIDTH - RIGHT]


def test_text_is_escaped() -> None:
    """Titles, labels and words are read back as they were."""
    texts = [text.text for text in drawn(Bar("<&>", 1, 1, 1, "1 < 2")).iter(f"{SVG}text")]
    assert texts == ["a < b & c", "<&>", "1 < 2"]


def test_it_knows_dark_backgrounds() -> None:
    """Colours change where the reader's system is dark."""
    assert "prefers-color-scheme:dark" in as_svg(Chart("t", [Bar("a", 1, 1, 1, "")]))


@pytest.mark.parametrize("bars", [[], [Bar("a", 0, 0, 0, "")]])
def test_nothing_can_not_be_drawn(bars: list[Bar]) -> None:
    """No bar, or bars without length."""
    with pytest.raises(ValueError, match="t: no bar is longer than nothing"):
        as_svg(Chart("t", bars))
