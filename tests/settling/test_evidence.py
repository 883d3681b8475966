"""Settling by a key that is unique in the data."""

from __future__ import annotations

import pytest

from ingest.model import Batch
from ingest.pack import halves
from ingest.settling import EvidenceSettler, SettleRules
from tests.fakes import JumpingClock
from tests.settling.fakes import ARRAY, FakeTable, Run, batch_of, stamped

pytestmark = pytest.mark.anyio


class Scene:
    """A settler with all around it."""

    def __init__(self, rows_before: int | None = 0) -> None:
        self.clock = JumpingClock()
        self.table = FakeTable(self.clock, stamped(4, "other", first=900))
        self.run = Run(self.clock)
        self.notes: list[str] = []
        self.settler = EvidenceSettler(
            self.table, "k", SettleRules(), self.clock, rows_before, self.notes.append
        )

    async def settle(self, batch: Batch) -> bool | None:
        return await self.settler.settle(batch, self.clock.now, self.run.wait_until)


@pytest.fixture
def scene() -> Scene:
    """A table that was empty before the run."""
    return Scene()


@pytest.mark.parametrize("count", [1, 2, 3, 500])
async def test_present_keys_prove_that_a_batch_landed(scene, count):
    """Each of them once."""
    scene.table.rows += stamped(count)
    assert await scene.settle(batch_of(stamped(count))) is True
    assert len(scene.table.asked_at) == min(count, 3)


@pytest.mark.parametrize("count", [1, 2, 3, 500])
async def test_absent_keys_prove_it_only_after_the_time(scene, count):
    """That it did not land."""
    start_s = scene.clock.now
    assert await scene.settle(batch_of(stamped(count))) is False
    assert scene.table.asked_at[-1] == start_s + 60


async def test_a_late_commit_is_waited_for(scene):
    """Between the looks."""
    scene.table.comes(scene.clock.now + 20, stamped(9))
    assert await scene.settle(batch_of(stamped(9))) is True


async def test_a_commit_in_the_midst_of_a_look_is_looked_at_again(scene):
    """The keys are asked one by one: the first may be asked before it, the last after."""

    async def count_where(column: str, value: str | int) -> int:
        found = await FakeTable.count_where(scene.table, column, value)
        if len(scene.table.asked_at) == 1:
            scene.table.rows += stamped(9)
        return found

    scene.table.count_where = count_where
    assert await scene.settle(batch_of(stamped(9))) is True
    assert scene.notes == []
    assert len(scene.table.asked_at) == 6


async def test_some_keys_settle_nothing(scene):
    """The batch did not land as a whole: it is said."""
    scene.table.rows += stamped(5)
    assert await scene.settle(batch_of(stamped(9))) is None
    assert len(scene.notes) == 1
    assert "batch 7" in scene.notes[0]


async def test_a_key_that_is_there_twice_settles_nothing(scene):
    """It is not unique; or the batch is there twice."""
    scene.table.rows += stamped(9) * 2
    assert await scene.settle(batch_of(stamped(9))) is None
    assert await scene.settle(batch_of(stamped(9))) is None
    assert len(scene.notes) == 1
    assert "not unique" in scene.notes[0]


async def test_a_key_that_stands_twice_in_the_batch_settles_nothing(scene):
    """Where it is among the few that are looked at."""
    same = [{"k": "a"}, {"k": "a"}]
    scene.table.rows += same[:1]
    assert await scene.settle(batch_of(same)) is None
    assert scene.table.asked_at == []
    assert "not unique" in scene.notes[0]


@pytest.mark.parametrize("record", [{}, {"k": None}, {"k": 1.5}, {"k": True}, {"k": ["a"]}])
async def test_a_record_without_a_key_settles_nothing(scene, record):
    """Missing, null, or of a type that can't be asked for exactly; said once."""
    batch = batch_of([*stamped(2), record])
    assert await scene.settle(batch) is None
    assert await scene.settle(batch) is None
    assert scene.table.asked_at == []
    assert len(scene.notes) == 1


@pytest.mark.parametrize("down_at", [1, 2, 3, 4, 6])
async def test_a_service_that_does_not_answer_settles_nothing(scene, down_at):
    """At whichever question."""
    scene.table.down_at.add(down_at)
    assert await scene.settle(batch_of(stamped(9))) is None
    assert len(scene.table.asked_at) == down_at
    assert len(scene.notes) == 1


async def test_a_run_that_is_ended_waits_no_longer(scene):
    """It has looked once."""
    scene.run.ending = True
    assert await scene.settle(batch_of(stamped(1))) is None
    assert scene.clock.slept == []


async def test_an_empty_table_needs_no_question_beforehand(scene):
    """No row could have had the keys."""
    assert await scene.settler.prepare(batch_of(stamped(9))) is True
    assert scene.table.asked_at == []


@pytest.mark.parametrize("rows_before", [1, 5000, None])
async def test_keys_that_were_not_there_before_are_evidence(rows_before):
    """One question a body, before its first attempt."""
    scene, batch = Scene(rows_before), batch_of(stamped(9))
    assert await scene.settler.prepare(batch) is True
    assert len(scene.table.asked_at) == 1
    scene.table.rows += stamped(9)
    assert await scene.settle(batch) is True


@pytest.mark.parametrize("place", [0, 4, 8])
async def test_a_key_that_was_there_before_is_no_evidence(place):
    """For its batch, but for others; said once."""
    scene, batch = Scene(5000), batch_of(stamped(9))
    scene.table.rows.append(stamped(9)[place])
    assert await scene.settler.prepare(batch) is False
    assert await scene.settler.prepare(batch) is False
    scene.table.rows += stamped(9)
    assert await scene.settle(batch) is None
    assert len(scene.notes) == 1
    other = batch_of(stamped(9, first=50), number=8)
    assert await scene.settler.prepare(other) is True
    scene.table.rows += stamped(9, first=50)
    assert await scene.settle(other) is True


async def test_a_question_without_an_answer_beforehand_is_no_evidence():
    """It may have been there."""
    scene, batch = Scene(5000), batch_of(stamped(9))
    scene.table.down_at.add(1)
    assert await scene.settler.prepare(batch) is False
    assert await scene.settle(batch) is None
    assert len(scene.notes) == 1


async def test_records_without_keys_are_no_evidence_beforehand():
    """And are not asked for."""
    scene = Scene(5000)
    assert await scene.settler.prepare(batch_of([{"a": 1}])) is False
    assert scene.table.asked_at == []


async def test_evidence_is_each_bodys_own():
    """Halves of a batch have other keys in their sample: they are looked up anew."""
    scene, batch = Scene(5000), batch_of(stamped(10))
    assert await scene.settler.prepare(batch) is True
    for half in halves(batch, ARRAY):
        assert await scene.settle(half) is None
        assert await scene.settler.prepare(half) is True
        scene.table.rows += stamped(10)
        assert await scene.settle(half) is True
        scene.table.rows.clear()


async def test_a_journal_may_vouch_for_a_body():
    """It was looked up by the process that was killed."""
    scene, batch = Scene(5000), batch_of(stamped(10))
    scene.table.rows += stamped(10)
    assert await scene.settle(batch) is None
    scene.settler.trust(batch)
    assert await scene.settle(batch) is True
