"""What arrived, counted: `GET /_sandbox/stats`. Tests and benchmarks compare it with the report.

Only requests that carry records count. A request stands in `by_status` under the status that was
answered, or under `reset` (aborted by a fault) or `disconnected` (the client went away before its
body was whole). `records_accepted` counts what was committed, answered or not. `bytes` are body
bytes as they came over the wire, of whole bodies; sizes of refused bodies (413) are not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct, field

RESET = "reset"
DISCONNECTED = "disconnected"


class Stats(Struct):
    """Running counts; touched from the event loop only."""

    requests: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    records_accepted: int = 0
    bytes: int = 0
    largest_body: int = 0
    largest_records: int = 0
    concurrent: int = 0
    max_concurrent: int = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request for as long as it is served."""
        self.requests += 1
        self.concurrent += 1
        self.max_concurrent = max(self.max_concurrent, self.concurrent)
        try:
            yield
        finally:
            self.concurrent -= 1

    def body(self, size_bytes: int) -> None:
        """Count a whole body."""
        self.bytes += size_bytes
        self.largest_body = max(self.largest_body, size_bytes)

    def accepted(self, records: int) -> None:
        """Count the records of a request that was committed."""
        self.records_accepted += records
        self.largest_records = max(self.largest_records, records)

    def answered(self, status: int | str) -> None:
        """Count how a request ended."""
        self.by_status[str(status)] += 1

    def as_json(self) -> dict[str, object]:
        """All counts; `by_status` by name."""
        return {
            "requests": self.requests,
            "by_status": dict(sorted(self.by_status.items())),
            "records_accepted": self.records_accepted,
            "bytes": self.bytes,
            "largest_body": self.largest_body,
            "largest_records": self.largest_records,
            "concurrent": self.concurrent,
            "max_concurrent": self.max_concurrent,
        }
