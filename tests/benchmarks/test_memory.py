"""The memory cases, at a hundredth of their size and less."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.data import wide_rows, write_sized_wide


@pytest.mark.parametrize("number", [0, 2])
def test_a_case_is_loaded_to_its_last_record(number: int, tmp_path: Path) -> None:
    """All records arrive, the input is gone afterwards, the peak is a loader's."""
    case = memory.cases(0.0001)[number]
    peak = memory.measure(case, tmp_path)
    assert peak.input_bytes >= case.size_bytes
    assert peak.requests * 10_000 >= peak.records > 0
    assert peak.mean_body_bytes <= 6_000_000
    assert peak.peak_rss_bytes > 20_000_000
    assert not (tmp_path / "input.csv").exists()
    assert len(memory.row_of(peak)) == len(memory.HEADER)


def test_wide_bodies_are_closed_by_their_bytes() -> None:
    """The slow case is about 6 MB bodies, so its rows must fill them before 10,000 are in."""
    slow = memory.cases()[2]
    row = len(next(wide_rows(1)))
    assert slow.write is write_sized_wide
    assert row * 10_000 > 6_000_000
    assert slow.delay_ms > 0
