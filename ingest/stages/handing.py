"""Bodies on their way from the packing to the writers: closed, waiting, in flight.

Equal keys of an upsert never fly at once: a body is handed over only when none in flight shares a
key with it, so the later record in input order wins at the service, too. A body whose answer was
lost may still commit after it was sent again, so its keys are held for as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio
from anyio.abc import ObjectSendStream
from anyio.streams.memory import MemoryObjectReceiveStream

from ingest.model import Batch
from ingest.protocols import Clock

Key = tuple[int, int]


def key_of(batch: Batch) -> Key:
    """What tells bodies apart: parts of one that are made again share its number."""
    return batch.number, batch.offset


class Handing:
    """Knows every body that is closed and has not ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[Key, Batch] = {}
        self._in_flight: dict[Key, Batch] = {}
        self._closed: list[Batch] = []
        self._held: list[tuple[float, frozenset[str]]] = []
        self._ended = anyio.Event()

    @property
    def waiting(self) -> Iterable[Batch]:
        """Bodies that no writer has taken."""
        return self._waiting.values()

    def keep(self, closed: Sequence[Batch]) -> None:
        """These wait from now on to be handed over."""
        self._closed += closed
        self._waiting.update((key_of(batch), batch) for batch in closed)

    def hold(self, batch: Batch, until_s: float) -> None:
        """The keys of a body that may still commit are not sent before that time is over."""
        self._held.append((until_s, batch.keys))

    async def hand_over_all(self, bodies: ObjectSendStream[Batch]) -> None:
        """Give what is closed to the writers, in input order, as they are free."""
        closed, self._closed = self._closed, []
        for batch in closed:
            await self._hand_over(batch, bodies)

    def taken(self, batch: Batch) -> None:
        """A writer has it."""
        self._waiting.pop(key_of(batch), None)

    def take_another(
        self, bodies: MemoryObjectReceiveStream[Batch], taken: list[Batch]
    ) -> Batch | None:
        """The next body for a writer that already has `taken`, if one is packed."""
        try:
            batch = bodies.receive_nowait()
        except (anyio.WouldBlock, anyio.EndOfStream):
            return None
        self.taken(batch)
        taken.append(batch)
        return batch

    def ended(self, batches: Sequence[Batch]) -> None:
        """They are in flight no more."""
        for batch in batches:
            self._in_flight.pop(key_of(batch), None)
        self._ended.set()

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

    async def _until_keys_are_free(self, keys: frozenset[str]) -> None:
        while any(not keys.isdisjoint(other.keys) for other in self._in_flight.values()):
            self._ended = anyio.Event()
            await self._ended.wait()
        now = self._clock.monotonic()
        self._held = [one for one in self._held if one[0] > now]
        wanted = [until_s for until_s, held in self._held if not keys.isdisjoint(held)]
        if wanted:
            await self._clock.sleep(max(wanted) - now)
