"""Watchers that write plain lines, for logs, pipes and `--quiet`; and the base of all watchers.

A closed pipe or a full disk behind standard error must not end a run: a watcher whose stream fails
falls silent (`Steady`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TextIO

from ingest.display import duration, encoding_of, safe
from ingest.events import Level, Snapshot, Started
from ingest.progress.figures import PREFIXES, Pace, begins, figures

PLAIN_EVERY_S = 5.0


class Steady:
    """Base of the watchers: falls silent where its stream fails, and can always be closed."""

    def __init__(self) -> None:
        self.broken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream as it was found. Safe to call twice, needed after an exception."""

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Guard one piece of output: its failure is the last word of this watcher."""
        try:
            yield
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.broken = True


class QuietWatcher(Steady):
    """Warnings and errors, a line each."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def started(self, started: Started) -> None:
        """Nothing to say."""

    def note(self, message: str, *, level: Level = "info") -> None:
        """Print the message unless it is mere information."""
        if level != "info":
            self.say(PREFIXES[level] + message)

    def tick(self, snapshot: Snapshot) -> None:
        """Nothing to say."""

    def finished(self, report: Mapping[str, Any]) -> None:
        """Nothing to say: the caller prints the verdict."""

    def say(self, line: str) -> None:
        """One line, made safe."""
        if not self.broken:
            with self.writing():
                self._stream.write(safe(line, encoding=encoding_of(self._stream)) + "\n")
                self._stream.flush()


class PlainWatcher(QuietWatcher):
    """Lines for logs without a terminal; `every_s` None: no progress lines, notes only."""

    def __init__(self, stream: TextIO, every_s: float | None = PLAIN_EVERY_S) -> None:
        super().__init__(stream)
        self._every_s = every_s
        self._last_s = 0.0
        self._paused = False
        self._total: int | None = None
        self._pace = Pace()

    def started(self, started: Started) -> None:
        """Say what begins."""
        self._total = started.bytes_total
        self.say(begins(started))

    def note(self, message: str, *, level: Level = "info") -> None:
        """Print the message."""
        self.say(PREFIXES[level] + message)

    def tick(self, snapshot: Snapshot) -> None:
        """Print a line if the last one is old enough, or a pause has just begun."""
        self._pace.add(snapshot)
        if self._every_s is None:
            return
        pausing = snapshot.pause_s > 0
        due = snapshot.elapsed_s - self._last_s >= self._every_s
        if due or (pausing and not self._paused):
            self._last_s = snapshot.elapsed_s
            self.say(
                f"{duration(snapshot.elapsed_s)}: {figures(snapshot, self._pace, self._total)}"
            )
        self._paused = pausing
