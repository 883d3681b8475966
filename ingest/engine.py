"""The walk of a record, from files to receipts.

::

    source ── Block ──▶ read ══▶ shape (a thread a core) ══▶ pack ══▶ write × N ──▶ Receipt
                                                              │                        │
                                                              └──▶ rejects ◀───────────┤
                                                                            accounts ◀─┘

`read` takes blocks from the source, one at a time. `shape` turns each into encoded records and
rejects; several threads do so at once, results keep their order. `pack` is the one task that sees
the records in input order: it numbers them, writes the rejects, counts what was *read*, fills
bodies and hands each closed one over. N writers take bodies and bring each to its end (`delivery`)
under one governor. Every ══▶ is a stream with no buffer or a small one: while the service is slow
nobody reads. There is no other way to slow a stage down, and no queue that grows.

A run that is taken up begins with what an earlier process settled (`Taken`): those records are
passed over where they come by, without being counted again, and bodies that were perhaps sent are
made again by the packing and settled before anything else becomes of them (`delivery`).

How a run ends. *At the end of the input* the last body closes and the writers finish. *Drained*
(an interrupt, the reject limit, a time limit, trouble that stops the run): nothing more is read or
packed, what is in flight comes to its end, what was packed and not yet sent is *unsent*. *Stopped*
(a second interrupt, or the grace is over): in-flight requests are dropped and counted *ambiguous*.
In each case every record that was read has one end, and `Accounts.balanced` is asked, not assumed:
the five ends are counted where they happen, never computed from one another.

Equal keys of an upsert never fly at once: `pack` hands a body over only when no body in flight
shares a key with it, so the later record in input order wins at the service, too. A body whose
answer was lost may still commit after it was sent again, so its keys are held for as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio
import anyio.to_thread
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from ingest.delivery import Delivery, DeliveryRules, Hands, never_sent
from ingest.errors import IngestError, SourceError
from ingest.governor import Governor
from ingest.model import Accounts, Batch, Block, Outcome, Receipt, Reject, Shaped, Slice
from ingest.ordered import Slot, map_in_threads
from ingest.pack import MemoryPacking, Numbered, Numbering
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
from ingest.refused import rejects_of

Key = tuple[int, int]


def key_of(batch: Batch) -> Key:
    """What tells bodies apart: parts of one that are made again share its number."""
    return batch.number, batch.offset


class RejectJudge(Protocol):
    """Says when a run has borne enough rejects."""

    def check(self, rejected: int, read: int, *, final: bool = False) -> None:
        """Raise RejectLimitPassed if the limit is passed."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run that is taken up knows of the processes before: its accounts so far, the records
    that are settled, and which bodies were perhaps sent (`sent_before`: how many seconds ago)."""

    accounts: Accounts = field(default_factory=Accounts)
    settled: SettledRecords | None = None
    sent_before: Callable[[Batch], float | None] = never_sent


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine is put together from. `packing` is in memory unless it is given; `number`
    writes into the records what depends on their numbers, in a thread. `envelope` is the target's
    unless it is given. `note` is told what a person should know, `told` of each
    body's end."""

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


@dataclass(frozen=True, slots=True)
class Pace:
    """How much goes on at once. `shapers` threads, `writers` requests, `limit` records in all."""

    shapers: int = 2
    writers: int = 8
    limit: int | None = None
    rules: DeliveryRules = field(default_factory=DeliveryRules)


@dataclass(slots=True)
class Result:
    """How a run went. `error` is what stopped it, or what the source said at its end."""

    accounts: Accounts
    error: IngestError | None = None
    drained: bool = False
    limited: bool = False
    ambiguous: list[Receipt] = field(default_factory=list)
    per_file: dict[int, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)


class Engine:
    """One run. `run` may be awaited once; `drain` and `stop` may be called from any task."""

    def __init__(self, parts: Parts, pace: Pace) -> None:
        self._parts = parts
        self._pace = pace
        self.accounts = replace(parts.taken.accounts)
        self._result = Result(self.accounts)
        self._numbering = Numbering(pace.limit)
        envelope = parts.envelope or parts.target.envelope
        self._packing = parts.packing or MemoryPacking(envelope)
        self._reading = anyio.CancelScope()
        self._writing = anyio.CancelScope()
        self._ending = False
        self._waiting: dict[Key, Batch] = {}
        self._in_flight: dict[Key, Batch] = {}
        self._ended = anyio.Event()
        self._held: list[tuple[float, frozenset[str]]] = []
        self._closed: list[Batch] = []
        self._unpacked: deque[Slice] = deque()
        self._shaping_s: list[float] = []
        self._refused: list[Receipt] = []
        hands = Hands(
            target=parts.target,
            envelope=envelope,
            governor=parts.governor,
            clock=parts.clock,
            accounts=self.accounts,
            on_end=self._on_end,
            stopping=lambda: self._ending,
            ledger=parts.ledger,
            settler=parts.settler,
            sent_before=parts.taken.sent_before,
            too_large=self._packing.lower,
            hold=self._hold,
            note=parts.note,
        )
        self._delivery = Delivery(hands, pace.rules)

    @property
    def ending(self) -> bool:
        """True once the run drains or stops."""
        return self._ending

    @property
    def latencies_s(self) -> Sequence[float]:
        """How long each attempt took that has ended so far, in that order."""
        return self._delivery.latencies_s

    def drain(self, error: IngestError | None = None) -> None:
        """Read no more, finish what is in flight. `error` is why, if it is trouble."""
        if self._result.error is None:
            self._result.error = error
        self._ending = True
        self._reading.cancel()
        self._delivery.wake()

    def stop(self) -> None:
        """Drop what is in flight, too."""
        self.drain()
        self._writing.cancel()

    async def run(self) -> Result:
        """Load everything. Returns however the run ended; raises only for defects."""
        bodies_in, bodies_out = anyio.create_memory_object_stream[Batch](0)
        with self._writing:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read_to_pack, bodies_in)
                for _ in range(self._pace.writers):
                    tasks.start_soon(self._write, bodies_out.clone())
                bodies_out.close()
        with anyio.CancelScope(shield=True):
            await self._account_for_the_rest()
        self._result.drained = self._ending
        self._result.limited = self._numbering.done
        self._result.per_file = self._numbering.per_file
        self._result.latencies_s = self._delivery.latencies_s
        self._result.stage_seconds = {
            "shape": sum(self._shaping_s),
            "send": sum(self._delivery.latencies_s),
        }
        return self._result

    # --- read, shape, pack ------------------------------------------------------------------

    async def _read_to_pack(self, bodies: ObjectSendStream[Batch]) -> None:
        async with bodies:
            with self._reading:
                slots_in, slots_out = anyio.create_memory_object_stream[Slot[Shaped]](0)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._read, slots_in, tasks)
                    await self._pack(slots_out, bodies)
                    tasks.cancel_scope.cancel()  # the limit was reached: the rest is not read

    async def _read(
        self, slots: ObjectSendStream[Slot[Shaped]], tasks: anyio.abc.TaskGroup
    ) -> None:
        source = self._parts.source
        async with source.opened(), aclosing(source.blocks()) as blocks:
            try:
                await map_in_threads(blocks, self._shape, slots, tasks, self._pace.shapers)
            except SourceError as error:  # told after every readable record: those are still sent
                self._result.error = self._result.error or error

    def _shape(self, block: Block) -> Shaped:
        """Shape in a worker thread, and keep the time it took."""
        started = self._parts.clock.monotonic()
        shaped = self._parts.shaper(block)
        self._shaping_s.append(self._parts.clock.monotonic() - started)
        return shaped

    async def _pack(
        self, slots: ObjectReceiveStream[Slot[Shaped]], bodies: ObjectSendStream[Batch]
    ) -> None:
        async with slots:
            async for slot in slots:
                await slot.ready.wait()
                if not slot.result:  # shaping was cancelled, and so are we at the next step
                    continue
                await self._take(slot.result.pop())
                await self._hand_over_all(bodies)
                if self._numbering.done or self._ending:
                    break
        if not self._ending:
            await self._close_the_last()
            await self._hand_over_all(bodies)

    async def _take(self, shaped: Shaped) -> None:
        """Count a block's records, write its rejects, and pack the rest into `_closed`."""
        numbered = self._numbering.number(shaped)
        self.accounts.read += self._newly_read(numbered)
        self.accounts.bytes_read += len(shaped.block.data)
        left = deque(numbered.slices)
        self._unpacked = left  # until a slice is packed, it is counted here
        await self._reject(self._new_rejects(numbered))
        if self._parts.number is not None:
            left.extend(await anyio.to_thread.run_sync(self._numbered, left))
        try:
            while left and not self._ending:
                self._keep(await self._packing.add(left.popleft()))  # pending until it is closed
        except IngestError as error:
            self.drain(error)

    def _numbered(self, left: deque[Slice]) -> list[Slice]:
        assert self._parts.number is not None
        found = self._parts.number(tuple(left))
        left.clear()
        return found

    async def _close_the_last(self) -> None:
        try:
            self._keep(await self._packing.finish())
        except IngestError as error:
            self.drain(error)

    def _keep(self, closed: Sequence[Batch]) -> None:
        """Batches that were closed wait until they are handed over; here they are counted."""
        self._closed += closed
        self._waiting.update((key_of(batch), batch) for batch in closed)

    def _newly_read(self, numbered: Numbered) -> int:
        """Records that no process before has settled and counted."""
        settled = self._parts.taken.settled
        if settled is None:
            return numbered.read
        return sum(
            to - start + 1
            for file, first, last in numbered.ranges
            for start, to, is_settled in settled.stretches(file, first, last)
            if not is_settled
        )

    def _new_rejects(self, numbered: Numbered) -> Sequence[Reject]:
        settled = self._parts.taken.settled
        if settled is None:
            return numbered.rejects
        found = zip(numbered.rejects, numbered.rejected_in, strict=True)
        return [one for one, file in found if not settled.holds(file, one.record)]

    async def _reject(self, rejects: Sequence[Reject]) -> None:
        """Write rejects, count them, and end the run if they are too many."""
        if not rejects:
            return
        with anyio.CancelScope(shield=True):  # what is counted as rejected is written
            try:
                await self._parts.rejects.write(rejects)
            except IngestError as error:
                self.accounts.unsent += len(rejects)  # silent nowhere: a later run rejects them
                self.drain(error)
                return
            self.accounts.rejected += len(rejects)
        try:
            self._parts.judge.check(self.accounts.rejected, self.accounts.read)
        except IngestError as error:
            self.drain(error)

    async def _hand_over_all(self, bodies: ObjectSendStream[Batch]) -> None:
        closed, self._closed = self._closed, []
        for batch in closed:
            await self._hand_over(batch, bodies)

    def _hold(self, batch: Batch, until_s: float) -> None:
        """The keys of a body that may still commit are not sent before that time is over."""
        self._held.append((until_s, batch.keys))

    async def _until_keys_are_free(self, keys: frozenset[str]) -> None:
        while any(not keys.isdisjoint(other.keys) for other in self._in_flight.values()):
            self._ended = anyio.Event()
            await self._ended.wait()
        clock = self._parts.clock
        self._held = [one for one in self._held if one[0] > clock.monotonic()]
        wanted = [until_s for until_s, held in self._held if not keys.isdisjoint(held)]
        if wanted:
            await clock.sleep(max(wanted) - clock.monotonic())

    async def _hand_over(self, batch: Batch, bodies: ObjectSendStream[Batch]) -> None:
        if batch.keys:
            await self._until_keys_are_free(batch.keys)
        # In flight from here on, so that the next body's keys are held against this one's.
        self._in_flight[key_of(batch)] = batch
        try:
            await bodies.send(batch)
        except BaseException:
            self._in_flight.pop(key_of(batch), None)
            raise

    # --- write ------------------------------------------------------------------------------

    async def _write(self, bodies: ObjectReceiveStream[Batch]) -> None:
        async with bodies:
            async for batch in bodies:
                self._waiting.pop(key_of(batch), None)
                try:
                    await self._delivery.deliver(batch)
                except IngestError as error:
                    self.drain(error)
                finally:
                    self._in_flight.pop(key_of(batch), None)
                    self._ended.set()
                await self._write_refused()
                await self._packing.release(batch)

    def _on_end(self, receipt: Receipt) -> None:
        accounts, count = self.accounts, receipt.batch.records
        if self._parts.told is not None:
            self._parts.told(receipt)
        match receipt.outcome:
            case Outcome.ACCEPTED:
                verdict = receipt.verdict
                accounts.accepted += count - len(verdict.refused) - verdict.doubtful
                accounts.ambiguous += verdict.doubtful
                accounts.superseded += receipt.batch.superseded
                if verdict.doubtful:
                    self._result.ambiguous.append(receipt)
                if verdict.refused:
                    self._refused.append(receipt)
            case Outcome.AMBIGUOUS:
                accounts.ambiguous += count
                self._result.ambiguous.append(receipt)
            case Outcome.UNSENT:
                accounts.unsent += count
            case Outcome.REJECTED:
                self._refused.append(receipt)

    async def _write_refused(self) -> None:
        """Turn refused records into rejects."""
        while self._refused:
            receipt = self._refused.pop()
            await self._reject(await rejects_of(receipt, self._parts.shaper))

    async def _account_for_the_rest(self) -> None:
        """After the tasks: refusals not yet written, bodies not handed over, the open body."""
        await self._write_refused()
        self.accounts.unsent += sum(batch.records for batch in self._waiting.values())
        self.accounts.unsent += self._packing.pending
        self.accounts.unsent += sum(part.count for part in self._unpacked)
        try:
            self._parts.judge.check(self.accounts.rejected, self.accounts.read, final=True)
        except IngestError as error:
            self._result.error = self._result.error or error
