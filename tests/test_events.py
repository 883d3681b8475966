"""The watcher protocol: frozen values, and watchers that fit it."""

from __future__ import annotations

import io

import pytest

from ingest.events import Snapshot, Started, Watcher
from ingest.progress import make_watcher
from ingest.progress.lines import PlainWatcher, QuietWatcher
from tests.progress.helpers import snapshot


def test_the_values_are_frozen():
    """What is told can't be changed by a watcher."""
    with pytest.raises(AttributeError, match="immutable"):
        snapshot().read = 1  # type: ignore[misc]  # the error is what is asked for
    assert Started("r", "j", "t", 1, None) == Started("r", "j", "t", 1, None)


def test_every_watcher_keeps_the_promise():
    """The four watchers are watchers to the type checker, and have all calls at run time."""
    stream = io.StringIO()
    watchers: list[Watcher] = [
        QuietWatcher(stream),
        PlainWatcher(stream),
        make_watcher("bar", "text", quiet=False, stream=stream),
        make_watcher("auto", "json", quiet=False, stream=stream),
    ]
    for watcher in watchers:
        watcher.started(Started("r", "j", "t", 1, None))
        watcher.note("n", level="warning")
        watcher.tick(snapshot(elapsed_s=6.0))
        watcher.finished({})
    assert stream.getvalue().count("warning") >= len(watchers)


def test_a_snapshot_names_its_units():
    """Times end in `_s`; every field is needed, so that none is forgotten by the engine."""
    assert Snapshot.__struct_defaults__ == ()
    assert {"elapsed_s", "pause_s"} <= set(Snapshot.__struct_fields__)
