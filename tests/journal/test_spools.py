"""Bodies on the disk in the journal: what names their files, and how one is made again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.errors import IngestError, SettingsError
from ingest.journal import FileRecord, JournalLedger
from ingest.journal.schema import VERSION
from ingest.model import Accounts, Batch, Outcome, Receipt, Spool
from tests.journal.helpers import (
    FILES,
    begun,
    body,
    intend,
    opened,
    part_of,
    place,
    settle,
    taken_up,
)

pytestmark = pytest.mark.anyio
SPOOL = Spool(Path("runs/a/spool/spool-000001.ndjson.gz"), 123, 4567, "ab" * 32, 99)


def batch_of(number: int, spool: Spool = SPOOL) -> Batch:
    """Three records in a spool."""
    made = body(number, part_of(10 * number, 3))
    return replace(made, body=(), size_bytes=spool.size_bytes, spool=spool)


OTHER_BYTES = replace(
    SPOOL, path=Path("elsewhere/spool-000004.ndjson.gz"), size_bytes=130, sha256="cd" * 32
)


def test_a_file_that_was_filled_once_more_takes_the_place_of_the_lost_one(tmp_path: Path) -> None:
    """Its content is the same, its bytes are not: name, length and digest are its own from then on,
    and how far the upload was stays."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch_of(1))])
    with opened(tmp_path) as journal:
        run = taken_up(journal)
        assert journal.write(run, [intend(batch_of(1, OTHER_BYTES))]) == [None]
    with opened(tmp_path) as journal:
        (found,) = journal.open_intents(taken_up(journal))
    assert (found.spool, found.sendings) == (OTHER_BYTES, 2)
    assert (found.digest, found.size_bytes) == (OTHER_BYTES.sha256, 130)


@pytest.mark.parametrize(
    ("recorded", "again"),
    [
        (SPOOL, replace(OTHER_BYTES, plain_crc32=98)),
        (SPOOL, replace(OTHER_BYTES, plain_bytes=4566)),
        (replace(SPOOL, plain_crc32=None), OTHER_BYTES),
        (replace(SPOOL, plain_crc32=None), replace(OTHER_BYTES, plain_crc32=None)),
    ],
)
def test_other_content_is_refused(tmp_path: Path, recorded: Spool, again: Spool) -> None:
    """Or content of which nobody knows what it was; the recorded file stays the needed one."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch_of(1, recorded))])
        (refused,) = journal.write(run, [intend(batch_of(1, again))])
        assert isinstance(refused, SettingsError)
        (found,) = journal.open_intents(run)
        assert found.spool == recorded


async def test_the_files_that_are_needed(tmp_path: Path) -> None:
    """Those of open bodies, and of no other; once it is settled a body's file may go."""
    with opened(tmp_path) as journal:
        ledger = JournalLedger(journal, begun(journal))
        assert await ledger.spools_in_doubt() == frozenset()
        first, second = batch_of(1), batch_of(2, OTHER_BYTES)
        for batch in (first, second, body(3, part_of(40, 2))):
            await ledger.intend(batch)
        assert await ledger.spools_in_doubt() == {SPOOL.path.name, OTHER_BYTES.path.name}
        await ledger.settle(Receipt(first, Outcome.ACCEPTED, 1, 0))
        assert await ledger.spools_in_doubt() == {OTHER_BYTES.path.name}
        await ledger.settle(Receipt(second, Outcome.UNSENT, 0, 0))
        assert await ledger.spools_in_doubt() == frozenset()


async def test_a_journal_that_can_not_be_asked(tmp_path: Path) -> None:
    """An error of ours."""
    with opened(tmp_path) as journal:
        ledger = JournalLedger(journal, begun(journal))
    with pytest.raises(IngestError):
        await ledger.spools_in_doubt()


async def test_a_body_of_an_earlier_process_that_was_not_sent_stays_needed(tmp_path: Path) -> None:
    """It may have been triggered before."""
    with opened(tmp_path) as journal:
        journal.write(begun(journal), [intend(batch_of(1))])
    with opened(tmp_path) as journal:
        ledger = JournalLedger(journal, taken_up(journal))
        await ledger.intend(batch_of(1))
        await ledger.settle(Receipt(batch_of(1), Outcome.UNSENT, 0, 0))
        assert await ledger.spools_in_doubt() == {SPOOL.path.name}


def test_a_journal_without_the_content_is_brought_up_to_date(tmp_path: Path) -> None:
    """What an earlier version wrote is read; of its files the content is not known."""
    with opened(tmp_path) as journal:
        journal.write(begun(journal), [intend(batch_of(1))])
    connection = sqlite3.connect(place(tmp_path), isolation_level=None)
    connection.execute("ALTER TABLE intents DROP COLUMN plain_crc32")
    connection.execute("PRAGMA user_version=1")
    connection.close()
    for _ in range(2):
        with opened(tmp_path) as journal:
            run = taken_up(journal)
            (found,) = journal.open_intents(run)
            assert found.spool == replace(SPOOL, plain_crc32=None)
    connection = sqlite3.connect(place(tmp_path))
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()


def test_a_run_ends_with_its_files_or_not_at_all(tmp_path: Path) -> None:
    """In one commit: a kill between the two would have an open run's records skipped, too."""
    whole = replace(FILES[0], sha256="ab" * 32, records=3, complete=True)
    with opened(tmp_path) as journal:
        run = begun(journal)
        journal.write(run, [intend(batch_of(1)), settle(batch_of(1))])
        commits = journal.commits
        journal.finish(run, "done", Accounts(read=3, accepted=3), [whole])
        assert journal.commits == commits + 1
        assert journal.last_done() is not None
        known = journal.files(run)
    assert known[0] == whole
    assert [file.complete for file in known] == [True, False, False]
    assert isinstance(known[1], FileRecord)
