"""What a run is packed with: anew, or by the recorded cuts; its spools by what the books say."""

from __future__ import annotations

import pytest

from ingest.build.booking import Booking
from ingest.build.packing import packing_in_memory, packing_on_disk
from ingest.journal import JournalLedger
from ingest.model import Batch
from ingest.pack import MemoryPacking
from ingest.pack.recut import RecutPacking
from ingest.pack.spool import SpoolPacking
from ingest.state import RunDir
from tests.journal.helpers import begun, opened, taken_up
from tests.pack.helpers import envelope_of
from tests.pack.spools import lines, lines_of, names_in, records_of_all

pytestmark = pytest.mark.anyio


async def test_a_run_that_is_begun(tmp_path):
    """In memory and on the disk; without books no file is left."""
    run = RunDir(tmp_path)
    assert isinstance(packing_in_memory(Booking(run), envelope_of(), limited=False), MemoryPacking)
    async with packing_on_disk(Booking(run), None, 1000, limited=False) as packing:
        assert isinstance(packing, SpoolPacking)
        await packing.add(lines(3))
        assert [batch.number for batch in await packing.finish()] == [1]
    assert names_in(run.spool_dir) == []


async def intended(tmp_path) -> Batch:
    """A run that was killed once its first body stood in the books."""
    run = RunDir(tmp_path)
    with opened(tmp_path) as journal:
        record = begun(journal)
        booking = Booking(run, journal, record)
        ledger = JournalLedger(journal, record)
        async with packing_on_disk(booking, ledger, 1000, limited=False) as packing:
            await packing.add(lines(3))
            (batch,) = await packing.finish()
            await ledger.intend(batch)
    assert batch.spool
    assert names_in(run.spool_dir) == [batch.spool.path.name]
    return batch


@pytest.mark.parametrize("lost", [False, True])
async def test_a_run_that_is_taken_up(tmp_path, lost):
    """The recorded body first, from its file or filled once more; then new ones, numbered behind
    it. Nothing that shows where records came from outlives the block."""
    batch = await intended(tmp_path)
    assert batch.spool
    if lost:
        batch.spool.path.unlink()
    run = RunDir(tmp_path)
    with opened(tmp_path) as journal:
        record = taken_up(journal)
        booking = Booking(
            run,
            journal,
            record,
            settled=journal.settled(record),
            intents=journal.open_intents(record),
        )
        in_memory = packing_in_memory(booking, envelope_of(), limited=False)
        assert isinstance(in_memory, RecutPacking)
        ledger = JournalLedger(journal, record)
        async with packing_on_disk(booking, ledger, 1000, limited=False) as packing:
            found = [*await packing.add(lines(5)), *await packing.finish()]
            assert [(one.number, one.count) for one in found] == [(1, 3), (2, 2)]
            assert [line for one in found for line in lines_of(one)] == records_of_all([lines(5)])
            await ledger.intend(found[0])
    assert found[0].spool
    assert names_in(run.spool_dir) == [found[0].spool.path.name]


async def test_a_limit_that_ends_before_a_recorded_body(tmp_path):
    """It stays open, and its file stays."""
    batch = await intended(tmp_path)
    assert batch.spool
    with opened(tmp_path) as journal:
        record = taken_up(journal)
        intents = journal.open_intents(record)
        settled = journal.settled(record)
        booking = Booking(RunDir(tmp_path), journal, record, settled=settled, intents=intents)
        ledger = JournalLedger(journal, record)
        async with packing_on_disk(booking, ledger, 1000, limited=True) as packing:
            assert await packing.add(lines(2)) == []
            assert await packing.finish() == []
            assert packing.pending == 2
    assert names_in(batch.spool.path.parent) == [batch.spool.path.name]
