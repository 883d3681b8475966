"""One receipt a body, told at once, recorded afterwards."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from ingest.delivery import Hands
from ingest.delivery.ends import Ends
from ingest.delivery.rules import Tries
from ingest.errors import IngestError, Permanent
from ingest.model import Batch, Outcome, Receipt
from tests.delivery.books import Books
from tests.delivery.service import batches_of

pytestmark = pytest.mark.anyio
(BATCH,) = batches_of(3, 3)
SUPERSEDING = replace(BATCH, dropped=BATCH.slices)


def ends(told: list[Receipt], books: Books | None = None) -> Ends:
    """What tells `told`; of its hands it needs these only."""
    hands = SimpleNamespace(on_end=told.append, ledger=books)
    return Ends(cast("Hands", hands))


async def test_the_first_end_counts():
    """A body has one end, whatever comes later."""
    told: list[Receipt] = []
    tries = Tries(BATCH, BATCH)
    ends(told).end(tries, Outcome.ACCEPTED, "fine")
    ends(told).end(tries, Outcome.UNSENT, "cancelled")
    assert [(one.outcome, one.message) for one in told] == [(Outcome.ACCEPTED, "fine")]
    await ends(told).record(tries)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.AMBIGUOUS])
async def test_a_body_that_was_never_sent_itself(outcome):
    """It is intended, told and settled; a rejected record leaves out what it superseded."""
    told: list[Receipt] = []
    books = Books()
    await ends(told, books).conclude(Tries(SUPERSEDING, SUPERSEDING), outcome, "it was named")
    (receipt,) = told
    assert (receipt.outcome, receipt.attempts, receipt.message) == (outcome, 0, "it was named")
    assert receipt.batch.records == (3 if outcome is Outcome.REJECTED else 6)
    assert (books.open, books.ended) == ({}, [(1, 0, 3)])


async def test_a_ledger_that_can_not_intend():
    """The body is unsent, and the error goes on."""

    class Full(Books):
        async def intend(self, batch: Batch) -> None:
            raise IngestError("no space left")

    told: list[Receipt] = []
    with pytest.raises(IngestError, match="no space"):
        await ends(told, Full()).conclude(Tries(BATCH, BATCH), Outcome.REJECTED, "")
    assert [one.outcome for one in told] == [Outcome.UNSENT]


async def test_what_is_open_stays_open_in_the_ledger():
    """A lost answer that a later run may settle."""
    told: list[Receipt] = []
    books = Books()
    await books.intend(BATCH)
    tries = Tries(BATCH, BATCH)
    ends(told, books).end(tries, Outcome.AMBIGUOUS, "lost", is_open=True)
    await ends(told, books).record(tries)
    assert told[0].is_open
    assert (list(books.open), books.ended) == ([(1, 0, 3)], [])


def test_what_landed_whole():
    """Neither a refusal nor a doubt among it."""
    tries = Tries(BATCH, BATCH, refusal=Permanent("no"))
    assert not tries.landed_whole
    ends([]).end(tries, Outcome.ACCEPTED)
    assert tries.landed_whole
