"""Rows held against records by derived id: each row's record is known, and each record's row.

All of it (`every`): the files are gone through in chunks of at most `CHUNK_ROWS` records, and for
each chunk the rows of its whole range of ids are asked, rejected records' ids included: so a
missing, a changed and a foreign row are told apart, and no id of the run's is left out. A sample:
records drawn from all files are compared, and the counts over the ranges say whether any is missing
or too many. Memory: one chunk.

A row of the same content under another id is in no range. The table's count tells that it is there
(`whole_table`); where nothing else is in the table, its ids are gone through, and what lies outside
of the ranges is read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from random import Random

from ingest.operations.verify_expected import CHUNK_BYTES, CHUNK_ROWS, Compared, Part, Record
from ingest.operations.verify_findings import Example
from ingest.protocols import ID, OfIds, OfTable, Row, Rows
from ingest.settling.bodies import runs

SAMPLE_CHUNK = 100  # ranges of one id each: as many as go into a query
ID_PAGE_ROWS = 10_000
STRANGERS = 1000

StartOf = Callable[[str], int]
Chunk = tuple[Part, int, list[Record]]


class ById:
    """The comparison of one run. `start_of` gives what a file's record numbers are added to.

    `apart` are ids of the run's whose rows can't be compared: they are nobody else's, either.
    """

    def __init__(
        self,
        compared: Compared,
        rows: Rows,
        start_of: StartOf,
        apart: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._compared = compared
        self._findings = compared.findings
        self._rows = rows
        self._start_of = start_of
        self._apart = apart
        self.present = 0  # rows with an id of the run's

    async def every(self) -> None:
        """Every record and every row in the ranges."""
        reached: dict[str, int] = {}
        async with aclosing(self._chunks()) as chunks:
            async for part, last, records in chunks:
                low = reached.get(part.file, self._compared.claims[part.file].before) + 1
                reached[part.file] = max(last, low - 1)
                await self._chunk(part.file, low, last, records)
        for file, claim in self._compared.claims.items():  # behind the last record with a row to be
            done = reached.get(file, claim.before)
            if done < claim.records:
                await self._chunk(file, done + 1, claim.records, [])

    async def sampled(self, sample: int, random: Random) -> None:
        """`sample` records, and the counts over all ranges."""
        total = sum(claim.expected for claim in self._compared.claims.values())
        wanted = iter(sorted(random.sample(range(total), min(sample, total))))
        missing = self._findings.differences["missing"]
        chosen: list[Record] = []
        async with aclosing(_chosen(self._compared, wanted)) as records:
            async for record in records:
                chosen.append(record)
                if len(chosen) == SAMPLE_CHUNK:
                    await self._some(chosen)
                    chosen = []
        await self._some(chosen)
        await self._count(total, self._findings.differences["missing"] - missing)

    async def _count(self, total: int, known_missing: int) -> None:
        claims = self._compared.claims.values()
        self.present = await self._rows.count(OfIds(self.ranges()))
        perhaps = sum(claim.open.records for claim in claims)
        self._findings.counts |= {"expected": total, "with_ids_of_the_run": self.present}
        self._findings.add("missing", total - self.present - known_missing)
        self._findings.add("foreign", self.present - total - perhaps)

    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The ids of all the run's records, a range a file."""
        found = ((self._start_of(c.shown), c) for c in self._compared.claims.values())
        return tuple((start + claim.before + 1, start + claim.records) for start, claim in found)

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self._compared.expected.parts()) as parts:
            async for part in parts:
                for chunk in _cut(part, list(self._compared.of_part(part))):
                    yield chunk

    async def _chunk(self, file: str, low: int, high: int, records: Sequence[Record]) -> None:
        start = self._start_of(file)
        there = await self._asked(((start + low, start + high),), high - low + 1)
        self.present += len(there)
        for record in records:
            self._judge(record, there.pop(start + record.number, None))
        for id_, row in sorted(there.items()):
            self._stranger(file, id_ - start, row)

    async def _some(self, records: Sequence[Record]) -> None:
        ids = [self._start_of(one.part.file) + one.number for one in records]
        if not ids:
            return
        there = await self._asked(tuple(runs(sorted(ids))), len(ids))
        for id_, record in zip(ids, records, strict=True):
            self._judge(record, there.get(id_))

    async def _asked(self, ranges: tuple[tuple[int, int], ...], most: int) -> dict[int, Row]:
        there: dict[int, Row] = {}
        page_rows = min(most, CHUNK_ROWS)
        pages = self._rows.pages(OfIds(ranges), self._compared.columns.names, page_rows)
        async with aclosing(pages):
            async for rows in pages:
                there |= {row[ID]: row for row in rows}
        return there

    def _judge(self, record: Record, row: Row | None) -> None:
        if row is None:
            self._compared.miss(record)
        else:
            self._compared.hold_against(record, row)

    def _stranger(self, file: str, number: int, row: Row) -> None:
        """A row whose record must not have one, or need not."""
        if self._compared.status(file, number) not in ("rejected", "none"):
            return  # ambiguous, or mended since: said elsewhere
        self._findings.add("foreign")
        self._findings.show(Example("foreign", file, None, number, found=row))

    async def strangers(self, number: int) -> None:
        """`number` rows are too many in a table that held nothing else: find and name them."""
        ids = await self._outside(min(number, STRANGERS))
        rows = await self._asked(tuple(runs(ids)), len(ids)) if ids else {}
        columns = self._compared.columns
        left = set(map(columns.canonical, rows.values()))
        twins: dict[bytes, Record] = {}
        async with aclosing(self._compared.records()) as records:
            async for record in records:
                key = columns.canonical(record.read())
                if key in left:
                    twins.setdefault(key, record)
        for row in rows.values():
            twin = twins.get(columns.canonical(row))
            self._findings.add("doubled" if twin else "foreign")
            self._findings.show(
                twin.example("doubled", None, row) if twin else Example("foreign", found=row)
            )
        self._findings.add("foreign", number - len(rows))

    async def _outside(self, most: int) -> list[int]:
        found: list[int] = []
        ranges = sorted((*self.ranges(), *self._apart))
        pages = self._rows.pages(OfTable(), (), ID_PAGE_ROWS)
        async with aclosing(pages):
            async for rows in pages:
                found += _not_in([row[ID] for row in rows], ranges)
                if len(found) >= most:
                    break
        return found[:most]


def _cut(part: Part, records: list[Record]) -> Iterator[Chunk]:
    """A part in chunks; the last one goes to the part's end."""
    start = size = 0
    for place, record in enumerate(records):
        size += len(record.line)
        span = record.number - (records[start].number if start < place else record.number)
        if place > start and (span >= CHUNK_ROWS or size > CHUNK_BYTES):
            chunk = records[start:place]
            yield part, chunk[-1].number, chunk
            start, size = place, len(record.line)
    if rest := records[start:]:
        yield part, part.last, rest


def _not_in(ids: Sequence[int], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The ids that are in none of the ranges; both are ascending."""
    found = []
    place = 0
    for id_ in ids:
        while place < len(ranges) and ranges[place][1] < id_:
            place += 1
        if place == len(ranges) or id_ < ranges[place][0]:
            found.append(id_)
    return found


async def _chosen(compared: Compared, wanted: Iterator[int]) -> AsyncGenerator[Record, None]:
    """The records at these places among all of them."""
    following = next(wanted, None)
    place = 0
    async with aclosing(compared.records()) as records:
        async for record in records:
            if following is None:
                return
            if place == following:
                yield record
                following = next(wanted, None)
            place += 1
