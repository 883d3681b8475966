"""One run in its books: numbers, ledger, what was sent before, files and records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ingest.build.booked_run import Booking
from ingest.journal import IntervalSet, Settled
from ingest.model import Accounts
from ingest.state import RunDir
from tests.journal.helpers import begun, body, intend, opened, part_of, taken_up

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


def test_records_of_a_file():
    """Those read here, those settled before and not read again, those skipped."""
    settled = Settled({0: IntervalSet([(1, 4), (8, 10)])})
    booking = Booking(RUN, settled=settled, skipped={1: 5}, accounts=Accounts())
    assert [booking.records_of(0, read) for read in (0, 1, 4, 7, 9, 10, 11)] == [
        7, 7, 7, 10, 10, 10, 11,
    ]  # fmt: skip
    assert (booking.records_of(1, 0), booking.records_of(2, 0)) == (5, 0)
