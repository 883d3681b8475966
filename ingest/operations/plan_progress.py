"""How far a plan has read, for people: the run's own displays with the words of a plan."""

from __future__ import annotations

from typing import Literal, TextIO

from rich.console import Group, RenderableType
from rich.text import Text

from ingest.display import count, duration
from ingest.events import Snapshot
from ingest.progress.bar import BarWatcher, steady_console
from ingest.progress.lines import PLAIN_EVERY_S, PlainWatcher, QuietWatcher


def progress(
    kind: Literal["auto", "bar", "plain", "none"], stream: TextIO, *, quiet: bool
) -> QuietWatcher | BarWatcher:
    """The display that is asked for; `auto` is a bar on a live terminal."""
    if quiet:
        return QuietWatcher(stream)
    console = steady_console(stream)
    live = stream.isatty() and console.is_terminal and not console.is_dumb_terminal
    if kind == "bar" or (kind == "auto" and live):
        return PlanBar(console)
    return PlanLines(stream, None if kind == "none" else PLAIN_EVERY_S)


def figures(snapshot: Snapshot) -> str:
    """`1,234,000 records read, 12 would be rejected`."""
    parts = [f"{count(snapshot.read)} records read"]
    if snapshot.rejected:
        parts.append(f"{count(snapshot.rejected)} would be rejected")
    if snapshot.stage == "draining":
        parts.append("interrupted")
    return ", ".join(parts)


class PlanBar(BarWatcher):
    """Two live lines: how far, and the figures."""

    def _lines(self, snapshot: Snapshot) -> RenderableType:
        bar = super()._lines(snapshot)
        assert isinstance(bar, Group)
        return Group(bar.renderables[0], Text(figures(snapshot), overflow="fold"))


class PlanLines(PlainWatcher):
    """A line every few seconds."""

    def __init__(self, stream: TextIO, every_s: float | None = PLAIN_EVERY_S) -> None:
        super().__init__(stream, every_s)
        self._every = every_s
        self._said_s = 0.0

    def tick(self, snapshot: Snapshot) -> None:
        """Print a line if the last one is old enough."""
        if self._every is not None and snapshot.elapsed_s - self._said_s >= self._every:
            self._said_s = snapshot.elapsed_s
            self.say(f"{duration(snapshot.elapsed_s)}: {figures(snapshot)}")
