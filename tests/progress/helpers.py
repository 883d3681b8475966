"""What the tests of the watchers share."""

from __future__ import annotations

import io
from typing import Any

from ingest.events import Snapshot, Started

STARTED = Started("20261121-221500-stocks-4f2a", "stocks", "avalanchio host: stock", 2, 1_000_000)


def snapshot(**changes: Any) -> Snapshot:
    """A snapshot in the midst of a load."""
    usual: dict[str, Any] = {
        "elapsed_s": 1.0, "read": 2000, "accepted": 1000, "rejected": 0, "skipped": 0,
        "ambiguous": 0, "unsent": 0, "bytes_read": 500_000, "bytes_sent": 250_000, "in_flight": 4,
        "requests_sent": 2, "retried": 0, "source_bytes": 500_000, "pause_s": 0.0,
        "stage": "loading", "file": None,
    }  # fmt: skip
    return Snapshot(**(usual | changes))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class Gone(Terminal):
    """A stream whose other end has gone away."""

    def write(self, text: str) -> int:
        """Fail as a closed pipe does."""
        raise BrokenPipeError(32, "Broken pipe")


class Full(Terminal):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        """Fail as a full disk does."""
        raise OSError(28, "No space left on device")


def ascii_terminal() -> io.TextIOWrapper:
    """A terminal that takes ASCII only, and complains about anything else."""

    class Wrapper(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    return Wrapper(io.BytesIO(), encoding="ascii", errors="strict", write_through=True)


def written(stream: io.TextIOWrapper) -> str:
    """What such a terminal was given."""
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("ascii")
