"""Bars as SVG, legible on light and on dark: the pictures that the README shows.

A bar is a median, its whisker the least and the greatest of the rounds, the stroke beside it what
was promised. Text is drawn in a grey that both backgrounds bear, and turned lighter where the
reader's system says that it is dark. A picture holds nothing that depends on fonts' widths but the
room for labels, which is generous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 270, 190
BAR, GAP, TOP, BOTTOM = 14, 8, 44, 16
STYLE = """\
text{font:13px system-ui,sans-serif;fill:#57606a}
.title{font-weight:600;font-size:15px}
.bar{fill:#8c959f}.ours{fill:#1f7a4d}.light{opacity:.45}
.whisker{stroke:#32383f;stroke-width:1.2}.mark{stroke:#bc4c00;stroke-width:2;stroke-dasharray:3 2}
@media (prefers-color-scheme:dark){
text{fill:#c9d1d9}.bar{fill:#6e7681}.ours{fill:#3fb950}
.whisker{stroke:#e6edf3}.mark{stroke:#f0883e}}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One line: what it is, its median with least and greatest, and the words behind it.

    `light` bars belong to the one above; `promise` is drawn as a stroke across the bar.
    """

    label: str
    median: float
    least: float
    greatest: float
    words: str
    ours: bool = False
    light: bool = False
    promise: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture: its title, and its bars from the top."""

    title: str
    bars: Sequence[Bar]


def as_svg(chart: Chart) -> str:
    """The picture. Raises ValueError if there is nothing to draw."""
    longest = max([max(bar.greatest, bar.promise or 0) for bar in chart.bars], default=0)
    if longest <= 0:
        raise ValueError(f"{chart.title}: no bar is longer than nothing")
    scale = (WIDTH - LEFT - RIGHT) / longest
    height = TOP + len(chart.bars) * (BAR + GAP) + BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(chart.title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="12" y="24">{escape(chart.title)}</text>',
    ]
    for number, bar in enumerate(chart.bars):
        lines += _bar(bar, TOP + number * (BAR + GAP), scale)
    return "\n".join([*lines, "</svg>\n"])


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    kind = f"{'ours' if bar.ours else 'bar'}{' light' if bar.light else ''}"
    middle = y + BAR / 2
    least, end, greatest = (LEFT + value * scale for value in (bar.least, bar.median, bar.greatest))
    words = max(greatest, LEFT + (bar.promise or 0) * scale) + 8
    text = middle + 4.5
    found = [
        f'<text x="{LEFT - 10}" y="{text:.1f}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>',
        _stroke("whisker", (least, middle), (greatest, middle)),
        f'<text x="{words:.1f}" y="{text:.1f}">{escape(bar.words)}</text>',
    ]
    if bar.promise is not None:
        x = LEFT + bar.promise * scale
        found.append(_stroke("mark", (x, y - 3), (x, y + BAR + 3)))
    return found


def _stroke(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
