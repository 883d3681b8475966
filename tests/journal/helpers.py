"""A journal, runs, bodies and receipts made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.journal import FileRecord, Intend, Journal, NewRun, RunRecord, Settle
from ingest.model import Batch, FileInfo, Outcome, Receipt, Slice, Verdict, spans_of

NEW = NewRun("20261121-221500-stocks-4f2a", "identity", '{"name":"stocks"}', "a table")
FILES = tuple(FileRecord(index, f"f{index}.csv", 1000) for index in range(3))
JOB = "stocks"


class Wall:
    """Wall time that a test sets."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def place(folder: Path) -> Path:
    """Where the journal of the tests' job lies."""
    return folder / "jobs" / JOB / "journal.sqlite"


def opened(folder: Path, wall: Wall | None = None) -> Journal:
    """The journal under this folder."""
    return Journal.open(place(folder), JOB, wall or Wall())


def begun(journal: Journal, files: Sequence[FileRecord] = FILES) -> RunRecord:
    """A new run with files."""
    run = journal.begin(NEW)
    journal.put_files(run, files)
    return run


def taken_up(journal: Journal, files: Sequence[FileRecord] = FILES) -> RunRecord:
    """The unfinished run, open again."""
    run = journal.unfinished()
    assert run is not None
    run = journal.resume(run)
    journal.put_files(run, files)
    return run


def part_of(
    first: int,
    count: int,
    file: int = 0,
    rejected: Sequence[int] = (),
    keys: Sequence[str] | None = None,
) -> Slice:
    """A slice of `count` good records from number `first` on, with these gaps among them."""
    good, number, data = 0, first, b""
    while good < count:
        if number not in rejected:
            good += 1
            data += b"%d.%d\n" % (file, number)
        number += 1
    info = FileInfo(file, f"f{file}.csv")
    names = None if keys is None else tuple(keys)
    return Slice(info, data, 0, len(data), count, first, number - 1, tuple(rejected), names)


def body(number: int, *parts: Slice, dropped: Sequence[Slice] = ()) -> Batch:
    """A sealed body of these slices."""
    views = tuple(part.view for part in parts)
    return Batch(
        number=number,
        body=views,
        size_bytes=sum(map(len, views)),
        count=sum(part.count for part in parts),
        spans=spans_of(parts),
        slices=parts,
        dropped=tuple(dropped),
    )


def intend(batch: Batch, at: float = 1000.0) -> Intend:
    """The op before a body is sent."""
    return Intend(batch, batch.digest(), at)


def settle(
    batch: Batch,
    outcome: Outcome = Outcome.ACCEPTED,
    verdict: Verdict | None = None,
    attempts: int = 1,
) -> Settle:
    """The op after its last attempt."""
    failed = attempts - (outcome is Outcome.ACCEPTED)
    receipt = Receipt(batch, outcome, attempts, failed, verdict=verdict or Verdict())
    return Settle(receipt, 1001.0)
