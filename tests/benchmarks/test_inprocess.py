"""The engine in this process takes the whole file, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.data import Made
from benchmarks.inprocess import prepared
from benchmarks.tables import STOCK


@pytest.mark.anyio
async def test_every_record_is_sealed(stocks: Made) -> None:
    """As many as the file has, in one body here."""
    async with prepared(stocks.path) as shaping:
        assert await shaping.run() == stocks.records
    assert (shaping.target.requests, shaping.target.records) == (1, stocks.records)


@pytest.mark.anyio
async def test_rejected_records_are_no_measurement(tmp_path: Path) -> None:
    """A file that is not wholly shaped must not look quick."""
    bad = tmp_path / "bad.csv"
    bad.write_text(STOCK.header + "no date,1,1,1,1,1,1,n,c,1,y\n")
    async with prepared(bad) as shaping:
        with pytest.raises(BaseExceptionGroup) as raised:
            await shaping.run()
    assert raised.group_contains(RuntimeError, match="1 records were rejected")
