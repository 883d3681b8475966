"""The comparison of the two spellings really shapes both files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import whole_floats
from benchmarks.data import write_stocks


def test_every_round_measures_both(tmp_path: Path) -> None:
    """One ratio of as many rounds as were asked for."""
    plain = write_stocks(tmp_path / "plain.csv", 2000).path
    floats = write_stocks(tmp_path / "floats.csv", 2000, whole_floats=True).path
    ratio, plain_s, floats_s = asyncio.run(whole_floats.measure(plain, floats, 3))
    assert len(plain_s) == len(floats_s) == 3
    assert ratio.least <= ratio.median <= ratio.greatest
    assert min(*plain_s, *floats_s) > 0


def test_rejected_records_are_no_measurement(tmp_path: Path) -> None:
    """A file that is not wholly shaped must not look quick."""
    good = write_stocks(tmp_path / "plain.csv", 10).path
    bad = tmp_path / "bad.csv"
    bad.write_text(good.read_text().replace("2014-", "year-"))
    with pytest.raises(RuntimeError, match="10 records were rejected"):
        asyncio.run(whole_floats.measure(good, bad, 1))
