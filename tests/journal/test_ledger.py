"""Many writers, one commit; nothing is torn by cancellation; and what a kill leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from ingest.errors import IngestError, SettingsError
from ingest.journal import Intend, Journal, JournalLedger, Op, RunRecord
from ingest.model import Batch, Outcome, Receipt
from ingest.pack import halves
from ingest.protocols import Ledger
from tests.journal.helpers import Wall, begun, body, opened, part_of, taken_up
from tests.pack.helpers import envelope_of

pytestmark = pytest.mark.anyio


def batch_of(number: int) -> Batch:
    """Batch `number` of a run in tens."""
    return body(number, part_of(10 * number - 9, 10))


def accepted(batch: Batch) -> Receipt:
    """The receipt of an accepted body."""
    return Receipt(batch, Outcome.ACCEPTED, 1, 0)


async def test_it_keeps_the_protocol(tmp_path: Path) -> None:
    """Intents and outcomes as `protocols.Ledger` has them."""
    with opened(tmp_path, Wall(77.0)) as journal:
        run = begun(journal)
        ledger: Ledger = JournalLedger(journal, run)
        await ledger.intend(batch_of(1))
        await ledger.intend(batch_of(2))
        await ledger.settle(accepted(batch_of(1)))
        assert [one.key for one in journal.open_intents(run)] == [(2, 0, 10)]
        assert journal.open_intents(run)[0].first_sent_at == 77.0
        assert journal.open_intents(run)[0].digest == batch_of(2).digest()
        assert list(journal.settled(run).files[0]) == [(1, 10)]


@pytest.mark.parametrize("writers", [1, 2, 8, 100])
async def test_those_who_wait_together_share_a_commit(tmp_path: Path, writers: int) -> None:
    """The first goes at once, all who came meanwhile go with the second; each is durable."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        ledger = JournalLedger(journal, run)
        before = journal.commits
        async with anyio.create_task_group() as tasks:
            for number in range(1, writers + 1):
                tasks.start_soon(ledger.intend, batch_of(number))
        assert 1 <= journal.commits - before <= min(writers, 2)
        assert len(journal.open_intents(run)) == writers
        async with anyio.create_task_group() as tasks:
            for number in range(1, writers + 1):
                tasks.start_soon(ledger.settle, accepted(batch_of(number)))
        assert 2 <= journal.commits - before <= 2 * min(writers, 2)
        assert list(journal.settled(run).files[0]) == [(1, 10 * writers)]


@dataclass
class Gated:
    """A journal whose commits wait for a gate, and tell when one has begun."""

    journal: Journal
    gate: Event = field(default_factory=Event)
    begun: Event = field(default_factory=Event)

    def now(self) -> float:
        return 1.0

    def write(self, run: RunRecord, ops: Sequence[Op]) -> Sequence[IngestError | None]:
        self.begun.set()
        assert self.gate.wait(30)
        return self.journal.write(run, ops)


async def test_returning_means_durable(tmp_path: Path) -> None:
    """While the commit is under way nobody returns, and another connection sees nothing."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        gated = Gated(journal)
        ledger = JournalLedger(gated, run)  # type: ignore[arg-type]  # what of it is used here
        returned = []

        async def one(number: int) -> None:
            await ledger.intend(batch_of(number))
            returned.append(number)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, 1)
            await anyio.to_thread.run_sync(gated.begun.wait, 30)
            tasks.start_soon(one, 2)
            await anyio.lowlevel.checkpoint()
            assert returned == []
            gated.gate.set()
        assert sorted(returned) == [1, 2]


async def test_cancellation_tears_nothing(tmp_path: Path) -> None:
    """Who is cancelled while the commit is under way, or while he waits for one, is recorded."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        gated = Gated(journal)
        ledger = JournalLedger(gated, run)  # type: ignore[arg-type]  # what of it is used here
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ledger.intend, batch_of(1))
                await anyio.to_thread.run_sync(gated.begun.wait, 30)
                tasks.start_soon(ledger.intend, batch_of(2))
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
                scope.cancel()
                gated.gate.set()
        assert scope.cancel_called
        assert [one.number for one in journal.open_intents(run)] == [1, 2]
        with anyio.CancelScope() as late:
            late.cancel()
            await ledger.settle(accepted(batch_of(1)))
        assert [one.number for one in journal.open_intents(run)] == [2]


async def test_a_refused_op_is_told_to_its_writer_alone(tmp_path: Path) -> None:
    """The others of the commit return."""
    ends: dict[int, str] = {}
    with opened(tmp_path) as journal:
        run = begun(journal)
        await JournalLedger(journal, run).intend(batch_of(3))
    with opened(tmp_path) as journal:
        run = taken_up(journal)
        ledger = JournalLedger(journal, run)

        async def one(batch: Batch) -> None:
            try:
                await ledger.intend(batch)
                ends[batch.number] = "written"
            except SettingsError as error:
                ends[batch.number] = error.kind

        async with anyio.create_task_group() as tasks:
            for batch in (batch_of(1), batch_of(2), body(3, part_of(500, 10)), batch_of(4)):
                tasks.start_soon(one, batch)
        assert ends == {1: "written", 2: "written", 3: "settings", 4: "written"}


async def test_a_commit_that_fails_is_told_to_all_of_it(tmp_path: Path) -> None:
    """A full disk, or a defect: no writer believes that it is recorded."""
    ends: list[str] = []
    with opened(tmp_path) as journal:
        run = begun(journal)
        vars(journal)["_room"].reserve_bytes = 2**60
        ledger = JournalLedger(journal, run)

        async def one(batch: Batch) -> None:
            try:
                await ledger.intend(batch)
            except IngestError as error:
                ends.append(error.message[:18])

        async with anyio.create_task_group() as tasks:
            for number in range(1, 6):
                tasks.start_soon(one, batch_of(number))
        assert ends == ["the disk is full: "] * 5
        vars(journal)["_room"].reserve_bytes = 0
        journal.close()
        with pytest.raises(IngestError, match="damaged"):
            await ledger.intend(batch_of(9))


async def test_parts_and_states(tmp_path: Path) -> None:
    """Offsets name the parts of a body; an upload's state goes with its body."""
    whole = batch_of(1)
    left, right = halves(whole, envelope_of(end=b"\n"))
    with opened(tmp_path) as journal:
        run = begun(journal)
        ledger = JournalLedger(journal, run)
        await ledger.intend(whole)
        await ledger.apart(whole)
        await ledger.intend(left)
        await ledger.intend(right)
        await ledger.note_state(right, '{"step":1}')
        await ledger.settle(accepted(left))
        (found,) = journal.open_intents(run)
        assert (found.key, found.upload) == ((1, 5, 5), '{"step":1}')
        await ledger.settle(accepted(right))
        assert list(journal.settled(run).files[0]) == [(1, 10)]


async def test_what_an_outcome_relies_on_is_on_the_disk_first(tmp_path: Path) -> None:
    """Before outcomes and for a whole commit once, never for intents; where it fails, no outcome
    is recorded."""
    synced: list[int] = []
    broken = False

    def sync() -> None:
        if broken:
            raise IngestError("rejects can't be written")
        synced.append(journal.commits)

    with opened(tmp_path) as journal:
        run = begun(journal)
        ledger = JournalLedger(journal, run, sync)
        for number in (1, 2):
            await ledger.intend(batch_of(number))
        assert synced == []
        before = journal.commits
        await ledger.settle(accepted(batch_of(1)))
        assert synced == [before]
        broken = True
        with pytest.raises(IngestError, match="rejects can't be written"):
            await ledger.settle(accepted(batch_of(2)))
        assert [one.number for one in journal.open_intents(run)] == [2]


async def test_a_digest_of_an_earlier_version(tmp_path: Path) -> None:
    """A body recorded by its SHA-256 is known again by it; another one is refused all the same."""
    with opened(tmp_path) as journal:
        run = begun(journal)
        for number in (1, 2):
            batch = batch_of(number)
            journal.write(run, [Intend(batch, batch.digest("in bare hex"), 1.0)])
        assert {len(one.digest) for one in journal.open_intents(run)} == {64}
    with opened(tmp_path) as journal:
        run = taken_up(journal)
        ledger = JournalLedger(journal, run)
        await ledger.intend(batch_of(1))
        with pytest.raises(SettingsError, match="not the body that is recorded"):
            await ledger.intend(body(2, part_of(500, 10)))
        assert [one.sendings for one in journal.open_intents(run)] == [2, 1]
