"""The states of file uploads go to the books, and come back from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.build.booking import Booking
from ingest.build.uploads import Uploads
from ingest.errors import SettingsError
from ingest.journal import JournalLedger
from ingest.model import Accounts, Batch
from ingest.state import RunDir
from ingest.targets.aito_upload_record import State, Upload
from tests.journal.helpers import begun, body, intend, opened, part_of, taken_up

pytestmark = pytest.mark.anyio
UPLOAD = Upload(3, State.TRIGGERED, "id", triggers=1)


class Target:
    """A target that keeps what it is told."""

    def __init__(self) -> None:
        self.taken_up: list[tuple[int, Upload]] = []
        self.landed = 0

    def take_up(self, number: int, upload: Upload) -> None:
        self.taken_up.append((number, upload))

    def landed_before(self, rows: int) -> None:
        self.landed += rows


def batch_of(number: int) -> Batch:
    """Three records."""
    return body(number, part_of(10 * number, 3))


async def test_without_books_nothing_is_kept():
    """A run outside of them; and before they are open."""
    uploads, target = Uploads(), Target()
    await uploads.keep(batch_of(1), UPLOAD)
    uploads.join(target, Booking(RunDir(Path("r"))), None)
    await uploads.keep(batch_of(1), UPLOAD)
    assert (target.taken_up, target.landed) == ([], 0)


async def test_there_and_back(tmp_path):
    """The last state of each open body, in a process of its own; a body without one is new."""
    uploads = Uploads()
    with opened(tmp_path) as journal:
        run = begun(journal)
        uploads.join(Target(), Booking(RunDir(tmp_path)), JournalLedger(journal, run))
        journal.write(run, [intend(batch_of(number)) for number in (1, 2)])
        commits = journal.commits
        await uploads.keep(batch_of(2), Upload(3, State.UPLOADED, "id"))
        await uploads.keep(batch_of(2), UPLOAD)
        assert journal.commits == commits + 2
    target = Target()
    with opened(tmp_path) as journal:
        intents = journal.open_intents(taken_up(journal))
    booking = Booking(RunDir(tmp_path), accounts=Accounts(read=7, accepted=7), intents=intents)
    Uploads().join(target, booking, None)
    assert (target.taken_up, target.landed) == ([(2, UPLOAD)], 7)


@pytest.mark.parametrize("text", ["{", '{"state":"elsewhere","records":3}', "[]"])
async def test_a_state_that_can_not_be_read(tmp_path, text):
    """It may have been triggered: refused, with the way on."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        ledger = JournalLedger(journal, run)
        await ledger.intend(batch_of(1))
        await ledger.note_state(batch_of(1), text)
        booking = Booking(RunDir(tmp_path), intents=journal.open_intents(run))
    with pytest.raises(SettingsError, match=r"batch 1 was perhaps sent.*f0\.csv") as caught:
        Uploads().join(Target(), booking, None)
    assert "--restart" in caught.value.hint
