"""Rows held against records as multisets: where no row can be asked for by its record.

The rows are those of the run's stamps, or all of a table that held nothing else. What is found is
exact: which rows are missing, and which are too many. That a missing and an extra row are one that
was *changed* is inferred, where at most half of their cells differ. A sample goes the other way
round: rows drawn from the table must each be one of the records; a missing one shows in the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random

import orjson

from ingest.operations.verify_expected import Compared, Record
from ingest.operations.verify_findings import Difference, Example
from ingest.operations.verify_multiset import Resolved, Sketch, bucket_of, paired
from ingest.protocols import OfStamps, OfTable, Row, Rows

PAGE_ROWS = 2000
PAGE_BYTES = 4_000_000
RESOLVED_ROWS = 200_000
DRAWS = 50


class ByRows:
    """The comparison of one run."""

    def __init__(self, compared: Compared, rows: Rows, scope: OfTable | OfStamps) -> None:
        self._compared = compared
        self._columns = compared.columns
        self._findings = compared.findings
        self._rows = rows
        self._scope = scope
        self._page_rows = PAGE_ROWS
        # A row too many of a stamp is no doubled one unless it is a twin; of the run it is still.
        self._odd: Difference = "foreign"

    async def every(self) -> None:
        """Every record and every row."""
        wanted, there = Sketch(), Sketch()
        size_bytes = 0
        async with aclosing(self._compared.records()) as records:
            async for record in records:
                wanted.add(self._columns.canonical(record.read()))
                size_bytes += len(record.line)
        self._fit_pages(size_bytes, wanted.rows)
        async with aclosing(self._pages()) as pages:
            async for rows in pages:
                for row in rows:
                    there.add(self._columns.canonical(row))
        self._findings.checked += wanted.rows
        self._findings.counts |= {"expected": wanted.rows, "found": there.rows}
        if differing := wanted.differing(there):
            chosen, others = wanted.chosen(there, differing, RESOLVED_ROWS)
            for more in others:
                self._findings.add("missing", more)
                self._findings.add(self._odd, -more)
                self._findings.add("changed", int(not more))
            await self._resolve(chosen)

    async def sampled(self, sample: int, random: Random) -> None:
        """`sample` rows of the table, and the counts."""
        found = await self._drawn(sample, random)
        left = Counter(self._columns.canonical(row) for row in found)
        wanted = 0
        async with aclosing(self._compared.records()) as records:
            async for record in records:
                wanted += 1
                if left:
                    left.pop(self._columns.canonical(record.read()), None)
        there = await self._rows.count(self._scope)
        self._findings.checked += len(found)
        self._findings.counts |= {"expected": wanted, "found": there}
        self._findings.add("missing", wanted - there)
        self._findings.add("foreign", there - wanted)
        for row in found:
            if self._columns.canonical(row) in left:
                self._findings.add("changed")
                self._findings.show(Example("changed", found=row))

    async def _drawn(self, sample: int, random: Random) -> list[Row]:
        """Rows from some places of the table, each once."""
        total = await self._rows.count(self._scope)
        width = max(1, -(-min(sample, total) // DRAWS))
        places = range(0, total, width)
        chosen = sorted(random.sample(places, min(len(places), -(-sample // width))))
        found: list[Row] = []
        for offset in chosen:
            found += await self._rows.at(self._scope, self._columns.names, offset, width)
        return found[:sample]

    async def _resolve(self, buckets: frozenset[int]) -> None:
        """Name the rows of the buckets that differ, by going through both sides once more."""
        resolved = Resolved()
        async with aclosing(self._compared.records()) as records:
            async for record in records:
                key = self._columns.canonical(record.read())
                if bucket_of(key) in buckets:
                    resolved.expected[key] += 1
        async with aclosing(self._pages()) as pages:
            async for rows in pages:
                keys = map(self._columns.canonical, rows)
                resolved.found.update(key for key in keys if bucket_of(key) in buckets)
        await self._judge(resolved)

    async def _judge(self, resolved: Resolved) -> None:
        missing, extra = resolved.missing(), resolved.extra()
        doubled = Counter({key: n for key, n in extra.items() if key in resolved.expected})
        strange = extra - doubled
        most = len(self._columns.names) // 2 or 1
        pairs = list(paired(_listed(missing), _listed(strange), _unlike, most))
        gone = missing - Counter(one for one, _ in pairs)
        odd = strange - Counter(other for _, other in pairs)
        self._findings.add("changed", len(pairs))
        self._findings.add("missing", gone.total())
        self._findings.add("doubled", doubled.total())
        self._findings.add(self._odd, odd.total())
        where = await self._places({one for one, _ in pairs} | gone.keys() | doubled.keys())
        for one, other in pairs:
            self._changed(where.get(one), one, other)
        for kind, keys in (("missing", gone), ("doubled", doubled)):
            for key in keys:
                self._show(kind, where.get(key), key)  # type: ignore[arg-type]  # two of the kinds
        for key in odd:
            self._findings.show(Example(self._odd, found=self._row(key)))

    def _changed(self, record: Record | None, one: bytes, other: bytes) -> None:
        expected, found = self._row(one), self._row(other)
        for column, wanted, there in self._columns.differences(expected, found):
            if record is not None:
                self._findings.show(record.example("changed", wanted, there, column))

    def _show(self, kind: Difference, record: Record | None, key: bytes) -> None:
        if record is not None and self._findings.wants_examples:
            row = self._row(key)
            there = row if kind == "doubled" else None
            self._findings.show(record.example(kind, row, there))

    async def _places(self, keys: set[bytes]) -> dict[bytes, Record]:
        """A record for each of these rows, for the first so many that are shown."""
        found: dict[bytes, Record] = {}
        if not keys:
            return found
        async with aclosing(self._compared.records()) as records:
            async for record in records:
                key = self._columns.canonical(record.read())
                if key in keys and key not in found:
                    found[key] = record
                    if len(found) == min(len(keys), 2 * PLACES):
                        break
        return found

    def _pages(self) -> AsyncGenerator[list[Row], None]:
        return self._rows.pages(self._scope, self._columns.names, self._page_rows)

    def _fit_pages(self, size_bytes: int, rows: int) -> None:
        if rows:
            self._page_rows = max(1, min(PAGE_ROWS, PAGE_BYTES * rows // max(size_bytes, 1)))

    def _row(self, key: bytes) -> Row:
        return dict(zip(self._columns.names, orjson.loads(key), strict=True))


PLACES = 20


def _listed(rows: Counter[bytes]) -> list[bytes]:
    return sorted(rows.elements())


def _unlike(one: bytes, other: bytes) -> int:
    pairs = zip(orjson.loads(one), orjson.loads(other), strict=True)
    return sum(orjson.dumps(a) != orjson.dumps(b) for a, b in pairs)
