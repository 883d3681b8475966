"""Going through a run's rows to judge them, and to delete them in bounded sets.

Both go the same way, so what was counted before a person said yes is what is judged again, row by
row, right before each deletion: a set is read, held against what the run sent, and only then are
its rows named and deleted; the counts are asked after each (`undo_rules.check_deleted`). Between
the reading and the deletion of a set somebody may still change a row of it: that is a moment, and
the service offers nothing to close it.

By id: the records in chunks, a range of ids each. Of files that can't be read again the ids are
known all the same, and their rows count as changed. By stamp: one stamp after the other; a row is
own if its content is among what was sent, known by 64 bits of hash (8 bytes a record; a changed row
passes for an own one with a chance of records / 2^64). Where rows have no ids, a stamp's rows go
together or stay together.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import xxhash
from msgspec import Struct, field

from ingest.errors import TargetError
from ingest.operations.undo_rules import Fate, Tally, check_deleted
from ingest.operations.verify_claims import FileClaim
from ingest.operations.verify_expected import Compared, Record
from ingest.protocols import ID, OfIds, OfStamps, OfTable, Row, Rows, TheseIds, ThisStamp
from ingest.settling.bodies import runs

CHUNK = TheseIds.MOST
Judged = list[tuple[Row, Fate]]


class RowSet(Struct, frozen=True):
    """Rows that are judged together. `stamp`: they are all of its rows; else each has an id."""

    judged: Judged
    stamp: str = ""


class Undoing(Struct):
    """One way through the rows. `starts` gives what a file's record numbers are added to, None
    for a run that is known by its stamps in `column`; `unfit` are files that can't be read again.
    Of the rows `most` may be deleted: those that a person has said yes to."""

    compared: Compared
    rows: Rows
    unfit: Sequence[FileClaim]
    run: str
    column: str = ""
    starts: dict[str, int] | None = None
    most: int = 0
    _sent: array[int] = field(default_factory=lambda: array("Q"))

    async def looked(self, tally: Tally) -> None:
        """Judge all rows, delete none. `tally` has them by their fate."""
        async with aclosing(self._sets()) as sets:
            async for one in sets:
                tally.rows.update(fate for _, fate in one.judged)

    async def deleted(self, tally: Tally, *, changed_too: bool) -> None:
        """Judge all rows once more, and delete. `tally` has what was done if it is cut short."""
        table = await self.rows.count(OfTable())
        async with aclosing(self._sets()) as sets:
            async for one in sets:
                tally.rows.update(fate for _, fate in one.judged)
                table = await self._delete(one, tally, table, changed_too=changed_too)

    async def _delete(self, one: RowSet, tally: Tally, table: int, *, changed_too: bool) -> int:
        fates: tuple[Fate, ...] = ("own", "changed") if changed_too else ("own",)
        chosen = [row for row, fate in one.judged if fate in fates]
        if not chosen or (one.stamp and len(chosen) < len(one.judged)):
            return table
        if tally.deleted + len(chosen) > self.most:
            raise TargetError(
                f"stopped: there are more rows to delete than the {self.most:,} that were shown",
                "others write to the table: the same command counts anew",
            )
        if one.stamp:
            await self.rows.delete(ThisStamp(self.column, one.stamp))
            left = await self.rows.count(OfStamps(self.column, self.run, one.stamp))
        else:
            ids = tuple(row[ID] for row in chosen)
            await self.rows.delete(TheseIds(ids))
            left = await self.rows.count(OfIds(tuple(runs(sorted(ids)))))
        now = await self.rows.count(OfTable())
        tally.deleted += len(chosen) - left
        check_deleted(len(chosen), left, table, now)
        return now

    def _sets(self) -> AsyncGenerator[RowSet, None]:
        return self._by_stamp() if self.starts is None else self._by_id(self.starts)

    # --- by id ------------------------------------------------------------------------------

    async def _by_id(self, starts: dict[str, int]) -> AsyncGenerator[RowSet, None]:
        reached: dict[str, int] = {}
        async with aclosing(self.compared.expected.parts()) as parts:
            async for part in parts:
                pairs = zip(part.numbers, part.lines, strict=True)
                records = {number: Record(part, number, line) for number, line in pairs}
                first = reached.get(part.file, self._before(part.file)) + 1
                reached[part.file] = max(part.last, first - 1)
                for low, high in _ranges(first, part.last):
                    yield await self._judged(part.file, starts[part.file], (low, high), records)
        for claim in (*self.compared.claims.values(), *self.unfit):
            first = reached.get(claim.shown, claim.before) + 1
            for low, high in _ranges(first, claim.records):
                yield await self._judged(claim.shown, starts[claim.shown], (low, high), {})

    def _before(self, file: str) -> int:
        """Records that an earlier run has loaded: their rows are not this one's."""
        claim = self.compared.claims.get(file)
        return claim.before if claim else 0

    async def _judged(
        self, file: str, start: int, numbers: tuple[int, int], records: dict[int, Record]
    ) -> RowSet:
        """The rows of these records."""
        low, high = numbers
        names = self.compared.columns.names
        judged: Judged = []
        pages = self.rows.pages(OfIds(((start + low, start + high),)), names, CHUNK)
        async with aclosing(pages):
            async for rows in pages:
                for row in rows:
                    number = row[ID] - start
                    judged.append((row, self._fate(file, number, row, records.get(number))))
        return RowSet(judged)

    def _fate(self, file: str, number: int, row: Row, record: Record | None) -> Fate:
        claim = self.compared.claims.get(file) or next(
            one for one in self.unfit if one.shown == file
        )
        if number in claim.rejected:
            return "foreign"
        if record is None:  # mended since, or its file is another one: it can't be compared
            return "changed"
        columns = self.compared.columns
        same = columns.canonical(record.read()) == columns.canonical(row)
        return "own" if same else "changed"

    # --- by stamp ---------------------------------------------------------------------------

    async def _by_stamp(self) -> AsyncGenerator[RowSet, None]:
        if not self._sent and not self.unfit:
            await self._hash_all()
        for stamp in await self.rows.stamps(OfStamps(self.column, self.run)):
            if not stamp.startswith(f"{self.run}:"):
                continue
            scope = OfStamps(self.column, self.run, ThisStamp(self.column, stamp).stamp)
            whole: Judged = []
            pages = self.rows.pages(scope, self.compared.columns.names, CHUNK)
            async with aclosing(pages):
                async for rows in pages:
                    judged: Judged = [(row, self._stamped(row)) for row in rows]
                    if self.rows.has_ids:
                        yield RowSet(judged)
                    else:
                        whole += judged
            if whole:
                yield RowSet(whole, stamp)

    def _stamped(self, row: Row) -> Fate:
        hashed = xxhash.xxh3_64_intdigest(self.compared.columns.canonical(row))
        place = bisect_left(self._sent, hashed)
        there = place < len(self._sent) and self._sent[place] == hashed
        return "own" if there else "changed"

    async def _hash_all(self) -> None:
        """What was sent; of a run some of whose files can't be read again nothing is known."""
        found = array("Q")
        columns = self.compared.columns
        async with aclosing(self.compared.expected.parts()) as parts:
            async for part in parts:
                for number, line in zip(part.numbers, part.lines, strict=True):
                    record = Record(part, number, line)
                    found.append(xxhash.xxh3_64_intdigest(columns.canonical(record.read())))
        self._sent = array("Q", sorted(found))


def _ranges(first: int, last: int) -> Iterator[tuple[int, int]]:
    for low in range(first, last + 1, CHUNK):
        yield low, min(low + CHUNK - 1, last)
