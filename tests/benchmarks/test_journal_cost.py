"""What the journal costs: measured on real runs, in the thread that records, and by strace."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest

from benchmarks import journal_cost
from benchmarks.handle import DiscardingServer
from benchmarks.inputs import flights
from benchmarks.journal_cost import Cost, Stage, Syncs, Watched
from benchmarks.table import Spread
from benchmarks.tables import FLIGHTS


def test_a_small_run_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All figures of a run of two batches, and the table."""
    options = argparse.Namespace(rows=12_000, runs=1, markdown=True)
    found = journal_cost.program(options, tmp_path)
    assert found["records"] == 12_000
    assert 0 < found["share"]["median"] < 1
    assert found["each_ms"]["median"] > 0
    assert 0.5 <= found["commits"]["median"] <= 2
    assert (found["syncs"] is None) == (shutil.which("strace") is None)
    if found["syncs"]:
        assert 0.5 <= found["syncs"]["each"] <= 4
        assert found["syncs"]["others"] > 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 6


def test_a_run_outside_of_the_books_records_nothing(tmp_path: Path) -> None:
    """So it may stand beside one that does."""
    with DiscardingServer() as server:
        stage = Stage(made(tmp_path), tmp_path)
        fresh = stage.fresh(server.url)
    assert (fresh.batches, fresh.commits, fresh.journal_cpu_s) == (1, 0, 0.0)


def made(folder: Path) -> Path:
    """A job of a few flights."""
    path = flights(folder / "flights.csv", 50).path
    job = folder / "flights.toml"
    job.write_text(FLIGHTS.job(str(path)))
    return job


def test_without_strace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said, and no error."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert Stage(tmp_path / "none.toml", tmp_path).syncs("") is None
    one = Spread(0.0234, 0.02, 0.03)
    assert ("syncs of the log a batch, under strace", "no strace here", "") in journal_cost.rows_of(
        Cost(one, one, one, one, None)
    )


def test_the_table() -> None:
    """A share in percent beside the promise."""
    one = Spread(0.0234, 0.02, 0.03)
    rows = journal_cost.rows_of(Cost(one, one, one, one, Syncs(1.1, 0.9, 20)))
    assert rows[0] == ("share of the run's CPU", "2.34% (2.00% to 3.00%)", "under 3%")
    assert rows[3][1] == "1.10, with 0.90 commits"


def test_shares_and_means() -> None:
    """Of the loading, and of each batch."""
    watched = Watched(batches=10, cpu_s=9.0, loading_cpu_s=2.0, journal_cpu_s=0.05, commits=15)
    assert (watched.share, watched.each_ms) == (0.025, 5.0)
