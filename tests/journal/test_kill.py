"""SIGKILL at random instants: what was acknowledged is there, and nothing else is made up."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.journal import Journal, RunRecord
from tests.journal.helpers import opened, taken_up
from tests.journal.killed import WRITERS

KILLS = 2


def killed(folder: Path, seed: int, acknowledged: int) -> list[tuple[str, int, str]]:
    """Run until so many calls were acknowledged, kill, and return all that were."""
    command = [sys.executable, "-m", "tests.journal.killed", str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    told = [line.decode().split() for line in lines if line.endswith(b"\n")]
    return [(kind, int(number), outcome) for kind, number, outcome in told]


def check(journal: Journal, run: RunRecord, told: list[tuple[str, int, str]]) -> int:
    """Every acknowledged intent and outcome is there; the number of open intents."""
    settled = journal.settled(run)
    open_ = {one.number: one for one in journal.open_intents(run)}
    intended = {number for kind, number, _ in told if kind == "i"}
    ended = {number: outcome for kind, number, outcome in told if kind == "s"}
    assert max(intended, default=0) <= run.highest
    # Nothing is lost but what ended UNSENT without our having heard of it: one a writer.
    waiting = intended - ended.keys() - open_.keys()
    assert len([n for n in waiting if not settled.holds(0, 10 * n)]) <= WRITERS * KILLS
    for number, outcome in ended.items():
        assert number not in open_
        assert settled.holds(0, 10 * number) is (outcome != "unsent")
    for intent in open_.values():
        assert [(s.first, s.last) for s in intent.spans] == [
            (10 * intent.number - 9, 10 * intent.number)
        ]
        assert not settled.holds(0, 10 * intent.number)
    sums = settled.tally.accepted + settled.tally.ambiguous
    assert sums == sum(found.records for found in settled.files.values())
    return len(open_)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_acknowledged_is_there(tmp_path: Path, seed: int) -> None:
    """Also after a kill while a killed run was being taken up."""
    chance = random.Random(seed)
    told: list[tuple[str, int, str]] = []
    for kill in range(KILLS):
        told += killed(tmp_path, 10 * seed + kill, chance.randint(1, 120 if kill == 0 else 12))
        with opened(tmp_path) as journal:
            check(journal, taken_up(journal), told)
    with opened(tmp_path) as journal:
        run = taken_up(journal)
        accepted = {n for kind, n, outcome in told if kind == "s" and outcome == "accepted"}
        assert journal.settled(run).tally.accepted >= 10 * len(accepted)
