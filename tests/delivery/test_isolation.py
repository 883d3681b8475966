"""Taking batches apart: exactly the bad records, and few requests."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.delivery import DeliveryRules, turns
from ingest.errors import IngestError, NotFound, TargetError, TooLarge, Trouble
from ingest.journal import JournalLedger
from ingest.model import Batch, FileInfo, Outcome, Receipt, Slice
from ingest.pack import Packer
from tests.delivery.books import Books
from tests.delivery.service import (
    Ran,
    Says,
    Service,
    Writers,
    batches_of,
    delivered,
    names_first,
    names_none,
)
from tests.journal.helpers import begun, opened

ALL, EACH = 100_000, 10_000
BAD: dict[str, Sequence[int]] = {
    "scattered": random.Random(1).sample(range(ALL), 37),
    "at the very start": range(37),
    "at the very end": range(ALL - 37, ALL),
    "within a batch": range(44_000, 44_037),
    "within the first batch": range(4_000, 4_037),
    "over a border": range(39_990, 40_027),
    "over the first border": range(9_990, 10_027),
    "one": [4_711],
    "the first": [0],
    "the last": [ALL - 1],
}


def check(ran: Ran, service: Service, count: int) -> None:
    """Exactly the bad ones are rejected, all others landed, once."""
    assert (ran.error, ran.notes) == (None, [])
    assert ran.ended(Outcome.REJECTED) == sorted(service.bad)
    assert sorted(service.table) == sorted(set(range(count)) - set(service.bad))


@pytest.mark.parametrize("writers", [1, 8])
@pytest.mark.parametrize("where", BAD)
def test_bad_records_among_a_hundred_thousand(writers, where):
    """Named: at most 2 requests each; not named: at most 2 log2(10,000) each."""
    bad = set(BAD[where])
    for says, most in ((names_first, 2.0), (names_none, 2 * math.log2(EACH))):
        service = Service(bad=bad, says=says)
        ran = delivered(service, batches_of(ALL, EACH), writers)
        check(ran, service, ALL)
        assert ran.extra <= most * len(bad)


@pytest.mark.parametrize("says", [names_first, names_none])
@pytest.mark.parametrize("writers", [1, 2, 8])
@pytest.mark.parametrize("first", [0, 5_000])
def test_two_wholly_bad_batches(says, first, writers):
    """Of 100 records in a run of batches of 100, at the start and in the midst: with few writers
    the batches behind them show that there is hope."""
    service = Service(bad=set(range(first, first + 200)), says=says)
    ran = delivered(service, batches_of(10_000, 100), writers)
    check(ran, service, 10_000)
    assert ran.extra <= 2 * 200


@pytest.mark.parametrize("writers", [1, 2, 8])
@pytest.mark.parametrize("size", [1, 2, 100, 10_000])
@pytest.mark.parametrize("says", [names_first, names_none])
def test_a_service_that_refuses_everything(says, size, writers):
    """Stopped within 30 requests, its words said; what a batch of many holds is sent again by the
    next run, so nothing of it is rejected."""
    count = min(ALL, 30 * size)
    service = Service(bad=range(count), says=says)
    ran = delivered(service, batches_of(count, size), writers)
    assert isinstance(ran.error, TargetError)
    assert "are bad" in ran.error.message
    assert len(service.sent) <= 30
    assert service.table == []
    if size > 2:
        assert ran.ended(Outcome.REJECTED) == []


@pytest.mark.parametrize("says", [names_first, names_none])
@pytest.mark.parametrize(("writers", "bad"), [(1, 4), (2, 5), (8, 11)])
def test_how_many_wholly_bad_batches_a_run_survives(says, writers, bad):
    """Those that its writers have, and the next ones up to the fourth, which lands; with one more
    it is stopped within thirty requests, and nothing is rejected."""
    service = Service(bad=set(range(100 * bad)), says=says)
    ran = delivered(service, batches_of(3_000, 100), writers)
    check(ran, service, 3_000)
    assert ran.extra <= 2 * 100 * bad
    service = Service(bad=set(range(100 * (bad + 1))), says=says)
    ran = delivered(service, batches_of(3_000, 100), writers)
    assert isinstance(ran.error, TargetError)
    assert len(service.sent) <= 30
    assert (service.table, ran.ended(Outcome.REJECTED)) == ([], [])


@pytest.mark.parametrize("writers", [1, 2])
def test_a_bad_start_and_a_bad_record_in_every_batch_behind_it(writers):
    """No batch lands whole: single records of those that were tried show that there is hope."""
    bad = {*range(100), *range(150, 1_000, 100)}
    service = Service(bad=bad)
    ran = delivered(service, batches_of(1_000, 100), writers)
    check(ran, service, 1_000)
    assert ran.extra <= 2 * len(bad) + 1


def test_batches_taken_over_that_are_never_sent():
    """The run ends while they wait: unsent, each once; what lands afterwards is no matter."""

    def gone(batch: Batch, attempt: int) -> Trouble | None:
        return NotFound("the table is gone", status=404) if attempt == 9 else None

    service = Service(bad=range(1_000), trouble=gone)
    ran = delivered(service, batches_of(1_000, 100), 1)
    assert isinstance(ran.error, TargetError)
    assert (service.table, ran.ended(Outcome.UNSENT)) == ([], list(range(1_000)))


def test_slow_batches_are_waited_for_before_hope_is_given_up():
    """The first batch is refused at once, while the others are still being taken."""

    class Slow(Service):
        async def send(self, batch):
            if batch.number > 1 and len(self.sent) < 3:
                for _ in range(300):
                    await anyio.lowlevel.checkpoint()
            return await super().send(batch)

    service = Slow(bad=range(100))
    ran = delivered(service, batches_of(1_000, 100), 3)
    check(ran, service, 1_000)


def off_by(shift: int) -> Says:
    """A service that counts from elsewhere."""
    return lambda count, bad: bad[0] + shift


def constant(record: int) -> Says:
    """A service that always says the same."""
    return lambda count, bad: record


SAYINGS: dict[str, Says] = {
    "first": names_first,
    "none": names_none,
    "last": lambda count, bad: bad[-1],
    "from 1": off_by(1),
    "two before": off_by(-2),
    "always the first": constant(0),
    "always the second": constant(1),
    "at random": lambda count, bad: random.Random(count).randrange(count),
    "sometimes": lambda count, bad: bad[0] if count % 2 else None,
    "negative": constant(-1),
    "huge": constant(2**62),
    "just behind": lambda count, bad: count,
}


@st.composite
def arrangements(draw: st.DrawFn) -> tuple[int, int, set[int]]:
    """How many records, how many a batch, and which are bad: lone ones and stretches."""
    count, size = draw(st.integers(1, 300)), draw(st.sampled_from([1, 2, 3, 10, 50, 300]))
    lone = draw(st.lists(st.integers(0, count - 1), max_size=5))
    stretches = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(1, 60)), max_size=2))
    bad = {n for first, length in stretches for n in range(first, min(count, first + length))}
    return count, size, bad | set(lone)


@given(arrangements(), st.sampled_from(sorted(SAYINGS)), st.sampled_from([1, 2, 8]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_is_bad_and_whatever_the_service_says(arrangement, saying, writers, journalled):
    """Exactly the bad ones are rejected, however the service names records, and the ledger never
    has a record in two open bodies; or nothing landed at all, and the run soon stopped."""
    count, size, bad = arrangement
    service = Service(bad=bad, says=SAYINGS[saying])
    books = Books() if journalled else None

    async def go() -> Ran:
        return await Writers(service, writers, ledger=books).run(batches_of(count, size))

    ran = anyio.run(go)
    assert books is None or books.open == {}
    if ran.error is not None:
        assert (service.table, len(service.sent) <= 30) == ([], True)
        assert set(ran.ended(Outcome.REJECTED)) <= bad
        return
    check(ran, service, count)
    if saying == "first":
        assert ran.extra <= 2 * len(bad) + len(bad) // 32 + 1
    if saying == "none" and bad:
        assert ran.extra <= max(3.0, 2 * math.log2(max(2, size)) + 1) * len(bad)


def test_names_that_are_wrong_are_soon_passed_over():
    """Always the first record: after a few of them the body is cut instead."""
    service = Service(bad={9_999}, says=constant(0))
    ran = delivered(service, batches_of(10_000, 10_000))
    check(ran, service, 10_000)
    assert ran.extra <= 40


def test_a_record_tried_from_further_on_may_be_the_one_at_fault():
    """The rest lands without it and without a record that was named wrongly: nothing is proven of
    the latter."""
    service = Service(bad={0, 1, 9}, says=lambda count, bad: 3 if count == 8 else bad[0])
    ran = delivered(service, batches_of(10, 10), 1)
    check(ran, service, 10)


def test_from_a_body_with_very_many_bad_records_halves_are_sent():
    """So that not each of them costs a whole body; the requests are as few."""
    bad = set(range(0, 2_000, 4))
    service = Service(bad=bad)
    ran = delivered(service, batches_of(2_000, 2_000))
    check(ran, service, 2_000)
    assert ran.extra <= 2.02 * len(bad)
    assert sum(map(len, service.sent)) < 2_000 * len(bad) / 2


@pytest.mark.parametrize("writers", [1, 8])
def test_a_limit_of_size(writers):
    """Learned from one refusal, and exact; new bodies are told of it."""
    limit = 30_000

    def small(batch: Batch, attempt: int) -> Trouble | None:
        return TooLarge("413", status=413) if batch.size_bytes > limit else None

    service = Service(trouble=small)
    ran = delivered(service, batches_of(50_000, 10_000), writers)
    check(ran, service, 50_000)
    assert ran.lowered
    assert ran.lowered[-1] <= limit
    refused = [sent for sent in service.sent if len(sent) == 10_000]
    assert len(refused) <= writers


def test_a_size_is_learned_while_large_bodies_wait(monkeypatch):
    """Eight large bodies: one is refused, the seven that waited for it are cut before they are
    sent."""
    monkeypatch.setattr(turns, "LARGE_BODY_BYTES", 10_000)

    def small(batch: Batch, attempt: int) -> Trouble | None:
        return TooLarge("413", status=413) if batch.size_bytes > 7_000 else None

    service = Service(trouble=small)
    ran = delivered(service, batches_of(16_000, 2_000), 8)
    check(ran, service, 16_000)
    assert ran.accounts.requests_failed == 1


def test_a_run_that_is_ended_amidst():
    """What was not sent is unsent, what was refused alone is rejected."""

    def ends(batch: Batch, attempt: int) -> Trouble | None:
        return NotFound("the table is gone", status=404) if attempt == 30 else None

    service = Service(bad={5, 6, 105}, trouble=ends, says=names_none)
    ran = delivered(service, batches_of(1_000, 100), 2)
    assert isinstance(ran.error, TargetError)
    assert set(ran.ended(Outcome.REJECTED)) <= set(service.bad)
    assert len(service.table) + len(ran.ended(Outcome.UNSENT)) >= 1_000 - 3


@given(st.integers(1, 60), st.sampled_from(["first", "none", "from 1"]), st.data())
@settings(max_examples=60, deadline=None)
def test_a_ledger_that_fails(broken_at, saying, data):
    """Wherever it does, every record has one end, and nothing that landed is called unsent."""

    class Breaking(Books):
        calls = 0

        def broken(self) -> None:
            self.calls += 1
            if self.calls == broken_at:
                raise IngestError("no space left")

        async def intend(self, batch: Batch) -> None:
            self.broken()
            await super().intend(batch)

        async def settle(self, receipt: Receipt) -> None:
            self.broken()
            await super().settle(receipt)

        async def apart(self, batch: Batch) -> None:
            self.broken()
            await super().apart(batch)

    service = Service(bad={3, 4, 5, 11, 40, 41, 77}, says=SAYINGS[saying])

    async def go() -> Ran:
        writers = data.draw(st.sampled_from([1, 3]))
        return await Writers(service, writers, ledger=Breaking()).run(batches_of(100, 10))

    ran = anyio.run(go)
    assert not set(service.table) & set(ran.ended(Outcome.UNSENT))
    assert set(ran.ended(Outcome.REJECTED)) <= set(service.bad)


@given(st.integers(0, 80), st.sampled_from(["first", "none", "from 1"]))
@settings(max_examples=60, deadline=None)
def test_cancelled_anywhere(after, saying):
    """Every record has one end; what was under way may have landed, and is called so."""
    service = Service(bad={3, 4, 5, 11, 40, 41, 77}, says=SAYINGS[saying])
    ends: dict[Outcome, list[int]] = {}

    async def go() -> None:
        scope = anyio.CancelScope()

        def cancels(batch: Batch, attempt: int) -> Trouble | None:
            if attempt > after:
                scope.cancel()
            return None

        service.trouble = cancels
        writers = Writers(service, 3, ledger=Books())
        with scope:
            await writers.run(batches_of(100, 10))
        if scope.cancelled_caught:
            writers.check(batches_of(100, 10))
        assert writers.ran is not None
        ends.update({one: writers.ran.ended(one) for one in Outcome})

    anyio.run(go)
    assert set(service.table) <= {*ends[Outcome.ACCEPTED], *ends[Outcome.AMBIGUOUS]}
    assert set(ends[Outcome.REJECTED]) <= set(service.bad)


@pytest.mark.parametrize("says", [names_first, names_none, off_by(1)])
def test_with_the_real_journal(tmp_path: Path, says):
    """Bodies with holes are recorded like any other: nothing is open, and all is settled."""
    service = Service(bad={0, 3, 4, 5, 41, 99, 130}, says=says)
    with opened(tmp_path) as journal:
        run = begun(journal)

        async def go() -> Ran:
            writers = Writers(service, 4, ledger=JournalLedger(journal, run))
            return await writers.run(batches_of(200, 50))

        ran = anyio.run(go)
        check(ran, service, 200)
        assert journal.open_intents(run) == []
        settled = journal.settled(run)
        # A rejected record counts as settled by its line in the rejects, which nobody wrote here.
        held = {number - 1 for number in range(1, 201) if settled.holds(0, number)}
        assert held == set(range(200)) - set(service.bad)


def test_an_upsert_keeps_its_last_good_record():
    """A named record that superseded another is rejected, and the other one is sent after all."""
    data = b"1,\n2,\n3,\n4,\n"
    keys = ("a", "b", "a", "c")
    service = Service(bad={3})
    batch = keyed(data, keys)
    ran = delivered(service, [batch], rules=DeliveryRules(harmless=True))
    assert ran.error is None
    assert sorted(service.table) == [1, 2, 4]
    assert [one.batch.records for one in ran.receipts if one.outcome is Outcome.REJECTED] == [1]


def keyed(data: bytes, keys: tuple[str, ...]) -> Batch:
    """One batch of an upsert."""
    packer = Packer(Service().envelope)
    packer.add(Slice(FileInfo(0, "f"), data, 0, len(data), len(keys), 1, len(keys), keys=keys))
    (batch,) = packer.finish()
    return batch


def test_a_refusal_that_is_all_of_the_services_words():
    """The words of the refusal stand in the receipt of the record, sent alone or not."""
    service = Service(bad={7}, says=names_first)
    ran = delivered(service, batches_of(20, 10), 1)
    (receipt,) = [one for one in ran.receipts if one.outcome is Outcome.REJECTED]
    assert (receipt.message, receipt.status, receipt.attempts) == ("1 are bad", 400, 0)
