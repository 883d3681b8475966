"""Packing onto the disk is measured on records that really lie there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks import spool
from benchmarks.data import write_stocks


def test_every_round_measures_both(tmp_path: Path) -> None:
    """As many rounds as were asked for, one ratio of them, sizes of one and the same records."""
    made = write_stocks(tmp_path / "stock.csv", 3000)
    packed = asyncio.run(spool.measure(made.path, tmp_path / "spool", 3))
    assert len(packed.memory_s) == len(packed.spool_s) == 3
    assert min(*packed.memory_s, *packed.spool_s) > 0
    assert packed.ratio.least <= packed.ratio.median <= packed.ratio.greatest
    assert packed.gzip_bytes < packed.plain_bytes
    assert packed.spool_bytes <= spool.PROMISED_SIZE * packed.gzip_bytes
    assert list((tmp_path / "spool").iterdir()) == []
    first, second = spool.rows_of(packed, made.records)
    assert len(first) == len(second) == len(spool.HEADER)


def test_rejected_records_are_no_measurement(tmp_path: Path) -> None:
    """A file that is not wholly packed must not look quick."""
    bad = write_stocks(tmp_path / "bad.csv", 10).path
    bad.write_text(bad.read_text().replace("2014-", "year-"))
    with pytest.raises(BaseExceptionGroup) as raised:
        asyncio.run(spool.measure(bad, tmp_path / "spool", 1))
    assert raised.group_contains(RuntimeError, match="records were rejected")


def test_a_spool_that_lacks_records_is_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was packed is compared with what was shaped."""
    made = write_stocks(tmp_path / "stock.csv", 500)
    monkeypatch.setattr("ingest.pack.spool.SpoolPacking.finish", _nothing)
    with pytest.raises(RuntimeError, match="do not hold what was shaped"):
        asyncio.run(spool.measure(made.path, tmp_path / "spool", 1))


async def _nothing(_: object) -> list[object]:
    return []
