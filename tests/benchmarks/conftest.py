"""A verifying server and a small file, made once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.data import Made, write_stocks
from benchmarks.handle import DiscardingServer


@pytest.fixture(scope="session")
def verifying() -> Iterator[DiscardingServer]:
    """One server process for all tests; `server` resets it for each."""
    with DiscardingServer(verify=True) as running:
        yield running


@pytest.fixture
def server(verifying: DiscardingServer) -> DiscardingServer:
    """A verifying server that has seen nothing yet."""
    verifying.reset()
    return verifying


@pytest.fixture(scope="session")
def stocks(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A stock file of 700 rows."""
    return write_stocks(tmp_path_factory.mktemp("stocks") / "stock.csv", 700)
