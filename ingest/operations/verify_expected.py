"""The rows that must be there, as the files and the run's own mapping make them.

Whoever compares goes through them in input order, as often as it takes: nothing of them is held.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from msgspec import Struct

from ingest.operations.verify_cells import Columns, Json, read_record
from ingest.operations.verify_claims import Claims, FileClaim, Status
from ingest.operations.verify_findings import Difference, Example, Findings

CHUNK_ROWS = 2000
CHUNK_BYTES = 2_000_000


class Part(Struct, frozen=True):
    """Records of one file that follow each other, without those that the mapping makes no row of.

    `numbers` and `lines` go together; the part's records are `first` to `last`. `line_of` leads
    from a record's number to its physical line in the file.
    """

    file: str
    first: int
    last: int
    numbers: Sequence[int]
    lines: Sequence[bytes]
    line_of: Callable[[int], int | None]


class Expected(Protocol):
    """The rows to be."""

    def parts(self) -> AsyncGenerator[Part, None]:
        """All of them, in input order; made anew with each call."""
        ...


class Record(Struct, frozen=True):
    """One record that must be there."""

    part: Part
    number: int
    line: bytes

    def read(self) -> dict[str, Any]:
        """Its members."""
        return read_record(self.line)

    def example(
        self, kind: Difference, expected: Any, found: Any, column: str | None = None
    ) -> Example:
        """It in words."""
        where = (self.part.file, self.part.line_of(self.number), self.number)
        return Example(kind, *where, column, expected, found)


class Compared(Struct, frozen=True):
    """What all ways of comparing share: the rows to be, the claims, the columns, the findings."""

    expected: Expected
    claims: Claims
    columns: Columns
    findings: Findings

    def status(self, file: str, number: int) -> Status:
        """What is claimed of a record."""
        claim = self.claims.get(file)
        return "none" if claim is None else claim.status(number)

    async def records(self) -> AsyncGenerator[Record, None]:
        """The records that must be there, in input order."""
        async with aclosing(self.expected.parts()) as parts:
            async for part in parts:
                for record in self.of_part(part):
                    yield record

    def of_part(self, part: Part) -> Iterator[Record]:
        """Those of one part."""
        claim = self.claims.get(part.file)
        if claim is None:
            return
        all_of_it = is_plain(claim) and part.last <= claim.records
        for number, line in zip(part.numbers, part.lines, strict=True):
            if all_of_it or claim.status(number) == "expected":
                yield Record(part, number, line)

    def hold_against(self, record: Record, found: Json, *, named_only: bool = False) -> bool:
        """Compare a record with its row, and note what differs; whether it is the same."""
        expected = record.read()
        columns = self.columns.only(frozenset(expected)) if named_only else self.columns
        self.findings.checked += 1
        if columns.canonical(expected) == columns.canonical(found):
            return True
        self.findings.add("changed")
        if self.findings.wants_examples:
            for column, wanted, there in columns.differences(expected, found):
                self.findings.show(record.example("changed", wanted, there, column))
        return False

    def miss(self, record: Record) -> None:
        """Note a record that has no row."""
        self.findings.checked += 1
        self.findings.add("missing")
        if self.findings.wants_examples:
            self.findings.show(record.example("missing", record.read(), None))


def is_plain(claim: FileClaim) -> bool:
    """Whether all records of the file are expected, so that none needs to be asked about."""
    return claim.settled is None and not (claim.rejected or claim.open or claim.before)
