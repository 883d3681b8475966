"""How far a plan has read, for people."""

from __future__ import annotations

import io

import pytest

from ingest.events import Snapshot, Started
from ingest.operations.plan_progress import PlanBar, PlanLines, figures, progress
from ingest.progress.bar import steady_console
from ingest.progress.lines import QuietWatcher


def snapshot(elapsed_s: float, rejected: int = 0) -> Snapshot:
    """One instant."""
    return Snapshot(
        elapsed_s, 1234, 1234 - rejected, rejected, 0, 0, 0, 9, 0, 0, 0, 0, 50, 0.0, "loading", None
    )


@pytest.mark.parametrize(("rejected", "said"), [(0, False), (1, True)])
def test_figures(rejected: int, said: bool) -> None:
    """Records read; rejects only where there are some."""
    words = figures(snapshot(1.0, rejected))
    assert words.startswith("1,234 records read")
    assert ("would be rejected" in words) == said


def test_lines() -> None:
    """A line every five seconds, none in between, none if not wanted."""
    out, none = io.StringIO(), io.StringIO()
    for watcher in (PlanLines(out), PlanLines(none, None)):
        watcher.started(Started("plan", "job", "there", 1, 100))
        for elapsed_s in (1.0, 5.0, 6.0, 10.0):
            watcher.tick(snapshot(elapsed_s))
    assert out.getvalue().count("records read") == 2
    assert none.getvalue().splitlines() == ["plan: job to there, 1 file, 100 B"]


def test_bar() -> None:
    """The figures of a plan stand under the bar."""
    out = io.StringIO()
    console = steady_console(out, force_terminal=True, width=80)
    with PlanBar(console) as bar:
        bar.started(Started("plan", "job", "there", 1, 100))
        bar.tick(snapshot(1.0))
    assert "1,234 records read" in out.getvalue()
    assert "accepted" not in out.getvalue()


def test_choice() -> None:
    """No terminal: lines; quiet: warnings only."""
    assert isinstance(progress("auto", io.StringIO(), quiet=False), PlanLines)
    assert isinstance(progress("bar", io.StringIO(), quiet=False), PlanBar)
    assert type(progress("auto", io.StringIO(), quiet=True)) is QuietWatcher
