"""Sums over the numeric columns: of the records here, and of the rows there.

Integers must add up exactly. Doubles are added in another order there than here, so their sums may
differ in the last digits: by a billionth of the sum of their absolute values, not more. A sum says
little where every cell is compared, and much where only a sample is: it covers every record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from math import fsum, isfinite
from typing import Any

from msgspec import Struct

from ingest.operations.verify_expected import Compared
from ingest.protocols import Sum

TOLERANCE = 1e-9


class Expected(Struct):
    """One column's values so far; `size` is the sum of their absolute values."""

    count: int = 0
    total: int | float = 0
    size: float = 0.0

    def add(self, values: Sequence[int | float]) -> None:
        """So many more."""
        exact = all(type(value) is int for value in values)
        self.count += len(values)
        self.total += sum(values) if exact else fsum(values)
        self.size += fsum(abs(value) for value in values)

    def agrees(self, there: Sum) -> bool:
        """Whether the rows add up to the same."""
        if self.count != there.count:
            return False
        if type(self.total) is int and type(there.total) is int:
            return self.total == there.total
        if not (isfinite(self.total) and isfinite(there.total)):
            return False
        return abs(self.total - there.total) <= TOLERANCE * self.size


async def expected_sums(compared: Compared) -> dict[str, Expected]:
    """Of all records that must be there, by column."""
    sums = {name: Expected() for name in compared.columns.numeric}
    rows: list[dict[str, Any]] = []
    async with aclosing(compared.records()) as records:
        async for record in records:
            rows.append(record.read())
            if len(rows) == 1000:
                _add(sums, rows)
                rows = []
    _add(sums, rows)
    return sums


def _add(sums: Mapping[str, Expected], rows: Sequence[Mapping[str, Any]]) -> None:
    for name, known in sums.items():
        known.add([row[name] for row in rows if row.get(name) is not None])


def note_sums(compared: Compared, here: Mapping[str, Expected], there: Mapping[str, Sum]) -> None:
    """Hold them against each other, and say what differs; only where no row was found to differ,
    since then they say nothing new."""
    findings = compared.findings
    for name, known in here.items():
        other = there[name]
        agrees = known.agrees(other)
        findings.sums[name] = {
            "expected": known.total,
            "found": other.total,
            "values": [known.count, other.count],
            "ok": agrees,
        }
        if not agrees and not findings.differences.total():
            findings.add("changed")
            findings.unverified(f"the values of {name} do not add up: --full finds which differ")
