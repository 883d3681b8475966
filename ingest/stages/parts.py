"""What an engine is given, and what comes of its run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct, field

from ingest.delivery import DeliveryRules, never_sent
from ingest.errors import IngestError
from ingest.governor import Governor
from ingest.model import Accounts, Batch, Receipt, Slice
from ingest.protocols import (
    Clock,
    Envelope,
    Ledger,
    Packing,
    RejectSink,
    SettledRecords,
    Settler,
    Shaper,
    Source,
    Target,
)


class RejectJudge(Protocol):
    """Says when a run has borne enough rejects."""

    def check(self, rejected: int, read: int, *, final: bool = False) -> None:
        """Raise RejectLimitPassed if the limit is passed."""
        ...


class Taken(Struct, frozen=True):
    """What a run that is taken up knows of the processes before: its accounts so far, the records
    that are settled, and which bodies were perhaps sent (`sent_before`: how many seconds ago)."""

    accounts: Accounts = field(default_factory=Accounts)
    settled: SettledRecords | None = None
    sent_before: Callable[[Batch], float | None] = never_sent


class Parts(Struct, frozen=True):
    """What an engine is put together from. `packing` is in memory unless it is given; `number`
    writes into the records what depends on their numbers, in a thread. `envelope` is the target's
    unless it is given. `note` is told what a person should know, `told` of each
    body's end. `rows_before` are those that the table had before the run's first request, None
    where that is not known."""

    source: Source
    shaper: Shaper
    target: Target
    rejects: RejectSink
    judge: RejectJudge
    governor: Governor
    clock: Clock
    ledger: Ledger | None = None
    settler: Settler | None = None
    packing: Packing | None = None
    taken: Taken = field(default_factory=Taken)
    number: Callable[[Sequence[Slice]], list[Slice]] | None = None
    envelope: Envelope | None = None
    note: Callable[[str], None] = lambda _words: None
    told: Callable[[Receipt], None] | None = None
    rows_before: Callable[[], int | None] = lambda: None


class Pace(Struct, frozen=True):
    """How much goes on at once. `shapers` threads, `writers` requests, `limit` records in all."""

    shapers: int = 2
    writers: int = 8
    limit: int | None = None
    rules: DeliveryRules = field(default_factory=DeliveryRules)


class Result(Struct):
    """How a run went. `error` is what stopped it, or what the source said at its end."""

    accounts: Accounts
    error: IngestError | None = None
    drained: bool = False
    limited: bool = False
    ambiguous: list[Receipt] = field(default_factory=list)
    per_file: dict[int, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)
