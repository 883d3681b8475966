"""Evidence that outlives the process."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.settling import EvidenceSettler, SettleRules, TrustedEvidence
from tests.fakes import JumpingClock
from tests.settling.fakes import FakeTable, Run, batch_of, stamped

pytestmark = pytest.mark.anyio


class Scene:
    """A table that was not empty, and the processes of one run, one after the other."""

    def __init__(self, path: Path, rows_before: int | None = 4) -> None:
        self.path = path
        self.rows_before = rows_before
        self.clock = JumpingClock()
        self.table = FakeTable(self.clock, stamped(4, "other", first=900))
        self.run = Run(self.clock)

    def process(self) -> TrustedEvidence:
        """A new process."""
        inner = EvidenceSettler(self.table, "k", SettleRules(), self.clock, self.rows_before)
        return TrustedEvidence(inner, self.path, asks=self.rows_before != 0)

    async def settled(self, settler: TrustedEvidence, number: int = 7) -> bool | None:
        batch = batch_of(stamped(9), number=number)
        return await settler.settle(batch, self.clock.now, self.run.wait_until)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """One."""
    return Scene(tmp_path / "evidence.ndjson")


@pytest.mark.parametrize("rows_before", [4, None])
async def test_the_next_process_knows_what_was_asked(tmp_path, rows_before):
    """Presence proves for it what it proved for the first one; of others nothing."""
    scene = Scene(tmp_path / "evidence.ndjson", rows_before)
    first = scene.process()
    assert await first.prepare(batch_of(stamped(9)))
    assert await first.prepare(batch_of(stamped(9, first=50), number=8))
    assert stat.S_IMODE(scene.path.stat().st_mode) == 0o600
    scene.table.rows += stamped(9)
    assert await scene.settled(first) is True
    assert await scene.settled(scene.process()) is True
    assert await scene.settled(scene.process(), number=9) is None


async def test_absence_is_proved_as_well(scene):
    """After the server's time."""
    await scene.process().prepare(batch_of(stamped(9)))
    assert await scene.settled(scene.process()) is False


async def test_a_key_that_was_there_proves_nothing_later_either(scene):
    """Nothing is kept of such a body, nor of a part under another name."""
    scene.table.rows += stamped(1)
    assert not await scene.process().prepare(batch_of(stamped(9)))
    assert not scene.path.exists()
    assert await scene.settled(scene.process()) is None
    await scene.process().prepare(replace(batch_of(stamped(9, first=20)), offset=3))
    assert await scene.settled(scene.process()) is None


async def test_an_empty_table_needs_no_memory(tmp_path):
    """Every value came with the run."""
    scene = Scene(tmp_path / "evidence.ndjson", rows_before=0)
    assert await scene.process().prepare(batch_of(stamped(9)))
    scene.table.rows += stamped(9)
    assert await scene.settled(scene.process()) is True
    assert not scene.path.exists()


async def test_a_torn_line_is_no_answer(scene):
    """Wherever it is torn; what is written behind it counts."""
    await scene.process().prepare(batch_of(stamped(9)))
    whole = scene.path.read_bytes()
    scene.table.rows += stamped(9)
    for length in range(len(whole)):
        scene.path.write_bytes(whole[:length])
        assert await scene.settled(scene.process()) is None
    scene.path.write_bytes(whole[:-2])
    await scene.process().prepare(batch_of(stamped(9, first=50), number=8))
    await scene.process().prepare(batch_of(stamped(9, first=70), number=7))
    assert await scene.settled(scene.process()) is True


async def test_where_it_cannot_be_kept(scene):
    """The body is not sent; a link is not followed."""
    scene.path.symlink_to("elsewhere")
    with pytest.raises(IngestError, match="can't be kept"):
        await scene.process().prepare(batch_of(stamped(9)))
