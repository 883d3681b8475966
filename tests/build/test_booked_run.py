"""One run in its books: numbers, ledger, what was sent before, files and records."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.build.booked_run import Booking
from ingest.journal import IntervalSet, JournalLedger, Settled
from ingest.model import Accounts, FileInfo, Spool
from ingest.sources.intake import FileFacts
from ingest.state import RunDir
from ingest.targets.aito_upload_record import State, Upload
from tests.journal.helpers import begun, body, intend, opened, part_of, taken_up

pytestmark = pytest.mark.anyio
RUN = RunDir(Path("r"))


def nothing() -> None:
    """Nothing has to be on the disk before."""


def test_outside_of_the_books():
    """Everything is new, and nothing is written."""
    booking = Booking(RUN)
    assert (booking.first_number, booking.ledger(nothing), booking.make_room()) == (1, None, False)
    assert booking.sent_before()(body(1, part_of(1, 3))) is None
    assert booking.ambiguous_before() == []


def test_taken_up(tmp_path):
    """Numbers go on behind the highest; one ledger for all; open bodies are known by their key."""
    batch = body(7, part_of(1, 3))
    with opened(tmp_path) as journal:
        journal.write(begun(journal), [intend(batch)])
    with opened(tmp_path) as journal:
        record = taken_up(journal)
        booking = Booking(RUN, journal, record, intents=journal.open_intents(record))
        assert booking.first_number == 8
        assert booking.ledger(nothing) is booking.ledger(nothing) is not None
        sent = booking.sent_before()
        assert sent(batch) == 0.0
        assert sent(replace(batch, number=8)) is sent(replace(batch, offset=1)) is None


SPOOL = Spool(Path("spool-1.ndjson.gz"), 10, 20, "ab" * 32)


@pytest.mark.parametrize(
    ("upload", "sent"),
    [
        (None, None),
        (Upload(3, State.UPLOADED, "id"), None),
        (Upload(3, State.TRIGGERING, "id", triggers=1), 0.0),
        (Upload(3, State.TRIGGERED, "id", triggers=2), 0.0),
    ],
)
async def test_an_upload_was_sent_once_it_may_have_been_triggered(tmp_path, upload, sent):
    """Before that the service has taken nothing of it."""
    batch = replace(body(1, part_of(1, 3)), body=(), spool=SPOOL)
    with opened(tmp_path) as journal:
        ledger = JournalLedger(journal, begun(journal))
        await ledger.intend(batch)
        if upload is not None:
            await ledger.note_state(batch, upload.as_text())
    with opened(tmp_path) as journal:
        intents = journal.open_intents(taken_up(journal))
    assert Booking(RUN, intents=intents).sent_before()(batch) == sent
    unread = [replace(intent, upload="{") for intent in intents]
    assert Booking(RUN, intents=unread).sent_before()(batch) == 0.0


class Read:
    """A source of which these files were read, the first two to their ends."""

    files = tuple(FileInfo(index, f"f{index}.csv", 1000) for index in range(3))

    def files_read(self) -> list[FileFacts]:
        hashes = ("ab", "cd", None)
        return [FileFacts(f"f{n}.csv", h, 1000, 1000 - (n == 1), n) for n, h in enumerate(hashes)]


@pytest.mark.parametrize(
    ("state", "hashes", "complete"),
    [("interrupted", ["ab", None, None], []), ("done", ["ab", "cd", None], [0, 1])],
)
def test_what_the_books_keep_of_files(tmp_path, state, hashes, complete):
    """Of a run that goes on later the hashes of what was read whole and as long as it was found;
    of one that is done these files are complete."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        booking = Booking(RUN, journal, run)
        booking.finish(state, Accounts(), Read(), {})  # type: ignore[arg-type]  # all that is asked
        found = journal.files(run)
    assert [file.sha256 for file in found] == hashes
    assert [file.index for file in found if file.complete] == complete


def test_records_of_a_file():
    """Those read here, those settled before and not read again, those skipped."""
    settled = Settled({0: IntervalSet([(1, 4), (8, 10)])})
    booking = Booking(RUN, settled=settled, skipped={1: 5}, accounts=Accounts())
    assert [booking.records_of(0, read) for read in (0, 1, 4, 7, 9, 10, 11)] == [
        7, 7, 7, 10, 10, 10, 11,
    ]  # fmt: skip
    assert (booking.records_of(1, 0), booking.records_of(2, 0)) == (5, 0)
