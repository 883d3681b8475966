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

What is made of what: `stages.supply` is read, shape and pack, `stages.handing` holds the bodies up
to the writers (and equal keys of an upsert apart), `stages.ends` counts. Here they become a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from msgspec.structs import replace

from ingest.delivery import Delivery, Hands
from ingest.errors import IngestError
from ingest.model import Batch
from ingest.pack import MemoryPacking
from ingest.stages.ends import Ends
from ingest.stages.handing import Handing
from ingest.stages.parts import Pace, Parts, Result, Taken
from ingest.stages.supply import Supply

__all__ = ["Engine", "Pace", "Parts", "Result", "Taken"]


class Engine:
    """One run. `run` may be awaited once; `drain` and `stop` may be called from any task."""

    def __init__(self, parts: Parts, pace: Pace) -> None:
        self.accounts = replace(parts.taken.accounts)
        self._writers = pace.writers
        self._result = Result(self.accounts)
        self._writing = anyio.CancelScope()
        envelope = parts.envelope or parts.target.envelope
        self._packing = parts.packing or MemoryPacking(envelope)
        self._handing = Handing(parts.clock)
        self._ends = Ends(parts, self._result, self.drain)
        kept = (self._result, self._ends, self._handing)
        self._supply = Supply(parts, pace, self._packing, kept, self.drain)
        hands = Hands(
            target=parts.target,
            envelope=envelope,
            governor=parts.governor,
            clock=parts.clock,
            accounts=self.accounts,
            on_end=self._ends.end,
            stopping=lambda: self.ending,
            ledger=parts.ledger,
            settler=parts.settler,
            sent_before=parts.taken.sent_before,
            too_large=self._packing.lower,
            hold=self._handing.hold,
            note=parts.note,
            rows_expected=self._rows_expected,
        )
        self._rows_before = parts.rows_before
        self._delivery = Delivery(hands, pace.rules)

    @property
    def ending(self) -> bool:
        """True once the run drains or stops."""
        return self._supply.ending

    @property
    def latencies_s(self) -> Sequence[float]:
        """How long each attempt took that has ended so far, in that order."""
        return self._delivery.latencies_s

    def _rows_expected(self) -> int | None:
        before = self._rows_before()
        return None if before is None else before + self.accounts.accepted

    def drain(self, error: IngestError | None = None) -> None:
        """Read no more, finish what is in flight. `error` is why, if it is trouble."""
        if self._result.error is None:
            self._result.error = error
        self._supply.reading.cancel()
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
                tasks.start_soon(self._supply.run, bodies_in)
                for _ in range(self._writers):
                    tasks.start_soon(self._write, bodies_out.clone())
                bodies_out.close()
        with anyio.CancelScope(shield=True):
            await self._account_for_the_rest()
        result, numbering = self._result, self._supply.numbering
        result.drained = self.ending
        result.limited = numbering.done
        result.per_file = numbering.per_file
        result.latencies_s = self._delivery.latencies_s
        result.stage_seconds = {
            "shape": sum(self._supply.shaping_s),
            "send": sum(self._delivery.latencies_s),
        }
        return result

    async def _write(self, bodies: MemoryObjectReceiveStream[Batch]) -> None:
        async with bodies:
            async for batch in bodies:
                await self._bring_to_its_end(batch, bodies)
                del batch  # nobody holds it while the next one is awaited

    async def _bring_to_its_end(
        self, batch: Batch, bodies: MemoryObjectReceiveStream[Batch]
    ) -> None:
        self._handing.taken(batch)
        taken = [batch]
        another = partial(self._handing.take_another, bodies, taken)
        try:
            await self._delivery.deliver(batch, another)
        except IngestError as error:
            self.drain(error)
        finally:
            self._handing.ended(taken)
        await self._ends.write_refused()
        for one in taken:
            await self._packing.release(one)

    async def _account_for_the_rest(self) -> None:
        """After the tasks: refusals not yet written, bodies not handed over, the open body."""
        await self._ends.write_refused()
        for batch in self._handing.waiting:
            self._ends.leave(batch)
        self.accounts.unsent += self._supply.unpacked
        self._ends.judge_all()
