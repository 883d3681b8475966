"""Which options give which watcher."""

from __future__ import annotations

import io

import pytest

from ingest.progress import make_watcher
from ingest.progress.bar import BarWatcher
from ingest.progress.lines import PlainWatcher, QuietWatcher
from ingest.progress.structured import JsonWatcher
from tests.progress.helpers import Terminal, snapshot


@pytest.mark.parametrize(
    ("progress", "log_format", "quiet", "terminal", "kind"),
    [
        ("auto", "text", False, True, BarWatcher),
        ("auto", "text", False, False, PlainWatcher),
        ("bar", "text", False, False, BarWatcher),
        ("plain", "text", False, True, PlainWatcher),
        ("none", "text", False, True, PlainWatcher),
        ("auto", "text", True, True, QuietWatcher),
        ("bar", "json", False, True, JsonWatcher),
        ("auto", "json", True, True, JsonWatcher),
    ],
)
def test_the_options_choose(monkeypatch, progress, log_format, quiet, terminal, kind):
    """JSON wins over quiet, quiet over progress."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal() if terminal else io.StringIO()
    watcher = make_watcher(progress, log_format, quiet=quiet, stream=stream)
    assert type(watcher) is kind


def test_a_dumb_terminal_gets_lines(monkeypatch):
    """Where the cursor can't move, nothing is drawn."""
    monkeypatch.setenv("TERM", "dumb")
    watcher = make_watcher("auto", "text", quiet=False, stream=Terminal())
    assert type(watcher) is PlainWatcher


def test_forced_colour_makes_no_terminal(monkeypatch):
    """FORCE_COLOR in a CI job must not fill its log with redrawn bars."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    watcher = make_watcher("auto", "text", quiet=False, stream=io.StringIO())
    assert type(watcher) is PlainWatcher


def test_progress_none_is_silent_in_both_formats():
    """No progress lines, in text and in JSON."""
    for log_format in ("text", "json"):
        stream = io.StringIO()
        watcher = make_watcher("none", log_format, quiet=False, stream=stream)
        watcher.tick(snapshot(elapsed_s=1000.0))
        assert stream.getvalue() == ""
