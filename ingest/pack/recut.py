"""Packing of a run that is taken up: the recorded cuts first, and only the rest anew.

The journal's intents are the cuts. Every record that comes by is one of three: *settled* (dropped,
and counted in `skipped_settled`), part of a body whose fate is *open* (gathered into exactly that
body: same records, same order, same framing), or in no intent at all (packed anew by `inner`, whose
numbers go on behind the highest recorded one). So a limit that was learned since, a halving or a
new version never shifts a border under a body that may have landed.

A body made again must be the recorded one (`remade`). One on the disk is its file, if that is still
whole; else it is filled once more.

Order holds too: a body is handed on when its last record has come, before any record behind it is
packed. In an upsert, where the later record of a key must win, what was packed anew before it goes
out first, even if that body is not full.

What was handed in, is not settled and was not handed out is `pending` at every moment, whatever
ends a call: what it has not got to waits in a queue, and what it has closed for the next one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise

import anyio.to_thread
from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.model import Batch, Slice
from ingest.pack.remade import Gathered, RecordedIntent, did_not_come, made_again
from ingest.pack.slices import split
from ingest.protocols import Envelope, Packing, SettledRecords

Key = tuple[int, int, int]
_SETTLED, _FREE = -1, -2


class _Run(Struct, frozen=True):
    """`count` records of a slice with one owner, between two record numbers."""

    owner: int
    first: int
    last: int
    count: int


class RecutPacking:
    """`protocols.Packing` around another one, for a run that is taken up.

    `recut` holds, for each body made again that was handed on, its intent, by (number, offset,
    count). `limited`: the input may end before all recorded bodies were passed (`--limit`); those
    then stay open, and what was gathered of them is pending. `once_more` gives a packing in which a
    body on the disk is filled whose file was lost.
    """

    def __init__(
        self,
        inner: Packing,
        intents: Sequence[RecordedIntent],
        settled: SettledRecords,
        envelope: Envelope,
        *,
        limited: bool = False,
        once_more: Callable[[], Packing] | None = None,
    ) -> None:
        self.recut: dict[Key, RecordedIntent] = {}
        self.skipped_settled = 0
        self._inner = inner
        self._settled = settled
        self._envelope = envelope
        self._limited = limited
        self._gathered = [Gathered(intent, once_more) for intent in intents]
        self._claims = _claims(intents)
        self._waiting: deque[tuple[Slice, int]] = deque()
        self._closed: list[Batch] = []

    async def add(self, part: Slice) -> list[Batch]:
        """Take one slice; the batches that it closed, those made again among them.

        Raises SettingsError where a recorded body can't be made again; the slice's records and
        those of batches that it had closed are pending then.
        """
        rest = part
        for one in self._owners(part):
            head, rest = split(rest, one.count)
            if one.owner == _SETTLED:
                self.skipped_settled += head.count
            else:
                self._waiting.append((_within(head, one.first, one.last), one.owner))
        await self._work()
        return self._hand_out()

    async def finish(self) -> list[Batch]:
        """The last batch packed anew. Raises SettingsError for records that did not come again."""
        await self._work()
        missing = [one for one in self._gathered if not one.handed_on]
        if missing and not self._limited:
            raise did_not_come(missing)
        self._closed += await self._inner.finish()
        return self._hand_out()

    @property
    def pending(self) -> int:
        """Records that came and stand in no batch that was handed on."""
        gathered = sum(one.count for one in self._gathered if not one.handed_on)
        waiting = sum(part.count for part, _ in self._waiting)
        closed = sum(batch.records for batch in self._closed)
        return self._inner.pending + gathered + waiting + closed

    def lower(self, size_bytes: int) -> None:
        """For what is packed anew; recorded bodies stay as they are."""
        self._inner.lower(size_bytes)

    async def release(self, batch: Batch) -> None:
        """The batch has ended and its rejects are written."""
        for one in self._gathered:
            if batch.spool is not None and one.intent.number == batch.number:
                await anyio.to_thread.run_sync(one.remove_places)
        await self._inner.release(batch)

    def discard(self) -> None:
        """Delete what was written to the disk to show records as they came. Blocking."""
        for one in self._gathered:
            one.remove_places()

    async def _work(self) -> None:
        """Give what waits to whom it belongs. Cut off anywhere, it goes on where it was."""
        while self._waiting:
            part, owner = self._waiting[0]
            if owner == _FREE or self._gathered[owner].handed_on:
                self._waiting.popleft()  # it is the inner one's from here on
                self._closed += await self._inner.add(part)
                continue
            one = self._gathered[owner]
            await one.prepare()
            head, more = split(part, one.missing)
            if head.count:
                head = await one.placed(head)
                self._waiting[0] = more, owner
                await one.take(head)
            if not one.missing:
                await self._hand_on(one)
            if not more.count:
                self._waiting.popleft()

    async def _hand_on(self, one: Gathered) -> None:
        """The body of an intent. What stands among its records and is not in it was rejected once,
        and its line was lost: it is sent like any other, as one behind the body."""
        batch = await made_again(one, self._envelope)
        if batch.keys:
            self._closed += await self._inner.finish()
        self._closed.append(batch)
        one.handed_on, one.parts = True, []
        self.recut[one.intent.number, one.intent.offset, one.intent.count] = one.intent

    def _hand_out(self) -> list[Batch]:
        batches, self._closed = self._closed, []
        return batches

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
