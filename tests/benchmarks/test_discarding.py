"""The command whose bodies are thrown away seals what the real one sends."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders import OURS, SHAPING, Contender, Stage, Task
from benchmarks.data import Made
from benchmarks.handle import DiscardingServer


def test_it_seals_the_bodies_that_the_command_sends(
    stocks: Made, tmp_path: Path, server: DiscardingServer
) -> None:
    """As many, as long, the same rows; and the report is a run's."""
    stage = Stage(Task(stocks), tmp_path / "stage")
    stage.run(Contender(OURS, "ours"), server.url)
    arrived = server.received()
    ran = stage.run(Contender(SHAPING, "shaping"), "", verify=True)
    assert ran.sealed == {
        "requests": arrived.requests,
        "records": arrived.records,
        "bytes": arrived.size_bytes,
        "rows_hash": arrived.rows_hash,
    }
    assert ran.records == stocks.records
    assert 0 < ran.work_s < ran.measured.wall_s


def test_unless_it_verifies_nothing_is_hashed(stocks: Made, tmp_path: Path) -> None:
    """A timed run looks at no row."""
    stage = Stage(Task(stocks), tmp_path / "stage")
    assert stage.run(Contender(SHAPING, "shaping"), "").sealed["rows_hash"] is None
