"""Which records of which files must be in the table, by what the run said of itself. Pure.

A run's report gives each file's records; its rejects file those that must be absent; its ambiguous
batches those that may or may not be there. Of a run that did not come to its end the journal says
which records are settled, and of the others nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct, field

from ingest.display import encodable
from ingest.journal import IntervalSet, WrittenRejects

Status = Literal["expected", "rejected", "open", "none"]


class FileClaim(Struct, frozen=True):
    """One file of a run. `records` were read; `settled` are those that ended (None: all).

    `open`: perhaps there. `sha256` is the file's then, None where it is not known. The first
    `before` records are an earlier run's: the file had grown.
    """

    shown: str
    records: int
    sha256: str | None = None
    rejected: IntervalSet = field(default_factory=IntervalSet)
    open: IntervalSet = field(default_factory=IntervalSet)
    settled: IntervalSet | None = None
    before: int = 0

    def status(self, record: int) -> Status:
        """What is claimed of a record."""
        if not self.before < record <= self.records:
            return "none"
        if record in self.rejected:
            return "rejected"
        if record in self.open:
            return "open"
        return "expected" if self.settled is None or record in self.settled else "none"

    @property
    def expected(self) -> int:
        """How many records must be there."""
        wanted = IntervalSet([(1, self.records)] if self.settled is None else self.settled)
        wanted.remove(1, self.before)
        for others in (self.rejected, self.open):
            for first, last in others:
                wanted.remove(first, last)
        return wanted.records


Claims = Mapping[str, FileClaim]


def is_whole(report: Mapping[str, Any]) -> bool:
    """Whether the report alone says what was settled: the run came to its end."""
    return report.get("state") == "done" and not report["records"].get("unsent")


def claims_of(
    report: Mapping[str, Any],
    written: WrittenRejects,
    settled: Mapping[str, IntervalSet] | None = None,
    perhaps: Mapping[str, IntervalSet] | None = None,
) -> dict[str, FileClaim]:
    """The run's files by their shown names, without those that it skipped.

    `settled` and `perhaps` (bodies that were perhaps sent) are the journal's, for a run that is not
    whole.
    """
    found = {}
    skips = bool(report["records"].get("skipped"))
    doubtful = _ambiguous(report)
    for file in report.get("files", ()):
        shown, records = encodable(file["path"]), int(file["records"])
        before = int(file.get("before", {}).get("records", 0))
        if records <= before or (skips and file["sha256"] is None):
            continue
        unclear = IntervalSet(doubtful.get(shown, ()))
        for first, last in (perhaps or {}).get(shown, ()):
            unclear.add(first, last)
        mine = None if settled is None else settled.get(shown, IntervalSet())
        rejected = written.of(shown)
        found[shown] = FileClaim(shown, records, file["sha256"], rejected, unclear, mine, before)
    return found


def _ambiguous(report: Mapping[str, Any]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for shown, first, last in _spans(report):
        found.setdefault(shown, []).append((first, last))
    return found


def _spans(report: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    for batch in report.get("ambiguous", ()):
        for span in batch["spans"]:
            yield encodable(span["file"]), int(span["first"]), int(span["last"])
