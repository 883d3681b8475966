"""The memory cases, at a hundredth of their size and less."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.data import wide_rows, write_sized_megabytes, write_sized_wide
from benchmarks.memory import Case, Peak

CASES = {case.label: case for case in memory.cases(0.0001)}


@pytest.mark.parametrize(
    "label",
    [
        "200 MB",
        "200 MB, standard input",
        "6 MB bodies, slow server",
        "1 GB, 0.1 % bad cells",
    ],
)
def test_a_case_is_loaded_to_its_last_record(label: str, tmp_path: Path) -> None:
    """All records arrive, and the peak is a loader's."""
    case = CASES[label]
    made = case.write(tmp_path / "input.csv", case.size_bytes)
    peak = memory.measure(case, made, tmp_path)
    assert peak.input_bytes >= case.size_bytes
    assert peak.requests * 10_000 >= peak.records > 0
    assert peak.mean_body_bytes <= 6_000_000
    assert peak.peak_rss_bytes > 20_000_000


def test_a_load_waits_for_a_frozen_server(tmp_path: Path) -> None:
    """Longer than it was frozen; a load that was over before is no measurement."""
    case = Case("frozen", 20_000, frozen_s=1.5)
    made = case.write(tmp_path / "input.csv", case.size_bytes)
    assert memory.measure(case, made, tmp_path).wall_s >= 1.5
    with pytest.raises(RuntimeError, match="over before the server froze"):
        memory.measure(Case("late", 20_000, frozen_s=300), made, tmp_path)


def test_wide_bodies_are_closed_by_their_bytes() -> None:
    """The slow cases are about full bodies: of 10,000 records each would be larger than 6 MB."""
    full = memory.cases()
    assert len(next(wide_rows(1))) * 10_000 > 6_000_000
    assert [case.label for case in full if case.write is write_sized_wide and case.delay_ms] == [
        "6 MB bodies, slow server",
        "6 MB bodies, 32 in flight",
    ]
    assert all(case.delay_ms for case in full if case.write is write_sized_megabytes)


def test_the_formula_is_the_settings() -> None:
    """The interpreter, 24 blocks, two bodies more than are in flight, and the input of those."""
    assert Case("a", 1).formula_bytes(0, 0) == 155e6 + 24 * 2 * 1024**2
    more = Case("b", 1, block_bytes=1000, in_flight=32)
    assert more.formula_bytes(10**6, 5 * 10**5) == pytest.approx(155e6 + 24_000 + 34 * 1.5e6)
    assert CASES["1 MB records, slow server"].formula_bytes(0, 0) == 155e6 + 24 * 384 * 1024


def test_a_peak_is_held_against_the_mean_body_and_its_input() -> None:
    """Two requests of 4 MB each, made of 6 MB in all; without a request there is no body."""
    case = Case("a", 1, block_bytes=10**6, in_flight=1)
    peak = Peak("a", 1, 10, 6 * 10**6, 2, 4 * 10**6, 1.0, 237 * 10**6)
    assert peak.of_formula(case) == pytest.approx(237 / (155 + 24 + 3 * (4 + 3)))
    assert Peak("a", 1, 0, 0, 0, 0, 1.0, 179 * 10**5).of_formula(case) == pytest.approx(0.1)


def test_settings_of_a_case_stand_in_its_job(tmp_path: Path) -> None:
    """Block size and requests in flight; a pipe is read as `-`."""
    made = CASES["200 MB"].write(tmp_path / "input.csv", 1)
    assert "block_bytes = 1048576" in CASES["blocks of 1 MiB"].job(made)
    assert "in_flight = 32" in CASES["6 MB bodies, 32 in flight"].job(made)
    assert 'paths = ["-"]' in CASES["200 MB, standard input"].job(made)


def test_a_line_compares_within_rounds() -> None:
    """Beside the first case of the same round, and beside the formula."""
    first, other = Case("200 MB", 1), Case("other", 1)
    sizes = ((first, 1, 100), (other, 1, 150), (first, 2, 200), (other, 2, 200))
    peaks = [Peak(c.label, r, 1, 1, 1, 0, 1.0, mb * 10**6) for c, r, mb in sizes]
    row = memory.row_of(other, peaks)
    assert len(row) == len(memory.HEADER)
    assert row[6:8] == ("175", "1.25 (1.00 to 1.50)")
    bars = memory.chart_of((first, other), peaks).bars
    assert [(bar.median, bar.promise) for bar in bars] == [(150, 300), (175, 300)]
