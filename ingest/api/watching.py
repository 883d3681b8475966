"""Watching a run as a program does: a function that is given each event, or a `Watcher`.

It runs on the event loop that also drives the requests. A function that raises is logged and not
called again: what watches a run must not end it. Without one, notes go to the logger "ingest".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from msgspec import Struct

from ingest.events import Level, Snapshot, Started, Watcher

_LOG = logging.getLogger("ingest")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Note(Struct, frozen=True):
    """Something a person should know now: a detected dialect, a pause, a lowered limit."""

    message: str
    level: Level


class Finished(Struct, frozen=True):
    """The run has ended; `report` is the contract's report."""

    report: Mapping[str, Any]


Event = Started | Note | Snapshot | Finished
Watch = Callable[[Event], None] | Watcher


class _Called:
    """A function as a watcher."""

    def __init__(self, call: Callable[[Event], None]) -> None:
        self._call: Callable[[Event], None] | None = call

    def started(self, started: Started) -> None:
        self._tell(started)

    def note(self, message: str, *, level: Level = "info") -> None:
        self._tell(Note(message, level))

    def tick(self, snapshot: Snapshot) -> None:
        self._tell(snapshot)

    def finished(self, report: Mapping[str, Any]) -> None:
        self._tell(Finished(report))

    def _tell(self, event: Event) -> None:
        if self._call is None:
            return
        try:
            self._call(event)
        except Exception:  # noqa: BLE001 - a stranger's code; the run goes on
            self._call = None
            _LOG.exception("what watches the run raised: it is not called any more")


def _log(event: Event) -> None:
    if isinstance(event, Note):
        _LOG.log(_LEVELS[event.level], "%s", event.message)


def watcher_of(watch: Watch | None) -> Watcher:
    """What tells `watch`."""
    if watch is None:
        return _Called(_log)
    if hasattr(watch, "tick"):
        return cast("Watcher", watch)
    return _Called(watch)
