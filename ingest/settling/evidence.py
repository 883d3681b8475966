"""Settling by evidence: values of a unique key show whether a batch that lands whole is there.

What it rests on, and whose word that is:

- batches land whole or not at all: the service's (aito's batch and stream);
- the key is unique in the data: the user's, by setting `evidence_key`. Two sampled records with one
  value, or a value that is in the table twice, show the word to be wrong and settle nothing; beyond
  that it is not checked, since it would need a memory of every key;
- the values were not in the table before: a table that was empty at the run's start proves it,
  else each body's sampled values are looked up before its first attempt (`prepare`). If one was
  there, or nobody could say, presence proves nothing for that body: the evidence is void.

A few values stand for the body: of the first record, of one in the middle and of the last. If they
disagree even after the server's time, the service's word is wrong, and nothing is settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ingest.model import Batch, Span
from ingest.protocols import Clock
from ingest.settling.bodies import Framed, content, sampled
from ingest.settling.looks import (
    Look,
    Note,
    Patience,
    SettleRules,
    WaitUntil,
    answered,
    silent,
    watched,
)


class CountsKeys(Protocol):
    """What the evidence needs of a target."""

    @property
    def envelope(self) -> Framed:
        """How its bodies are framed."""
        ...

    async def count_where(self, column: str, value: str | int) -> int:
        """Rows whose `column` is exactly `value`; IngestError where it can't be asked."""
        ...

    async def count_any(self, column: str, values: Sequence[str | int]) -> int:
        """Rows whose `column` is one of `values`; IngestError where it can't be asked."""
        ...


class EvidenceSettler:
    """`protocols.Settler` by a key that is unique in the data."""

    def __init__(
        self,
        target: CountsKeys,
        column: str,
        rules: SettleRules,
        clock: Clock,
        rows_before: int | None,
        note: Note = silent,
    ) -> None:
        """`rows_before`: rows in the table before the run's first batch, None where unknown."""
        self._target = target
        self._column = column
        self._rules = rules
        self._clock = clock
        self._empty_before = rows_before == 0
        self._note = note
        self._noted: set[str] = set()
        self._good: set[tuple[int, tuple[Span, ...]]] = set()

    async def prepare(self, batch: Batch) -> bool:
        """Before the body's first attempt: whether its presence will prove anything.

        Asks nothing where the table was empty. A journal may keep the answer for a later `trust`.
        """
        if not self._empty_before:
            keys = self._keys(batch)
            if not keys or not await self._absent(keys):
                return False
            self.trust(batch)
        return True

    def trust(self, batch: Batch) -> None:
        """`prepare` was True for this very body in a run before this one."""
        self._good.add((batch.number, batch.spans))

    async def settle(
        self,
        batch: Batch,
        since_s: float,
        wait_until: WaitUntil,
        landed: int | None = 0,  # noqa: ARG002 - other halves have other keys
    ) -> bool | None:
        """See `protocols.Settler`."""
        keys = self._keys(batch)
        if not keys or not (self._empty_before or (batch.number, batch.spans) in self._good):
            return None

        async def look() -> Look:
            return await self._look(keys)

        patience = Patience(since_s + self._rules.longest_server_s, self._clock, wait_until)
        seen = await watched(look, patience)
        if seen is Look.TORN:
            self._say(
                f"of a few records of batch {batch.number} some are in the table and some are not:"
                f" the service took a part of it, or {self._column} is not unique in the data"
            )
        return {Look.WHOLE: True, Look.ABSENT: False}.get(seen)

    async def _absent(self, keys: list[str | int]) -> bool:
        found = await answered(self._target.count_any(self._column, keys), self._say)
        if found:
            self._say(
                f"values of {self._column} are in the table already: for batches with such values"
                " it can't settle a lost answer"
            )
        return found == 0

    async def _look(self, keys: list[str | int]) -> Look:
        counts = []
        for key in keys:
            count = await answered(self._target.count_where(self._column, key), self._say)
            if count is None:
                return Look.UNKNOWN
            counts.append(count)
        if max(counts) > 1:
            self._say(f"{self._column} is not unique: it can't settle a lost answer")
            return Look.UNKNOWN
        if sum(counts) == 0:
            return Look.ABSENT
        return Look.WHOLE if all(counts) else Look.TORN

    def _keys(self, batch: Batch) -> list[str | int]:
        """The sampled values; none where one is no text or integer, or stands twice."""
        frame = self._target.envelope
        records = content(batch, frame)
        found = [] if records is None else sampled(records, frame, self._column)
        if not all(type(value) in (str, int) for value in found):
            self._say(
                f"records without a text or an integer in {self._column}:"
                " it can't settle a lost answer for their batches"
            )
            return []
        if len(set(found)) < len(found):
            self._say(f"{self._column} is not unique: it can't settle a lost answer")
            return []
        return found

    def _say(self, message: str) -> None:
        """Once, however often it is found."""
        if message not in self._noted:
            self._noted.add(message)
            self._note(message)
