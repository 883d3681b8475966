"""Starts are measured with what they do, and beside the bare interpreter."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks import start
from benchmarks.start import HELP, LOAD, PYTHON, Start


def test_every_start_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run each, the first round not counted."""
    found = start.program(argparse.Namespace(runs=1, markdown=False), tmp_path)
    labels = [run["label"] for run in found["runs"]]
    assert labels[:3] == [PYTHON, HELP, LOAD]
    assert {run["round"] for run in found["runs"]} == {1}
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(labels)


def test_ratios_are_taken_within_a_round() -> None:
    """Times the interpreter's start, and what is promised."""
    runs = [Start(1, PYTHON, 0.1, 0), Start(1, LOAD, 0.4, 0)]
    runs += [Start(2, PYTHON, 0.2, 0), Start(2, LOAD, 0.6, 0)]
    assert start.row_of(LOAD, runs) == (LOAD, "0.50", "3.50 (3.00 to 4.00)", "under 0.6 s")


def test_a_load_that_did_not_arrive_is_no_start() -> None:
    """Ten records, or none where none are sent."""
    start._check(LOAD, 10)
    start._check(HELP, 0)
    with pytest.raises(RuntimeError, match="9 records arrived, not 10"):
        start._check(LOAD, 9)
