"""A service made by hand, batches for it, and a run of a delivery alone: no sockets, no files.

Records are the numbers from 0 as text; `bad` are those that the service refuses. What it says of
them is a function of the body's records and of those that are bad (places, ascending).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import orjson

from ingest.delivery import Delivery, DeliveryRules, Hands, never_sent
from ingest.errors import IngestError, Permanent, Trouble
from ingest.governor import Governor
from ingest.model import (
    Accounts,
    Batch,
    FileInfo,
    Limits,
    Outcome,
    Receipt,
    Slice,
    Verdict,
)
from ingest.pack import MemoryEnvelope, Packer
from ingest.protocols import Ledger, Settler, Stamper
from tests.fakes import JumpingClock

Says = Callable[[int, Sequence[int]], int | None]
END = b",\n"


def names_first(count: int, bad: Sequence[int]) -> int | None:
    """As the sandbox does."""
    return bad[0]


def names_none(count: int, bad: Sequence[int]) -> int | None:
    """As aito does."""
    return None


def records_in(batch: Batch) -> list[int]:
    """The records of a body, read back from its bytes."""
    records: list[int] = orjson.loads(b"".join(batch.body))
    return records


@dataclass(repr=False)
class Service:
    """`lands` says what a refused body leaves in the table: places of records in it."""

    bad: Collection[int] = ()
    says: Says = names_first
    lands: Callable[[int, Sequence[int]], Iterable[int]] = lambda count, bad: ()
    limit_bytes: int = 10**9
    trouble: Callable[[Batch, int], Trouble | None] = lambda batch, attempt: None
    unique: bool = False
    stamp: Stamper | None = None
    count_error: IngestError | None = None
    counts: bool = True
    table: list[int] = field(default_factory=list)
    sent: list[list[int]] = field(default_factory=list)
    counted: int = 0
    under_way: int = 0
    seen_at_counts: list[int] = field(default_factory=list)
    others: Callable[[int], int] = lambda counted: 0
    shown: str = "a service"

    @property
    def envelope(self) -> MemoryEnvelope:
        return MemoryEnvelope(b"[", b"]", END, Limits(10**6, 10**9), self.stamp)

    async def send(self, batch: Batch) -> Verdict:
        records = records_in(batch)
        assert len(records) == batch.count
        assert sum(map(len, batch.body)) == batch.size_bytes
        self.sent.append(records)
        self.under_way += 1
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            self.under_way -= 1
        self._take(batch, records)
        return Verdict(batch.count)

    def _take(self, batch: Batch, records: list[int]) -> None:
        trouble = self.trouble(batch, len(self.sent))
        if trouble is not None:
            raise trouble
        wrong = {*self.bad, *self.table} if self.unique else frozenset(self.bad)
        if not wrong.isdisjoint(records):
            bad = [place for place, one in enumerate(records) if one in wrong]
            self.table += [records[place] for place in self.lands(len(records), bad)]
            named = self.says(len(records), bad)
            raise Permanent(f"{len(bad)} are bad", status=400, record=named)
        self.table += records

    async def count(self) -> int | None:
        self.counted += 1
        self.seen_at_counts.append(self.under_way)
        await anyio.lowlevel.checkpoint()
        if self.count_error is not None:
            raise self.count_error
        return len(self.table) + self.others(self.counted) if self.counts else None


def answered(batch: Batch) -> list[int]:
    """The records that a batch answers for, those among them that it supersedes, too."""
    parts = (*batch.slices, *batch.dropped)
    return [n - 1 for part in parts for n in range(part.first, part.last + 1)]


def batches_of(count: int, size: int, envelope: MemoryEnvelope | None = None) -> list[Batch]:
    """`count` records in batches of `size`."""
    packer = Packer(envelope or MemoryEnvelope(b"[", b"]", END, Limits(size, 10**9)))
    return [*packer.add(_slice(count)), *packer.finish()]


_slices: dict[int, Slice] = {}


def _slice(count: int) -> Slice:
    if count not in _slices:
        texts = [b"%d,\n" % n for n in range(count)]
        data = b"".join(texts)
        info = FileInfo(0, "made.csv")
        _slices[count] = Slice(info, data, 0, len(data), count, 1, count)
    return _slices[count]


@dataclass(repr=False)  # asyncio would write all of it out
class Ran:
    """How a run ended: receipts as they came, what stopped it, what it said."""

    batches: int
    accounts: Accounts
    receipts: list[Receipt]
    notes: list[str]
    lowered: list[int]
    error: IngestError | None = None

    def ended(self, outcome: Outcome) -> list[int]:
        """The records that ended so."""
        found: list[int] = []
        for receipt in self.receipts:
            if receipt.outcome is outcome:
                found += answered(receipt.batch)
        return sorted(found)

    @property
    def extra(self) -> int:
        """Requests besides one a batch."""
        return self.accounts.requests_sent - self.batches


@dataclass(repr=False)
class Writers:
    """`count` writers that share a delivery; whoever meets an error ends the run."""

    service: Service
    count: int = 8
    rules: DeliveryRules = field(default_factory=DeliveryRules)
    ledger: Ledger | None = None
    settler: Settler | None = None
    sent_before: Callable[[Batch], float | None] = never_sent
    counts_known: bool = False
    ending: bool = False
    ran: Ran | None = None
    waiting: Iterator[Batch] = field(default_factory=lambda: iter(()))

    async def run(self, batches: Sequence[Batch]) -> Ran:
        """Deliver all; each record must have one end, and no turn may be left behind."""
        ran = self.ran = Ran(len(batches), Accounts(), [], [], [])
        hands = Hands(
            target=self.service,  # type: ignore[arg-type]  # it has what a delivery asks for
            envelope=self.service.envelope,
            governor=Governor(self.count, None, 300.0, random.Random(7).random),
            clock=JumpingClock(),
            accounts=ran.accounts,
            on_end=ran.receipts.append,
            stopping=lambda: self.ending,
            ledger=self.ledger,
            settler=self.settler,
            sent_before=self.sent_before,
            too_large=ran.lowered.append,
            note=ran.notes.append,
            rows_expected=lambda: len(ran.ended(Outcome.ACCEPTED)) if self.counts_known else None,
        )
        delivery = Delivery(hands, self.rules)
        self.waiting = iter(batches)

        async def write() -> None:
            for batch in self.waiting:
                try:
                    await delivery.deliver(batch, lambda: next(self.waiting, None))
                except IngestError as error:
                    ran.error = ran.error or error
                    self.ending = True
                    delivery.wake()

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for _ in range(self.count):
                    tasks.start_soon(write)
        self.check(batches)
        return ran

    def check(self, batches: Sequence[Batch]) -> None:
        """Each record has one end, and no attempt is left."""
        ran = self.ran
        assert ran is not None
        for batch in self.waiting:  # what the engine counts as never handed over
            ran.receipts.append(Receipt(batch, Outcome.UNSENT, 0, 0))
        ends = Counter(n for outcome in Outcome for n in ran.ended(outcome))
        assert ends == Counter(n for batch in batches for n in answered(batch))
        assert ran.accounts.in_flight == 0
        assert ran.accounts.requests_sent == len(self.service.sent)


def delivered(
    service: Service, batches: Sequence[Batch], writers: int = 8, rules: DeliveryRules | None = None
) -> Ran:
    """Run on asyncio; for laws over many arrangements."""

    async def go() -> Ran:
        return await Writers(service, writers, rules or DeliveryRules()).run(batches)

    return anyio.run(go)
