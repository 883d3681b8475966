"""What a run says while it goes: the promise between the engine and whoever watches.

The engine knows no terminal and a watcher knows no engine. Four calls pass between them, all of
them synchronous and quick, because they are made from the loop that also drives the writers.

Duties of a watcher: it never raises and never blocks for long. A terminal that has gone away, a
closed pipe or a full disk behind standard error is no reason for a run to stop, so a watcher that
can't write falls silent. Duties of the caller: `started` once and first, `finished` once and last;
`note` and `tick` in between (a `note` may also come before `started`). Snapshots are totals of the
run, so a watcher may miss any of them. A `BatchWatcher` is told of each batch besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from ingest.model import Receipt

Level = Literal["info", "warning", "error"]
RunStage = Literal["connecting", "loading", "draining", "done"]


class Started(Struct, frozen=True):
    """Told once, before the first block is read.

    `bytes_total` is the size of the inputs as they lie on the disk, None where it is unknown
    (standard input, a FIFO).
    """

    run: str
    job: str
    target: str
    files: int
    bytes_total: int | None


class FileProgress(Struct, frozen=True):
    """How far a body that goes by way of a file is: `done` of `total` bytes up, or records in."""

    stage: Literal["uploading", "processing"]
    done: int
    total: int


class Snapshot(Struct, frozen=True):
    """The run's totals at one instant, told a few times a second.

    `source_bytes` counts raw (compressed) input bytes, to compare with `Started.bytes_total`;
    `bytes_read` counts decompressed ones. `pause_s` > 0: all writers are paused for so long.
    """

    elapsed_s: float
    read: int
    accepted: int
    rejected: int
    skipped: int
    ambiguous: int
    unsent: int
    bytes_read: int
    bytes_sent: int
    in_flight: int
    requests_sent: int
    retried: int
    source_bytes: int
    pause_s: float
    stage: RunStage
    file: FileProgress | None


class Watcher(Protocol):
    """Told what happens; never asked. None of the calls raises."""

    def started(self, started: Started) -> None:
        """The run has an id and is about to read."""
        ...

    def note(self, message: str, *, level: Level = "info") -> None:
        """Something a person should know now: a detected dialect, a pause, a lowered limit."""
        ...

    def tick(self, snapshot: Snapshot) -> None:
        """The totals so far."""
        ...

    def finished(self, report: Mapping[str, Any]) -> None:
        """The run has ended; `report` is the contract's report."""
        ...


@runtime_checkable
class BatchWatcher(Watcher, Protocol):
    """Who wants to know of each batch, too: what collects logs, and no display."""

    def batch(self, receipt: Receipt) -> None:
        """A body has come to its end, after all its attempts; the parts of one that was taken apart
        each for themselves. Bodies that no writer took up have none."""
        ...


def teller(watcher: Watcher) -> Callable[[Receipt], None] | None:
    """How such a watcher is told; None for others, so that nothing is spent on them."""
    return watcher.batch if isinstance(watcher, BatchWatcher) else None
