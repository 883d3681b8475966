"""Plain and quiet watchers: what they print, how often, and that nothing stops a run."""

from __future__ import annotations

import io

import pytest

from ingest.progress.lines import PlainWatcher, QuietWatcher
from tests.progress.helpers import STARTED, Full, Gone, ascii_terminal, snapshot, written


def test_plain_prints_a_line_every_few_seconds():
    """By the snapshots' own time: 20 s of four ticks a second make four lines."""
    stream = io.StringIO()
    watcher = PlainWatcher(stream, every_s=5.0)
    watcher.started(STARTED)
    for tick in range(1, 81):
        watcher.tick(snapshot(elapsed_s=tick / 4))
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("20261121-221500-stocks-4f2a: stocks to")
    assert [line.split(":")[0] for line in lines[1:]] == ["5.00 s", "10.0 s", "15.0 s", "20.0 s"]


def test_plain_says_a_pause_once_and_at_once():
    """A pause is news when it begins, not at every tick of it."""
    stream = io.StringIO()
    watcher = PlainWatcher(stream)
    for pause_s in (0.0, 3.0, 2.0, 1.0, 0.0, 4.0):
        watcher.tick(snapshot(elapsed_s=0.1, pause_s=pause_s))
    assert stream.getvalue().count("PAUSED") == 2


def test_plain_without_progress_still_prints_notes():
    """`--progress none` takes away the progress lines only."""
    stream = io.StringIO()
    watcher = PlainWatcher(stream, every_s=None)
    watcher.tick(snapshot(elapsed_s=100.0, pause_s=9.0))
    watcher.note("delimiter ;")
    watcher.note("odd", level="warning")
    assert stream.getvalue() == "delimiter ;\nwarning: odd\n"


@pytest.mark.parametrize(
    ("level", "line"), [("info", ""), ("warning", "warning: x\n"), ("error", "error: x\n")]
)
def test_quiet_prints_warnings_and_errors_only(level, line):
    """Information is what quiet keeps quiet about."""
    stream = io.StringIO()
    with QuietWatcher(stream) as watcher:
        watcher.started(STARTED)
        watcher.tick(snapshot(elapsed_s=99.0))
        watcher.note("x", level=level)
        watcher.finished({"state": "done"})
    assert stream.getvalue() == line


def test_notes_are_disarmed():
    """A service's words neither colour nor break lines."""
    stream = io.StringIO()
    PlainWatcher(stream).note("\x1b[2Jone\ntwo [bold]three[/bold]")
    assert stream.getvalue() == "one two [bold]three[/bold]\n"


def test_an_ascii_stream_takes_everything():
    """What it can't encode is spelt out."""
    stream = ascii_terminal()
    PlainWatcher(stream).note("grün → \udcff")
    assert written(stream) == "gr\\xfcn \\u2192 \\xff\n"


@pytest.mark.parametrize("stream", [Gone(), Full()])
def test_a_failing_stream_silences_the_watcher(stream):
    """The first failure is the last attempt; none is raised."""
    watcher = PlainWatcher(stream)
    watcher.note("a")
    assert watcher.broken
    watcher.started(STARTED)
    watcher.tick(snapshot(elapsed_s=50.0))


def test_a_closed_stream_silences_the_watcher():
    """Python raises ValueError there."""
    stream = io.StringIO()
    stream.close()
    watcher = QuietWatcher(stream)
    watcher.note("a", level="error")
    assert watcher.broken
