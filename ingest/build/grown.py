"""Files that grew by appending since the job's last run was done: only what is new is sent.

The journal knows the size, the hash and the number of records of each file that was loaded whole.
If a larger file still begins with those very bytes, and they end where a record ends, its first
records are the ones that were loaded: they count as skipped, and those behind them are numbered on,
so a record's number, line and derived id are what they would be in one load of the whole file. The
file is read from its start all the same (lines and columns are known then); the records before are
passed over like any that are settled, and nothing of them is sent. Where that can't be said surely
(`sources.prefix`) the file is loaded anew, which is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ingest.display import count, encodable, plural
from ingest.journal import FileRecord, IntervalSet, Settled
from ingest.sources.files import FileSource, FileStat

SHOWN = 3


class Before(Struct, frozen=True):
    """What a file was when it was loaded last: its leading records, their bytes and hash."""

    records: int
    size_bytes: int
    sha256: str

    def as_report(self) -> dict[str, int | str]:
        """What stands under `before` in the report's entry of the file."""
        return {"records": self.records, "bytes": self.size_bytes, "sha256": self.sha256}


def before_of(known: FileRecord) -> Before | None:
    """What a complete file held; None where it had no record."""
    if not (known.complete and known.records and known.size_bytes and known.sha256):
        return None
    return Before(known.records, known.size_bytes, known.sha256)


def find(
    known: Mapping[str, FileRecord], stats: Sequence[FileStat], source: FileSource
) -> tuple[dict[int, Before], list[str]]:
    """Of files that changed since (by index) those that grew, and what to say of the others.

    `known` are complete files by their shown names. Blocks: reads what the files were then.
    """
    found: dict[int, Before] = {}
    anew: list[str] = []
    for stat in stats:
        before = before_of(known[stat.shown]) if stat.shown in known else None
        if before is None:
            continue
        why = _why_anew(before, stat, source)
        if why:
            anew.append(f"{stat.shown}: changed since it was loaded: loaded anew ({why})")
        else:
            found[stat.index] = before
    if len(anew) > SHOWN:
        more = f"{count(len(anew) - SHOWN)} more files: changed since they were loaded: loaded anew"
        anew = [*anew[:SHOWN], more]
    return found, anew


def told(found: Mapping[int, Before]) -> str:
    """The files that grew, in a sentence."""
    files = plural(len(found), "file")
    records = count(sum(one.records for one in found.values()))
    return f"{files} grew: the first {records} records are those loaded before, and skipped"


def settled_with(settled: Settled | None, found: Mapping[int, Before]) -> Settled | None:
    """What is settled, with the leading records of files that grew."""
    if not found:
        return settled
    files = dict(settled.files) if settled else {}
    for index, before in found.items():
        whole = IntervalSet([(1, before.records)])
        whole.update(files.get(index, IntervalSet()))
        files[index] = whole
    return Settled(files, settled.tally) if settled else Settled(files)


def _why_anew(before: Before, stat: FileStat, source: FileSource) -> str:
    if stat.size_bytes <= before.size_bytes:
        return "it is no longer than it was"
    prefix = source.prefix(stat.index, before.size_bytes)
    if prefix.sha256 and prefix.sha256 != before.sha256:
        return "what it was is not its beginning"
    if prefix.records is None:
        return prefix.why
    if prefix.records != before.records:
        return "its records are counted otherwise"
    return ""


def befores_of(report: Mapping[str, Any]) -> dict[str, Before]:
    """What files that grew were before, as a run's report says it, by their shown names."""
    found = {}
    for file in report.get("files", ()):
        if one := file.get("before"):
            shown = encodable(file["path"])
            found[shown] = Before(int(one["records"]), int(one["bytes"]), str(one["sha256"]))
    return found


def as_before(file: FileRecord, before: Before | None, records: int) -> FileRecord:
    """The record of a file of whose `records` those that its last run loaded were taken back: it is
    what it was before that run, so that they are loaded again and no others; not complete where
    that is not known."""
    if before is None or file.records != records:
        return replace(file, complete=False)
    return replace(file, size_bytes=before.size_bytes, sha256=before.sha256, records=before.records)
