"""Packing of a run that is taken up: the recorded cuts first, and only the rest anew.

The journal's intents are the cuts. Every record that comes by is one of three: *settled* (dropped,
and counted in `skipped_settled`), part of a body whose fate is *open* (gathered into exactly that
body: same records, same order, same framing), or in no intent at all (packed anew by `inner`, whose
numbers go on behind the highest recorded one). So a limit that was learned since, a halving or a
new version never shifts a border under a body that may have landed.

A body made again must have the recorded digest (`remade`).

Order holds too: a body is handed on when its last record has come, before any record behind it is
packed. In an upsert, where the later record of a key must win, what was packed anew before it goes
out first, even if that body is not full.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import anyio.to_thread

from ingest.errors import IngestError, SettingsError
from ingest.model import Batch, Slice
from ingest.pack.remade import WAY_ON, Gathered, RecordedIntent, made_again
from ingest.pack.slices import split
from ingest.protocols import Envelope, Packing, SettledRecords

Key = tuple[int, int, int]
_SETTLED, _FREE = -1, -2


@dataclass(frozen=True, slots=True)
class _Run:
    """`count` records of a slice with one owner, between two record numbers."""

    owner: int
    first: int
    last: int
    count: int


class RecutPacking:
    """`protocols.Packing` around another one, for a run that is taken up.

    `recut` holds, for each body made again that was handed on, its intent, by (number, offset,
    count). `limited`: the input may end before all recorded bodies were passed (`--limit`); those
    then stay open, and what was gathered of them is pending.
    """

    def __init__(
        self,
        inner: Packing,
        intents: Sequence[RecordedIntent],
        settled: SettledRecords,
        envelope: Envelope,
        *,
        limited: bool = False,
    ) -> None:
        self.recut: dict[Key, RecordedIntent] = {}
        self.skipped_settled = 0
        self._inner = inner
        self._settled = settled
        self._envelope = envelope
        self._limited = limited
        self._gathered = [Gathered(intent) for intent in intents]
        self._claims = _claims(intents)
        self._stranded = 0

    async def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed, those made again among them.

        Raises SettingsError where a recorded body can't be made again; the slice's records and
        those of batches that it had closed are pending then.
        """
        closed: list[Batch] = []
        rest, before = part, self.pending + self.skipped_settled
        try:
            for one in self._owners(part):
                head, rest = split(rest, one.count)
                closed += await self._give(_within(head, one.first, one.last), one.owner)
        except IngestError:
            self._stranded += before + part.count - self.pending - self.skipped_settled
            raise
        return closed

    async def finish(self) -> list[Batch]:
        """The last batch packed anew. Raises SettingsError for records that did not come again."""
        missing = [one for one in self._gathered if not one.handed_on]
        if missing and not self._limited:
            one = missing[0]
            more = f" (and {len(missing) - 1} more batches)" if len(missing) > 1 else ""
            raise SettingsError(
                f"batch {one.intent.number} was perhaps sent and can't be made again: of its"
                f" {one.intent.records} records ({one.intent.where}) only {one.count} are there"
                f" now{more}",
                WAY_ON,
            )
        return await self._inner.finish()

    @property
    def pending(self) -> int:
        """Records that came and stand in no batch that was handed on."""
        gathered = sum(one.count for one in self._gathered if not one.handed_on)
        return self._inner.pending + gathered + self._stranded

    def lower(self, size_bytes: int) -> None:
        """For what is packed anew; recorded bodies stay as they are."""
        self._inner.lower(size_bytes)

    async def release(self, batch: Batch) -> None:
        """The batch has ended and its rejects are written. A recorded spool itself stays: who
        knows that its intent is settled deletes it."""
        for one in self._gathered:
            if one.places is not None and batch.spool == one.intent.spool:
                await anyio.to_thread.run_sync(one.places.remove)
        await self._inner.release(batch)

    def discard(self) -> None:
        """Delete what was written to the disk to show records as they came. Blocking."""
        for one in self._gathered:
            if one.places is not None:
                one.places.remove()

    async def _give(self, part: Slice, owner: int) -> list[Batch]:
        if owner == _SETTLED:
            self.skipped_settled += part.count
            return []
        if owner == _FREE or self._gathered[owner].handed_on:
            return await self._inner.add(part)
        one = self._gathered[owner]
        part, more = split(part, one.missing)
        if one.places is None:
            one.take(part)
        else:
            await anyio.to_thread.run_sync(one.take, part)
        if one.missing:
            return []
        # In a thread: the digest of 6 MB takes milliseconds, a spool's takes seconds.
        batch = await anyio.to_thread.run_sync(made_again, one, self._envelope)
        one.handed_on, one.parts = True, []
        intent = one.intent
        self.recut[intent.number, intent.offset, intent.count] = intent
        before = await self._inner.finish() if batch.keys else []
        # What stands among a body's records and is not in it was rejected once, and its line was
        # lost: it is sent like any other.
        return [*before, batch, *(await self._inner.add(more) if more.count else [])]

    def _owners(self, part: Slice) -> list[_Run]:
        """Whose the records of `part` are, in order. Numbers without a record (rejected ones) are
        nobody's and part nothing."""
        found: list[_Run] = []
        for first, last, settled in self._settled.stretches(part.file.index, part.first, part.last):
            claims = [(first, last, _SETTLED)] if settled else self._claimed(part, first, last)
            for start, end, owner in claims:
                count = _records_between(part, start, end)
                if not count:
                    continue
                if found and found[-1].owner == owner:
                    before = found[-1]
                    found[-1] = _Run(owner, before.first, end, before.count + count)
                else:
                    found.append(_Run(owner, start, end, count))
        return found

    def _claimed(self, part: Slice, first: int, last: int) -> list[tuple[int, int, int]]:
        """`first` to `last` by the open intents that they stand in."""
        claims = self._claims.get(part.file.index, [])
        found: list[tuple[int, int, int]] = []
        place = bisect_left(claims, first, key=lambda claim: claim[1])
        while first <= last:
            start, end, owner = claims[place] if place < len(claims) else (last + 1, last + 1, 0)
            if start > first:
                found.append((first, min(start - 1, last), _FREE))
            if start <= last:
                found.append((max(start, first), min(end, last), owner))
            first, place = end + 1, place + 1
        return found


def _claims(intents: Sequence[RecordedIntent]) -> dict[int, list[tuple[int, int, int]]]:
    """By file, in order: first, last, and the place of the intent. Raises where two overlap."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for place, intent in enumerate(intents):
        for span in intent.spans:
            if span.file >= 0:  # else the file is gone, and its records won't come
                found.setdefault(span.file, []).append((span.first, span.last, place))
    for claims in found.values():
        claims.sort()
        for (_, last, one), (first, _, other) in pairwise(claims):
            if first <= last:
                numbers = f"batches {intents[one].number} and {intents[other].number}"
                raise IngestError(
                    f"{numbers} are both recorded as holding record {first}", "this is a defect"
                )
    return found


def _within(part: Slice, first: int, last: int) -> Slice:
    """`part` without the rejected numbers outside of `first` to `last`: they are another's gaps,
    and no two recorded spans may overlap."""
    if first <= part.first and part.last <= last:
        return part
    rejected = tuple(number for number in part.rejected if first <= number <= last)
    return replace(part, first=max(part.first, first), last=min(part.last, last), rejected=rejected)


def _records_between(part: Slice, first: int, last: int) -> int:
    rejected = bisect_right(part.rejected, last) - bisect_left(part.rejected, first)
    return last - first + 1 - rejected
