"""The guard fails where too much is lost, and only there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from benchmarks import guard
from benchmarks.data import write_stocks
from benchmarks.guard import Found, recorded_ratio

OPTIONS = argparse.Namespace(seed=1, record=False, markdown=False)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of recorded figures that holds 8 for this version."""
    path = tmp_path / "guard.json"
    path.write_text(json.dumps({"ratios": {guard._version(): 8.0}}))
    monkeypatch.setattr(guard, "RECORDED", path)
    return path


def measured(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    """Let the next measurement find this ratio."""
    monkeypatch.setattr(guard, "measure", lambda *_: Found([1.0] * 3, [ratio] * 3))


@pytest.mark.parametrize(
    ("ratio", "fails"), [(9.0, False), (6.0, False), (5.99, True), (0.1, True)]
)
def test_a_quarter_may_be_lost_and_no_more(
    ratio: float, fails: bool, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six of eight holds; the least bit less ends with exit code 1 and says what to do."""
    measured(monkeypatch, ratio)
    if not fails:
        assert guard.program(OPTIONS, tmp_path)["ratio"] == ratio
        return
    with pytest.raises(SystemExit) as ended:
        guard.program(OPTIONS, tmp_path)
    assert ended.value.code == 1


def test_what_seems_slower_is_measured_again(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours that were busy at first fail nobody, nor do they hide what is slower."""
    found = iter([Found([2.0], [10.0]), Found([1.5], [9.0]), Found([1.5], [9.0])])
    monkeypatch.setattr(guard, "measure", lambda *_: next(found))
    assert guard.program(OPTIONS, tmp_path)["ratio"] == 6.0
    assert len(list(found)) == 1


def test_a_planted_slowdown_is_found(tmp_path: Path) -> None:
    """30 % less is more than a quarter: measured here, in turn with the engine as it is."""
    path = write_stocks(tmp_path / "stock.csv", guard.ROWS).path
    pairs = [(guard._ours(path, 0.0), guard._ours(path, 0.3)) for _ in range(12)]
    plain, slow = (min(seconds) for seconds in zip(*pairs, strict=True))
    assert plain / slow < guard.LEAST_PART


def test_recording_keeps_the_other_versions(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This version's figure is replaced, with the machine beside it."""
    recorded.write_text(json.dumps({"ratios": {"3.0": 2.0, guard._version(): 8.0}}))
    measured(monkeypatch, 5.004)
    guard.program(argparse.Namespace(**{**vars(OPTIONS), "record": True}), tmp_path)
    found = json.loads(recorded.read_text())
    assert found["ratios"] == {"3.0": 2.0, guard._version(): 5.0}
    assert found["machine"]["cores"] >= 1


def test_an_unknown_version_is_held_against_the_least() -> None:
    """So a new interpreter doesn't fail for being quicker at the yardstick."""
    known = {"ratios": {"3.11": 6.0, "3.12": 5.0}}
    assert recorded_ratio(known, "3.11") == 6.0
    assert recorded_ratio(known, "3.99") == 5.0


def test_ratios_are_of_the_least() -> None:
    """Neighbours only add: a slow round of either changes nothing."""
    assert Found([50.0, 2.0, 3.0], [90.0, 8.0, 9.0]).ratio == 4.0
