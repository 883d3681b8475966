"""The live display: drawn on terminals of every kind, never in the way of a run."""

from __future__ import annotations

import contextlib
import io

import pytest

from ingest.events import Started
from ingest.progress.bar import BarWatcher, steady_console
from tests.progress.helpers import (
    STARTED,
    Full,
    Gone,
    Terminal,
    ascii_terminal,
    snapshot,
    written,
)


def load(watcher: BarWatcher, started: Started = STARTED) -> None:
    """A short load from start to end."""
    with watcher:
        watcher.started(started)
        watcher.note("delimiter ;")
        for tick in range(3):
            watcher.tick(snapshot(elapsed_s=tick * 1.0, source_bytes=250_000 * tick, rejected=tick))
        watcher.tick(snapshot(elapsed_s=3.0, pause_s=7.0))
        watcher.note("[red]refused[/red] \x1b[2J", level="warning")
        watcher.finished({"state": "done"})


def terminal(width: int = 100) -> tuple[Terminal, BarWatcher]:
    """A bar on a terminal of that width."""
    stream = Terminal()
    return stream, BarWatcher(steady_console(stream, force_terminal=True, width=width))


def test_the_bar_shows_how_far_and_the_figures():
    """Share, counts, pause and notes all appear; the cursor comes back."""
    stream, watcher = terminal()
    load(watcher)
    shown = stream.getvalue()
    for part in ("50%", "2,000 read", "2 rejected", "PAUSED for 7.00 s", "delimiter ;", "left"):
        assert part in shown
    assert "[red]refused[/red]" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@pytest.mark.parametrize("width", [1, 2, 20, 80, 300])
def test_every_width_works(width):
    """No line is wider than the terminal, however narrow."""
    stream, watcher = terminal(width)
    load(watcher)
    assert "\x1b[?25h" in stream.getvalue()
    assert not watcher.broken


@pytest.mark.parametrize("total", [None, 0, 1, 10**12])
def test_every_total_works(total):
    """Unknown, nothing, less than was read (a growing file) and huge."""
    stream, watcher = terminal()
    load(watcher, Started("r", "jöb", "t → [b]x", 1, total))
    assert "jöb to t → [b]x" in stream.getvalue()
    assert not watcher.broken


def test_an_ascii_terminal_works():
    """LANG=C on an old terminal: bar, figures and foreign words are all ASCII."""
    stream = ascii_terminal()
    watcher = BarWatcher(steady_console(stream, force_terminal=True, width=20))
    load(watcher, Started("r", "jöb", "t → x", 1, 1_000_000))
    assert not watcher.broken
    assert "j\\xf6b" in written(stream)


def test_no_color_leaves_the_colours_out(monkeypatch):
    """NO_COLOR is obeyed."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream, watcher = terminal()
    watcher.note("x", level="error")
    assert "error: x" in stream.getvalue()
    assert "31m" not in stream.getvalue()


@pytest.mark.parametrize("stream", [Gone(), Full()])
def test_a_lost_terminal_does_not_stop_the_run(stream):
    """Neither an exception nor Rich's exit comes out of any call."""
    load(BarWatcher(steady_console(stream, force_terminal=True, width=80)))


def test_a_bar_without_a_terminal_writes_no_escape_sequences():
    """`--progress bar` into a file is the user's wish, but not a reason for garbage."""
    stream = io.StringIO()
    load(BarWatcher(steady_console(stream)))
    assert "\x1b" not in stream.getvalue()
    assert "delimiter ;" in stream.getvalue()


def test_leaving_by_an_exception_gives_the_cursor_back():
    """The context manager closes what `finished` did not."""
    stream, watcher = terminal()
    with contextlib.suppress(RuntimeError), watcher:
        watcher.started(STARTED)
        assert "\x1b[?25h" not in stream.getvalue()
        raise RuntimeError
    assert "\x1b[?25h" in stream.getvalue()
    watcher.tick(snapshot())
    watcher.close()
