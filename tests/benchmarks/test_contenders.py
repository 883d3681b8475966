"""What a contender must do, and what its run is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import inputs, peers
from benchmarks.contenders import CONTENDERS, OURS, SHAPERS, SHAPING, Contender, Stage, Task
from benchmarks.data import Made
from benchmarks.handle import DiscardingServer


def test_every_contender_is_ours_or_a_peer() -> None:
    """Names are found, and none stands twice."""
    for contenders, ours in ((CONTENDERS, OURS), (SHAPERS, SHAPING)):
        names = [contender.name for contender in contenders]
        assert names[0] == ours
        assert len(set(names)) == len(names)
        assert set(names[1:]) <= peers.PEERS.keys()


def test_a_run_that_took_less_is_no_run(stocks: Made, tmp_path: Path) -> None:
    """The records that a run says it took are counted."""
    stage = Stage(Task(Made(stocks.path, 701, stocks.size_bytes)), tmp_path / "stage")
    with pytest.raises(RuntimeError, match="ingest-shaping took 700 of 701 records"):
        stage.run(Contender(SHAPING, "ours"), "")


def test_bad_records_are_expected(tmp_path: Path, server: DiscardingServer) -> None:
    """With rejects the command ends with exit code 3, and the others land."""
    made = inputs.bad(tmp_path / "bad.csv", 600)
    stage = Stage(Task(made, rejected=1), tmp_path / "stage")
    assert stage.run(Contender(OURS, "ours"), server.url).records == 599
    assert server.received().records == 599
