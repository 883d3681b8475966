"""A refused batch that lands in part stops the run; one that lands not at all is taken apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ingest.delivery import DeliveryRules
from ingest.delivery.partial import PartialApply, where
from ingest.errors import Ambiguous, IngestError, Permanent, TargetError, TooLarge, Trouble
from ingest.model import Batch, Outcome
from tests.delivery.service import (
    Ran,
    Service,
    Writers,
    batches_of,
    delivered,
    names_first,
    names_none,
    records_in,
)

pytestmark = pytest.mark.anyio


def up_to_the_first(count: int, bad: Sequence[int]) -> range:
    """A service that stops at the first bad record and keeps what stood before it."""
    return range(bad[0])


def all_but_the_bad(count: int, bad: Sequence[int]) -> set[int]:
    """A service that keeps what it can."""
    return set(range(count)) - set(bad)


async def run(service: Service, writers: int = 8, rules: DeliveryRules | None = None) -> Ran:
    """500 records in batches of 50."""
    return await Writers(service, writers, rules or DeliveryRules()).run(batches_of(500, 50))


@pytest.mark.parametrize("writers", [1, 8])
@pytest.mark.parametrize("says", [names_first, names_none])
@pytest.mark.parametrize(("lands", "rows"), [(up_to_the_first, 20), (all_but_the_bad, 48)])
async def test_a_part_that_lands_stops_the_run(writers, says, lands, rows):
    """With the facts, exit 6; the batch is ambiguous, nothing is rejected, no part was sent."""
    service = Service(bad={120, 130}, says=says, lands=lands)
    ran = await run(service, writers)
    error = ran.error
    assert isinstance(error, PartialApply)
    assert isinstance(error, TargetError)
    assert (error.exit_code, error.kind) == (6, "partial_apply")
    assert "batch 3 (made.csv: records 101 to 150)" in error.message
    assert f"{rows} of its 50 records" in error.message
    assert "table" in error.hint
    assert ran.ended(Outcome.AMBIGUOUS) == list(range(100, 150))
    assert ran.ended(Outcome.REJECTED) == []
    (receipt,) = [one for one in ran.receipts if one.outcome is Outcome.AMBIGUOUS]
    assert receipt.resent
    assert [len(sent) for sent in service.sent] == [50] * len(service.sent)
    assert all(under_way == 0 for under_way in service.seen_at_counts)


async def test_rows_that_cannot_stand_twice_give_it_away():
    """A unique column: the second time nothing more lands, but an earlier record is at fault."""
    service = Service(bad={120}, lands=up_to_the_first, unique=True)
    ran = await run(service)
    assert isinstance(ran.error, PartialApply)
    assert ran.ended(Outcome.AMBIGUOUS) == list(range(100, 150))


@pytest.mark.parametrize("counts_known", [True, False])
async def test_a_value_that_stands_in_another_batch_as_well(counts_known):
    """That one landed in between, so an earlier record is at fault now: told by the rows that were
    accepted, where that is known."""

    at_fault: list[int] = []

    def doubled(batch: Batch, attempt: int) -> Trouble | None:
        if 100 not in records_in(batch) or batch.count == 1:
            return None
        at_fault.append(0 if at_fault else 7)
        return Permanent("no new one", status=400, record=at_fault[-1])

    service = Service(trouble=doubled)
    writers = Writers(service, counts_known=counts_known)
    ran = await writers.run(batches_of(500, 50))
    if counts_known:
        assert ran.error is None
        assert sorted([*service.table, *ran.ended(Outcome.REJECTED)]) == list(range(500))
        assert (at_fault, ran.ended(Outcome.REJECTED)) == ([7, 0], [100])
    else:
        assert isinstance(ran.error, PartialApply)


@pytest.mark.parametrize("lands", [up_to_the_first, all_but_the_bad])
async def test_a_part_that_landed_is_seen_in_the_rows(lands):
    """More than were accepted: no other batch explains that."""
    service = Service(bad={120}, lands=lands, unique=True)
    ran = await Writers(service, counts_known=True).run(batches_of(500, 50))
    assert isinstance(ran.error, PartialApply)
    assert ran.ended(Outcome.AMBIGUOUS) == list(range(100, 150))


@pytest.mark.parametrize("writers", [1, 2, 8])
async def test_a_refused_batch_that_lands_not_at_all(writers):
    """Asked once in a run, with the others held back, at the cost of one request."""
    service = Service(bad={20, 120, 130, 444})
    ran = await run(service, writers)
    assert (ran.error, ran.notes) == (None, [])
    assert ran.ended(Outcome.REJECTED) == [20, 120, 130, 444]
    assert (service.counted, set(service.seen_at_counts)) == (2, {0})
    assert ran.extra == 4 + 1 + 1  # the pair of one batch costs one more


@pytest.mark.parametrize("writers", [1, 8])
async def test_others_who_write_once(writers):
    """The count grows between, the repetition shows that it was not the batch."""
    service = Service(bad={20, 130}, others=lambda counted: 7 if counted > 1 else 0)
    ran = await run(service, writers)
    assert (ran.error, ran.notes) == (None, [])
    assert ran.ended(Outcome.REJECTED) == [20, 130]
    assert ran.extra == 2 + 2


@pytest.mark.parametrize(
    "others",
    [
        lambda counted: 3 * counted,  # between sendings, too
        lambda counted: [0, 2, 2, 7, 7, 7][counted - 1],  # not by the same number
        lambda counted: -4 * counted,  # somebody deletes
        lambda counted: [0, -2, -2, -4, -4][counted - 1],
    ],
)
async def test_others_who_write_all_the_time(others):
    """It can't be known, which is said, and the run goes on."""
    service = Service(bad={20, 130}, others=others)
    ran = await run(service)
    assert ran.error is None
    assert ran.ended(Outcome.REJECTED) == [20, 130]
    assert len(ran.notes) == 1
    assert "can't be known" in ran.notes[0]
    assert len(service.sent) <= 10 + 2 + 2


async def test_a_count_that_can_not_be_asked():
    """Noted; nothing is sent for it."""
    service = Service(bad={20, 130}, count_error=IngestError("no rights to query"))
    ran = await run(service)
    assert ran.error is None
    assert (ran.extra, service.counted) == (2, 1)
    assert ["no rights to query" in note for note in ran.notes] == [True]


async def test_a_target_that_counts_nothing():
    """Not a word, and nothing is sent for it."""
    service = Service(bad={20, 130}, counts=False)
    ran = await run(service)
    assert (ran.error, ran.notes, ran.extra, service.counted) == (None, [], 2, 1)


@pytest.mark.parametrize(
    "rules", [DeliveryRules(harmless=True), DeliveryRules(target_settles=True)]
)
async def test_upserts_and_files_are_not_asked(rules):
    """A count says nothing about them."""
    service = Service(bad={20, 130})
    ran = await run(service, rules=rules)
    assert (ran.error, ran.extra, service.counted) == (None, 2, 0)


async def test_a_body_refused_for_its_size_tells_nothing():
    """Nor does a record that was refused alone."""

    def small(batch: Batch, attempt: int) -> Trouble | None:
        return TooLarge("413", status=413) if batch.count > 20 else None

    service = Service(trouble=small)
    ran = await run(service)
    assert (ran.error, service.counted) == (None, 0)
    singles = Service(bad={3})
    ran = await Writers(singles).run(batches_of(10, 1))
    assert (ran.error, singles.counted, ran.ended(Outcome.REJECTED)) == (None, 0, [3])


async def test_a_body_whose_first_record_is_bad_tells_nothing():
    """Of a service that stops there; the next one that may tell is asked instead."""
    service = Service(bad={100, 120})
    ran = await run(service, 1)
    assert ran.error is None
    assert service.counted == 2
    twice = [one for one in service.sent if service.sent.count(one) == 2]
    assert [one[0] for one in twice] == [101, 101]


async def test_a_refusal_that_was_passing():
    """The second sending is accepted: it has simply landed."""

    def passing(batch: Batch, attempt: int) -> Trouble | None:
        return Permanent("a hiccup", status=400) if attempt == 3 else None

    service = Service(trouble=passing)
    ran = await run(service, 1)
    assert (ran.error, ran.extra) == (None, 1)
    assert ran.ended(Outcome.ACCEPTED) == list(range(500))
    assert sorted(service.table) == list(range(500))


async def test_a_service_that_refuses_at_random_is_not_asked_for_ever():
    """Three questions that were not answered are enough."""

    def moody(batch: Batch, attempt: int) -> Trouble | None:
        return Permanent("a hiccup", status=400) if attempt % 2 else None

    service = Service(trouble=moody)
    ran = await run(service, 1)
    assert ran.error is None
    assert service.counted == 3
    assert ["does not refuse again" in note for note in ran.notes] == [True]
    assert sorted([*service.table, *ran.ended(Outcome.REJECTED)]) == list(range(500))


async def test_the_second_sending_is_lost():
    """Then the batch is as ambiguous as any other; it is sent once more, and named."""

    def lost(batch: Batch, attempt: int) -> Trouble | None:
        return {3: Permanent("a hiccup", status=400), 4: Ambiguous("lost")}.get(attempt)

    service = Service(trouble=lost)
    ran = await run(service, 1)
    assert ran.error is None
    assert ran.ended(Outcome.AMBIGUOUS) == list(range(100, 150))
    assert len(ran.ended(Outcome.ACCEPTED)) == 450


def test_places_are_named_shortly():
    """Three stretches, and how many more there are."""
    (batch,) = batches_of(9, 9)
    assert where(batch) == "made.csv: records 1 to 9"
    services = Service(bad=set(range(1, 9, 2)), lands=all_but_the_bad)
    assert delivered(services, [batch]).error is not None
