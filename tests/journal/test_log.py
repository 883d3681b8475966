"""What is on the disk, and when: one sync for all commits before it, none for most outcomes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.journal import NoteState, Settle, TakeApart
from ingest.journal.place import sides
from ingest.journal.room import DiskFull
from ingest.journal.writing import key_of, may_wait_for_sync
from ingest.model import Batch, Outcome, Refusal, Spool, Verdict
from tests.journal.helpers import begun, body, intend, opened, part_of, place, settle, taken_up


class Disk:
    """`os.fdatasync`, counting the calls for the log; it may be told to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced = 0
        self.failures: list[int] = []
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self)

    def __call__(self, handle: int) -> None:
        if self.failures:
            code = self.failures.pop()
            raise OSError(code, os.strerror(code))
        assert Path(f"/proc/self/fd/{handle}").readlink().name == "journal.sqlite-wal"
        self.synced += 1
        self._real(handle)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk that the log lies on."""
    return Disk(monkeypatch)


def batch_of(number: int) -> Batch:
    """Batch `number` of a run in fives."""
    return body(number, part_of(10 * number, 5))


def test_one_sync_a_batch(tmp_path: Path, disk: Disk) -> None:
    """At its intent; the outcomes before are taken along, and the end of the run is synced."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        before = disk.synced
        for number in range(1, 4):
            journal.write(run, [intend(batch_of(number))])
            journal.write(run, [settle(batch_of(number))])
        assert disk.synced - before == 3
        journal.write(run, [settle(batch_of(4), Outcome.UNSENT), intend(batch_of(5))])
        assert disk.synced - before == 4
        journal.forget(run)
        assert disk.synced - before == 5


def outcome(what: str) -> Settle:
    """An outcome of one kind."""
    batch = batch_of(1)
    verdict = Verdict(refused=(Refusal(1, "no"),)) if what == "refused" else Verdict()
    found = settle(batch, Outcome.REJECTED if what == "rejected" else Outcome.ACCEPTED, verdict)
    if what == "spool":
        spool = Spool(Path("s"), 1, 2, "ab")
        return replace(found, receipt=replace(found.receipt, batch=replace(batch, spool=spool)))
    return found


@pytest.mark.parametrize(
    ("op", "may_wait"),
    [
        (outcome("accepted"), True),
        (settle(batch_of(1), Outcome.AMBIGUOUS), True),
        (settle(batch_of(1), Outcome.UNSENT), True),
        (outcome("refused"), False),
        (outcome("rejected"), False),
        (outcome("spool"), False),
        (intend(batch_of(1)), False),
        (TakeApart(key_of(batch_of(1)), 1.0), False),
        (NoteState(key_of(batch_of(1)), "{}"), False),
    ],
)
def test_what_a_power_cut_may_take(op: Any, may_wait: bool) -> None:
    """An outcome that is found out again; nothing that a line or a deleted file relies on."""
    assert may_wait_for_sync(op) is may_wait


def test_the_log_that_is_there_has_it(tmp_path: Path) -> None:
    """What was synced is enough: a copy of the files as they lie there has every op."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch_of(1)), intend(batch_of(2))])
        journal.write(run, [settle(batch_of(1))])
        there = [place(tmp_path), sides(place(tmp_path))[0]]
        copied = tmp_path / "copy" / "jobs" / "stocks"
        copied.mkdir(parents=True)
        for one in there:
            (copied / one.name).write_bytes(one.read_bytes())
    with opened(tmp_path / "copy") as journal:
        found = taken_up(journal)
        assert found.highest == 2
        assert journal.settled(found).tally.accepted == 5


@pytest.mark.parametrize(
    ("failures", "raises"),
    [([errno.ENOSPC], False), ([errno.ENOSPC] * 2, True), ([errno.EIO], True)],
)
def test_a_sync_that_fails(tmp_path: Path, disk: Disk, failures: list[int], raises: bool) -> None:
    """Room is made once; else the op is not relied on. It is written once, whatever comes."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        disk.failures = list(failures)
        if raises:
            with pytest.raises(DiskFull, match="can't be written"):
                journal.write(run, [intend(batch_of(1))])
        else:
            assert journal.write(run, [intend(batch_of(1))]) == [None]
        assert len(journal.open_intents(run)) == 1
        assert journal.make_room() is (failures == [errno.EIO])
