"""The records that a run would reject: counted by reason, the first of each kept as examples.

The same judge that stops a run is asked at the same moments, and what it says first is kept: a run
would have ended there, and the plan goes on to show how many there are in all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ingest.model import Reject
from ingest.rejects import RejectLimit

EXAMPLES = 3
REASONS = 20
AMBIGUOUS = "ambiguous_"


class RejectTally:
    """A `protocols.RejectSink` that keeps no record but the first few of each reason."""

    def __init__(self) -> None:
        self.by_reason: Counter[str] = Counter()
        self._ambiguous: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], str] = {}
        self._examples: dict[str, list[Reject]] = {}

    async def write(self, rejects: Sequence[Reject]) -> None:
        """Count them."""
        for one in rejects:
            self.by_reason[one.reason] += 1
            if one.reason.startswith(AMBIGUOUS):
                self._keep_ambiguous(one)
            if one.reason in self._examples or len(self._examples) < REASONS:
                kept = self._examples.setdefault(one.reason, [])
                kept += [one] if len(kept) < EXAMPLES else []

    def _keep_ambiguous(self, one: Reject) -> None:
        key = (one.column or one.field or "", one.reason)
        self._ambiguous[key] += 1
        self._first.setdefault(key, one.message)

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The first of each reason, by where they stand."""
        return [_shown(one) for kept in self._examples.values() for one in kept]

    @property
    def ambiguous(self) -> list[dict[str, Any]]:
        """Columns with dates or times that can be read in two ways, the most frequent first."""
        return [
            {"column": key[0], "reason": key[1], "records": number, "example": self._first[key]}
            for key, number in self._ambiguous.most_common()
        ]


class LimitWatch:
    """An engine's judge that stops nothing: `passed` is what it would have said first."""

    def __init__(self, limit: RejectLimit) -> None:
        self._limit = limit
        self.passed: str | None = None

    def check(self, rejected: int, read: int, *, final: bool = False) -> None:
        """Never raises."""
        self.passed = self.passed or self._limit.passed(rejected, read, final=final)


def _shown(one: Reject) -> dict[str, Any]:
    return {
        "file": one.file,
        "line": one.line,
        "record": one.record,
        "column": one.column,
        "field": one.field,
        "stage": one.stage,
        "reason": one.reason,
        "message": one.message,
    }
