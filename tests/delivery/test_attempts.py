"""A body that an earlier process may have handed over, where the target itself finds out."""

from __future__ import annotations

import pytest

from ingest.delivery import DeliveryRules
from ingest.errors import IngestError, StoppedByService, Trouble
from ingest.model import Batch, Outcome
from tests.delivery.books import Books
from tests.delivery.service import Service, Writers, batches_of

pytestmark = pytest.mark.anyio
BY_TARGET = DeliveryRules(target_settles=True, send_doubtful=False)


def only_first(batch: Batch) -> float | None:
    """Of the first batch nobody knows what became of it."""
    return 0.0 if batch.number == 1 else None


async def test_ended_before_it_is_asked_for():
    """Perhaps taken: ambiguous, and open in the books. Another one was never sent."""
    books = Books()
    writers = Writers(Service(), 1, BY_TARGET, books, sent_before=only_first, ending=True)
    ran = await writers.run(batches_of(6, 3))
    assert (ran.ended(Outcome.AMBIGUOUS), ran.ended(Outcome.UNSENT)) == ([0, 1, 2], [3, 4, 5])
    assert [(one.is_open, one.resent, one.attempts) for one in ran.receipts] == [
        (True, False, 0),
        (False, False, 0),
    ]
    assert list(books.open) == [(1, 0, 3)]


async def test_the_targets_verdict_settles_it():
    """Then nothing is doubtful any more."""
    books = Books()
    writers = Writers(Service(), 1, BY_TARGET, books, sent_before=only_first)
    ran = await writers.run(batches_of(6, 3))
    assert (ran.ended(Outcome.ACCEPTED), books.open) == (list(range(6)), {})
    assert [one.resent for one in ran.receipts] == [False, False]


@pytest.mark.parametrize("error", [StoppedByService("the quota is used up"), IngestError("full")])
async def test_an_error_that_stops_the_run_before_it_is_asked_for(error):
    """The trouble is the run's; of the body nothing more is known than before."""

    def stops(batch: Batch, attempt: int) -> Trouble | None:
        raise error

    books = Books()
    writers = Writers(Service(trouble=stops), 1, BY_TARGET, books, sent_before=only_first)
    ran = await writers.run(batches_of(6, 3))
    assert ran.error is error
    assert (ran.ended(Outcome.AMBIGUOUS), ran.ended(Outcome.UNSENT)) == ([0, 1, 2], [3, 4, 5])
    assert list(books.open) == [(1, 0, 3)]
