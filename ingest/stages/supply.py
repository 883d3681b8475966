"""The way from the source to closed bodies: read, shape, pack.

Blocks are read one at a time and shaped by several threads at once; `pack` is the one task that
sees the results, in input order. It numbers records, writes rejects, counts what is new and fills
bodies. Records that an earlier process settled are passed over without being counted again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing

import anyio
import anyio.to_thread
from anyio.abc import ObjectReceiveStream, ObjectSendStream

from ingest.errors import IngestError, SourceError
from ingest.model import Batch, Block, Reject, Shaped, Slice
from ingest.ordered import Slot, map_in_threads, slots
from ingest.pack import Numbered, Numbering
from ingest.protocols import Packing
from ingest.stages.ends import Ends
from ingest.stages.handing import Handing
from ingest.stages.parts import Pace, Parts, Result


class Supply:
    """Reads until the input or the limit ends, or until it is cancelled (`reading`)."""

    def __init__(
        self,
        parts: Parts,
        pace: Pace,
        packing: Packing,
        kept: tuple[Result, Ends, Handing],
        drain: Callable[[IngestError], None],
    ) -> None:
        self.reading = anyio.CancelScope()
        self.numbering = Numbering(pace.limit)
        self.shaping_s: list[float] = []
        self._parts = parts
        self._pace = pace
        self._packing = packing
        self._result, self._ends, self._handing = kept
        self._drain = drain
        self._unpacked: deque[Slice] = deque()

    @property
    def unpacked(self) -> int:
        """Records that are read and in no body that was closed."""
        return self._packing.pending + sum(part.count for part in self._unpacked)

    async def run(self, bodies: ObjectSendStream[Batch]) -> None:
        """Give closed bodies to the writers."""
        async with bodies:
            with self.reading:
                slots_in, slots_out = slots(self._pace.shapers)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._read, slots_in, tasks)
                    await self._pack(slots_out, bodies)
                    tasks.cancel_scope.cancel()  # the limit was reached: the rest is not read

    @property
    def ending(self) -> bool:
        """Nothing more is read."""
        return self.reading.cancel_called

    async def _read(
        self, shaped: ObjectSendStream[Slot[Shaped]], tasks: anyio.abc.TaskGroup
    ) -> None:
        source = self._parts.source
        async with source.opened(), aclosing(source.blocks()) as blocks:
            try:
                await map_in_threads(blocks, self._shape, shaped, tasks, self._pace.shapers)
            except SourceError as error:  # told after every readable record: those are still sent
                self._result.error = self._result.error or error

    def _shape(self, block: Block) -> Shaped:
        """Shape in a worker thread, and keep the time it took."""
        started = self._parts.clock.monotonic()
        shaped = self._parts.shaper(block)
        self.shaping_s.append(self._parts.clock.monotonic() - started)
        return shaped

    async def _pack(
        self, shaped: ObjectReceiveStream[Slot[Shaped]], bodies: ObjectSendStream[Batch]
    ) -> None:
        async with shaped:
            async for slot in shaped:
                await slot.ready.wait()
                if not slot.result:  # shaping was cancelled, and so are we at the next step
                    continue
                await self._take(slot.result.pop())
                await self._handing.hand_over_all(bodies)
                if self.numbering.done or self.ending:
                    break
        if not self.ending:
            await self._close_the_last()
            await self._handing.hand_over_all(bodies)

    async def _take(self, shaped: Shaped) -> None:
        """Count a block's records, write its rejects, and pack the rest."""
        numbered = self.numbering.number(shaped)
        accounts = self._result.accounts
        accounts.read += self._newly_read(numbered)
        accounts.bytes_read += len(shaped.block.data)
        left = deque(numbered.slices)
        self._unpacked = left  # until a slice is packed, it is counted here
        await self._ends.reject(self._new_rejects(numbered))
        if self._parts.number is not None:
            left.extend(await anyio.to_thread.run_sync(self._numbered, left))
        try:
            while left and not self.ending:
                self._handing.keep(await self._packing.add(left.popleft()))
        except IngestError as error:
            self._drain(error)

    def _numbered(self, left: deque[Slice]) -> list[Slice]:
        assert self._parts.number is not None
        found = self._parts.number(tuple(left))
        left.clear()
        return found

    async def _close_the_last(self) -> None:
        try:
            self._handing.keep(await self._packing.finish())
        except IngestError as error:
            self._drain(error)

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
