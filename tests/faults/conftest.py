"""What the tests of faults share: one sandbox without faults, and short pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest import governor
from tests.sandbox.conftest import Running, running


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox that never fails by itself; each test makes a table of its own."""
    with running(tmp_path_factory.mktemp("faults")) as one:
        yield one


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and backoffs as they are, only a hundred times shorter."""
    monkeypatch.setattr(governor, "BACKOFF_BASE_S", governor.BACKOFF_BASE_S / 100)
    monkeypatch.setattr(governor, "RELEASE_S", governor.RELEASE_S / 100)
