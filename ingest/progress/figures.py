"""The figures behind every display: speed, time left, and the lines that name them.

Pure: a snapshot carries its own time, so the same snapshots give the same words.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from ingest.display import count, duration, plural, size
from ingest.events import FileProgress, Level, Snapshot, Started

PREFIXES: dict[Level, str] = {"info": "", "warning": "warning: ", "error": "error: "}


class Pace:
    """Speed and time left over the last seconds, from snapshots alone."""

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int, int]] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """Take a snapshot in; those older than the window fall out, but for one to measure from."""
        self._seen.append((snapshot.elapsed_s, snapshot.accepted, snapshot.source_bytes))
        oldest_s = snapshot.elapsed_s - self._window_s
        while len(self._seen) > 2 and self._seen[1][0] <= oldest_s:
            self._seen.popleft()

    @property
    def records_per_s(self) -> float:
        """Records accepted a second within the window; 0 before there are two snapshots."""
        return self._slope(1)

    def left_s(self, bytes_total: int | None) -> float | None:
        """Seconds until all input is read at this pace; None where it can't be known."""
        speed = self._slope(2)
        if bytes_total is None or speed <= 0:
            return None
        return max(0.0, (bytes_total - self._seen[-1][2]) / speed)

    def _slope(self, place: Literal[1, 2]) -> float:
        if len(self._seen) < 2:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        seconds = last[0] - first[0]
        return (last[place] - first[place]) / seconds if seconds > 0 else 0.0


def begins(started: Started) -> str:
    """The first line: `20261121-…: stocks to avalanchio …, 12 files, 1.24 GB`."""
    parts = [f"{started.run}: {started.job} to {started.target}", plural(started.files, "file")]
    if started.bytes_total is not None:
        parts.append(size(started.bytes_total))
    return ", ".join(parts)


def figures(snapshot: Snapshot, pace: Pace, bytes_total: int | None) -> str:
    """The figures in one line; what is zero and no news is left out."""
    parts = [
        f"{count(snapshot.read)} read",
        f"{count(snapshot.accepted)} accepted",
        f"{pace.records_per_s:,.0f}/s",
        f"{size(snapshot.bytes_sent)} sent",
        f"{snapshot.in_flight} in flight",
    ]
    for number, noun in (
        (snapshot.skipped, "skipped"),
        (snapshot.retried, "retried"),
        (snapshot.rejected, "rejected"),
        (snapshot.ambiguous, "ambiguous"),
        (snapshot.unsent, "unsent"),
    ):
        if number:
            parts.append(f"{count(number)} {noun}")
    if snapshot.file is not None:
        parts.append(file_progress(snapshot.file))
    left_s = pace.left_s(bytes_total)
    if left_s and snapshot.stage == "loading":
        parts.append(f"{duration(left_s)} left")
    if snapshot.pause_s > 0:
        parts.append(f"PAUSED for {duration(snapshot.pause_s)} as the service asked")
    elif snapshot.stage != "loading":
        parts.append(snapshot.stage)
    return ", ".join(parts)


def file_progress(file: FileProgress) -> str:
    """A body on its way by file: `uploading 120 MB of 500 MB`, `1,200 of 5,000 processed`."""
    if file.stage == "uploading":
        return f"uploading {size(file.done)} of {size(file.total)}"
    return f"{count(file.done)} of {count(file.total)} processed"
