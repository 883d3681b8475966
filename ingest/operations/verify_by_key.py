"""Rows held against records by a key that is unique in the data: evidence key or upsert key.

Chunks of keys are asked for, and each must answer one row. Of an upsert the last record of a key is
the one that counts, and only the members that it names: the others keep what the row had.

Which keys stand twice is found first, in one pass, by 64-bit hashes of all keys (8 bytes a record,
16 while they are sorted). Two keys of one hash are treated as one key twice, which for an evidence
key means *unverified*: with 10^8 keys that happens to one in a run of three thousand.

A row whose key is no record's is in no answer: the table's count tells that it is there.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from random import Random

import orjson
import xxhash

from ingest.operations.verify_expected import Compared, Record
from ingest.protocols import OfValues, Row, Rows

CHUNK = 200
TWICE = "the key stands more than once in the data"
ASKED = "the key can't be asked for safely (a backslash or a NUL in SQL), or is no text or integer"


class ByKey:
    """The comparison of one run. With `last_wins` it was an upsert."""

    def __init__(self, compared: Compared, rows: Rows, key: str, *, last_wins: bool) -> None:
        self._compared = compared
        self._findings = compared.findings
        self._rows = rows
        self._key = key
        self._last_wins = last_wins
        self.keys = 0

    async def held(self, random: Random, sample: int | None = None) -> None:
        """Every record, or `sample` of them."""
        total, doubled = await self._doubled()
        last = await self._last(doubled) if doubled else {}
        chosen = None if sample is None or sample >= total else sample / max(total, 1)
        chunk: dict[bytes, Record] = {}
        superseded = 0
        async with aclosing(self._compared.records()) as records:
            place = -1
            async for record in records:
                place += 1
                key = self._key_of(record)
                if last and last.get(_hash(key), place) != place:
                    superseded += 1
                    continue
                if chosen is not None and random.random() > chosen:
                    continue
                if _hash(key) in doubled and not self._last_wins:
                    self._findings.unverified(TWICE, 1)
                elif not self._can_ask(key):
                    self._findings.unverified(ASKED, 1)
                else:
                    chunk[key] = record
                if len(chunk) == CHUNK:
                    await self._ask(chunk)
                    chunk = {}
        await self._ask(chunk)
        self.keys = total - superseded
        self._findings.counts["keys"] = self.keys

    async def _doubled(self) -> tuple[int, frozenset[int]]:
        """How many records, and the hashes of keys that stand more than once."""
        hashes = array("Q")
        async with aclosing(self._compared.records()) as records:
            async for record in records:
                hashes.append(_hash(self._key_of(record)))
        return len(hashes), frozenset(_twice(sorted(hashes)))

    async def _last(self, doubled: frozenset[int]) -> dict[int, int]:
        """The place of the last record of each such key; none where the last one does not win."""
        found: dict[int, int] = {}
        if not self._last_wins:
            return found
        async with aclosing(self._compared.records()) as records:
            place = 0
            async for record in records:
                hashed = _hash(self._key_of(record))
                if hashed in doubled:
                    found[hashed] = place
                place += 1
        return found

    async def _ask(self, chunk: dict[bytes, Record]) -> None:
        if not chunk:
            return
        there: dict[bytes, list[Row]] = defaultdict(list)
        values = tuple(orjson.loads(key) for key in chunk)
        names = tuple(dict.fromkeys((self._key, *self._compared.columns.names)))
        async with aclosing(
            self._rows.pages(OfValues(self._key, values), names, 2 * CHUNK)
        ) as pages:
            async for rows in pages:
                for row in rows:
                    there[orjson.dumps(row.get(self._key))].append(row)
        for key, record in chunk.items():
            self._judge(record, there.pop(key, []))

    def _judge(self, record: Record, rows: Sequence[Row]) -> None:
        if not rows:
            self._compared.miss(record)
            return
        columns = self._compared.columns
        wanted = columns.canonical(record.read())
        best = next((row for row in rows if columns.canonical(row) == wanted), rows[0])
        self._compared.hold_against(record, best, named_only=self._last_wins)
        if more := len(rows) - 1:
            self._findings.add("doubled", more)
            self._findings.show(record.example("doubled", record.read(), rows[-1]))

    def _key_of(self, record: Record) -> bytes:
        return orjson.dumps(record.read().get(self._key))

    def _can_ask(self, key: bytes) -> bool:
        value = orjson.loads(key)
        return type(value) in (str, int) and self._rows.can_ask(value)


def _hash(key: bytes) -> int:
    return xxhash.xxh3_64_intdigest(key)


def _twice(ordered: Iterable[int]) -> Iterable[int]:
    before = None
    for one in ordered:
        if one == before:
            yield one
        before = one
