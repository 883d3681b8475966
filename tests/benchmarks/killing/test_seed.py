"""One load: as many kills as were asked for, each counted as what it was, and troubles told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.killing import seed as module
from benchmarks.killing.case import WAYS, Case
from benchmarks.killing.seed import Load, SeedError
from benchmarks.killing.service import Service, serving

CASE = Case(WAYS["ids"], 400, 20, late_s=0.0)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that takes its time."""
    with serving(tmp_path / "data", ("slow:80ms:100%",), 0) as running:
        yield running


def load(folder: Path, service: Service) -> Load:
    """The case in a folder."""
    CASE.write_files(folder)
    return Load(CASE, folder, folder, service)


@pytest.mark.parametrize("kills", [0, 1, 2])
def test_as_many_kills_as_asked_for(tmp_path: Path, service: Service, kills: int) -> None:
    """The first hits a run that was begun, the others one that was taken up; each left bodies
    open, since every request takes long."""
    outcome = load(tmp_path, service).killed_until_done(kills, random.Random(1))
    assert [kill.resumed for kill in outcome.kills] == [n > 0 for n in range(kills)]
    assert all(kill.open_bodies for kill in outcome.kills[:1])
    assert outcome.findings.violations == ()
    assert outcome.exit_code == 3
    assert outcome.report["records"]["accepted"] == 400
    assert len(list(tmp_path.glob("stderr-*"))) == kills + 1


def test_it_may_be_done_before_the_kill(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a request that never comes: the kills fall away."""
    monkeypatch.setattr(Load, "_bodies_left", lambda _: 10**9)
    outcome = load(tmp_path, service).killed_until_done(2, random.Random(2))
    assert (outcome.kills, outcome.exit_code) == ((), 3)
    assert outcome.findings.violations == ()


def test_a_load_that_fails_says_so(tmp_path: Path, service: Service) -> None:
    """Its exit code and its last words."""
    made = load(tmp_path, service)
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SeedError, match=r"exit code 2: .*a\.csv"):
        made.killed_until_done(0, random.Random(1))


def test_a_load_that_hangs_is_ended(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever, killed or not, and no process is left."""
    monkeypatch.setattr(module, "DEADLINE_S", 0.1)
    for kills in (0, 1):
        with pytest.raises(SeedError, match="it hangs"):
            load(tmp_path, service).killed_until_done(kills, random.Random(1))
