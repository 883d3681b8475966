"""The live display on a terminal: two lines that are drawn anew with every tick.

Rich's own answer to a broken pipe is to exit the process, which would end a run because somebody
closed a terminal: `SteadyConsole` falls silent instead. Nothing is refreshed from a thread, and
standard output is left alone, so that results can be piped while the bar is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ingest.display import duration, safe, size
from ingest.events import Level, Snapshot, Started
from ingest.progress.figures import PREFIXES, Pace, begins, figures
from ingest.progress.lines import Steady

_STYLES: Mapping[Level, str] = {"info": "", "warning": "yellow", "error": "bold red"}


class SteadyConsole(Console):
    """A console that falls silent when nobody listens any more."""

    def on_broken_pipe(self) -> None:
        """Stop writing; the run goes on."""
        self.quiet = True


def steady_console(stream: TextIO, **options: Any) -> Console:
    """A Rich console on `stream` that takes every text as it is: no markup, no emoji codes."""
    return SteadyConsole(file=stream, markup=False, emoji=False, highlight=False, **options)


class BarWatcher(Steady):
    """Two live lines: how far, and the figures. Refreshed by the ticks, so no thread of its own."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live: Live | None = None
        self._started: Started | None = None
        self._pace = Pace()

    def started(self, started: Started) -> None:
        """Say what begins, and open the live lines."""
        self.note(begins(started))
        self._started = started
        with self.writing():
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def note(self, message: str, *, level: Level = "info") -> None:
        """Print the message above the live lines."""
        if not self.broken:
            with self.writing():
                line = safe(PREFIXES[level] + message, encoding=self._console.encoding)
                self._console.print(Text(line, _STYLES[level], overflow="fold"))

    def tick(self, snapshot: Snapshot) -> None:
        """Draw the live lines anew."""
        self._pace.add(snapshot)
        if self._live is not None and not self.broken:
            with self.writing():
                self._live.update(self._lines(snapshot), refresh=True)

    def finished(self, report: Mapping[str, Any]) -> None:  # noqa: ARG002 - the summary shows it
        """Take the live lines away: the summary says more."""
        self.close()

    def close(self) -> None:
        """Take the live lines away and give the cursor back."""
        live, self._live = self._live, None
        if live is not None:
            with self.writing():
                live.update("", refresh=False)
                live.stop()

    def _lines(self, snapshot: Snapshot) -> RenderableType:
        total = self._started.bytes_total if self._started else None
        place = Table.grid(padding=(0, 1))
        done = min(snapshot.source_bytes, total) if total else snapshot.source_bytes
        bar = ProgressBar(
            total=total or None,
            completed=done,
            width=max(4, min(40, self._console.width // 3)),
            pulse=not total,
            animation_time=snapshot.elapsed_s,
        )
        share = f"{done / total:.0%}" if total else size(done)
        place.add_row(Text(duration(snapshot.elapsed_s)), bar, Text(share))
        return Group(place, Text(figures(snapshot, self._pace, total), overflow="fold"))
