"""Settling by count: stamps and ids."""

from __future__ import annotations

import pytest

from ingest.model import Batch
from ingest.settling import CountMismatch, IdSettler, SettleRules, StampSettler
from tests.fakes import JumpingClock
from tests.settling.fakes import FakeTable, Run, batch_of, stamped

pytestmark = pytest.mark.anyio
RULES = SettleRules()


@pytest.fixture
def clock() -> JumpingClock:
    """Time."""
    return JumpingClock()


@pytest.fixture
def table(clock: JumpingClock) -> FakeTable:
    """A table with rows that are not ours."""
    return FakeTable(clock, stamped(3, "r:6", first=500))


@pytest.fixture
def notes() -> list[str]:
    """What is said."""
    return []


class Settle:
    """One of the settlers, with everything but the batch and the attempt's end."""

    def __init__(self, way: str, table: FakeTable, notes: list[str]) -> None:
        self.run = Run(table.clock)
        self.settler: StampSettler | IdSettler = (
            StampSettler(table, "stamp", RULES, table.clock, notes.append)
            if way == "stamp"
            else IdSettler(table, RULES, table.clock, notes.append)
        )

    async def __call__(self, batch: Batch, since_s: float | None = None) -> bool | None:
        since_s = self.run.clock.now if since_s is None else since_s
        return await self.settler.settle(batch, since_s, self.run.wait_until)


@pytest.fixture(params=["stamp", "ids"])
def settle(request: pytest.FixtureRequest, table: FakeTable, notes: list[str]) -> Settle:
    """Each of the two."""
    return Settle(request.param, table, notes)


@pytest.mark.parametrize("count", [1, 2, 500])
async def test_a_batch_that_is_there_has_landed(settle, table, count):
    """Told at the first look."""
    table.rows += stamped(count)
    assert await settle(batch_of(stamped(count))) is True
    assert len(table.asked_at) == 1


@pytest.mark.parametrize("count", [1, 2, 500])
async def test_a_batch_that_stays_away_has_not(settle, table, clock, count):
    """Told when the server's time has passed, not before."""
    start_s = clock.now
    assert await settle(batch_of(stamped(count))) is False
    assert table.asked_at[-1] == start_s + 60


async def test_a_batch_that_comes_late_has_landed(settle, table, clock):
    """Between the looks."""
    table.comes(clock.now + 45, stamped(20))
    assert await settle(batch_of(stamped(20))) is True


async def test_the_time_counts_from_the_attempt(settle, table, clock):
    """Not from the question."""
    start_s = clock.now
    assert await settle(batch_of(stamped(2)), start_s - 50) is False
    assert table.asked_at[-1] == start_s + 10


@pytest.mark.parametrize("there", [1, 19])
async def test_a_part_stops_the_run_with_the_counts(settle, table, there):
    """After the time: neither sending nor not sending would be right."""
    table.rows += stamped(there)
    with pytest.raises(CountMismatch, match=f": {there}, but batch 7 has 20 records") as caught:
        await settle(batch_of(stamped(20)))
    assert "a part of it" in caught.value.message
    assert caught.value.hint


async def test_a_part_that_becomes_whole_has_landed(settle, table, clock):
    """A service that commits row by row."""
    table.rows += stamped(5)
    table.comes(clock.now + 2, stamped(15, first=5))
    assert await settle(batch_of(stamped(20))) is True


async def test_more_than_the_batch_stops_the_run_at_once(settle, table):
    """It was doubled before."""
    table.rows += stamped(20) + stamped(1)
    with pytest.raises(CountMismatch, match=r"21, but batch 7 has 20 records.*more than was sent"):
        await settle(batch_of(stamped(20)))
    assert len(table.asked_at) == 1


@pytest.mark.parametrize("down_at", [1, 2, 7])
async def test_a_service_that_does_not_answer_settles_nothing(settle, table, notes, down_at):
    """At whichever look; it is said."""
    table.down_at.add(down_at)
    assert await settle(batch_of(stamped(2))) is None
    assert len(table.asked_at) == down_at
    assert len(notes) == 1


async def test_a_run_that_is_ended_settles_what_it_can(settle, table):
    """It looks once, and does not wait."""
    settle.run.ending = True
    assert await settle(batch_of(stamped(2))) is None
    table.rows += stamped(2)
    assert await settle(batch_of(stamped(2))) is True
    assert len(table.asked_at) == 2


async def test_records_without_a_mark_settle_nothing(settle, table):
    """No question is asked."""
    assert await settle(batch_of([{"a": 1}, {"a": 2}])) is None
    assert table.asked_at == []


async def test_nothing_is_asked_beforehand(settle, table):
    """Both marks are the run's own."""
    assert await settle.settler.prepare(batch_of(stamped(2))) is True
    assert table.asked_at == []


async def test_other_halves_bear_the_same_stamp(clock, table):
    """What landed of them is taken off, and where it is not known nothing is settled."""
    settler = StampSettler(table, "stamp", RULES, clock)
    run, half = Run(clock), batch_of(stamped(10, first=10))
    table.rows += stamped(10)
    assert await settler.settle(half, clock.now, run.wait_until, 10) is False
    assert await settler.settle(half, clock.now, run.wait_until, None) is None
    table.rows += stamped(10, first=10)
    assert await settler.settle(half, clock.now, run.wait_until, 10) is True
    table.rows = stamped(5)
    with pytest.raises(CountMismatch, match="besides 10 that were accepted before"):
        await settler.settle(half, clock.now, run.wait_until, 10)


async def test_ids_in_the_midst_of_others_are_counted_alone(clock, table):
    """Mended records are sent later; those around them are there already."""
    mended = [stamped(1, first=n)[0] for n in (3, 8, 9)]
    table.rows += [row for row in stamped(20) if row not in mended]
    settler, run = IdSettler(table, RULES, clock), Run(clock)
    assert await settler.settle(batch_of(mended), clock.now, run.wait_until) is False
    table.rows += mended
    assert await settler.settle(batch_of(mended), clock.now, run.wait_until) is True


async def test_a_mismatch_names_the_rows(clock, table):
    """So that a person finds them."""
    table.rows += stamped(1)
    run, batch = Run(clock), batch_of(stamped(3))
    with pytest.raises(CountMismatch, match=r"rows whose stamp is 'r:7': 1, but"):
        await StampSettler(table, "stamp", RULES, clock).settle(batch, clock.now, run.wait_until)
    with pytest.raises(CountMismatch, match="id is one of the batch's, 1000 to 1002: 1, but"):
        await IdSettler(table, RULES, clock).settle(batch, clock.now, run.wait_until)
