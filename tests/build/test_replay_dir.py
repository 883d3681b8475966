"""A replay's own directory: whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ingest.build import replay_dir
from ingest.build.replay_dir import ReplayDir, outcome_of
from ingest.errors import IngestError
from ingest.sources.reject_lines import Mended
from ingest.state import RunDir

LINES = [Mended(b'{"n":%d}' % n, "a.csv", n, 0, n, "odd", b"x") for n in (1, 2)]


@pytest.fixture
def home(tmp_path: Path) -> ReplayDir:
    """That of a run without one."""
    run = RunDir(tmp_path / "20261121-221500-job-4f2a")
    run.path.mkdir()
    return ReplayDir(run)


def test_it_begins_with_lines_and_report(home):
    """Private, under the run's id, and nothing has come of it yet."""
    assert not home.there
    home.begin(LINES, b"{}")
    assert home.there
    assert home.as_run.id == home.run.id
    assert home.as_run.job == "job"
    assert home.input_path.read_bytes() == b'{"n":1}\n{"n":2}\n'
    assert home.before_path.read_bytes() == b"{}"
    for path in home.run.path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert outcome_of(home) is None
    home.discard()
    assert list(home.run.path.iterdir()) == []


@pytest.mark.parametrize("step", ["begin", "discard"])
def test_cut_off_it_leaves_nothing_that_counts(home, step, monkeypatch):
    """Half a directory has another name, and goes with the next."""
    if step == "discard":
        home.begin(LINES, b"{}")

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(replay_dir, "write_private" if step == "begin" else "_sync", broken)
        with pytest.raises(IngestError, match="No space left"):
            home.begin(LINES, b"{}") if step == "begin" else home.discard()
    assert not home.there
    home.begin(LINES, b"{}")
    home.discard()
    assert [path.name for path in home.run.path.iterdir()] == []
