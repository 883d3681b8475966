"""A door with a made-up house behind it: `ingest.build` is replaced by a fake."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.cli import fake_build


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """The fake build, fresh; what the door imports meanwhile is forgotten afterwards."""
    monkeypatch.setitem(sys.modules, "ingest.build", fake_build)
    monkeypatch.delitem(sys.modules, "ingest.cli.execute", raising=False)
    fake_build.calls.clear()
    fake_build.plan.clear()
    yield fake_build
    sys.modules.pop("ingest.cli.execute", None)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path) -> CliRunner:
    """Commands run in an empty directory, with nothing of the developer's environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("INGEST_STATE_DIR", "INGEST_DEBUG", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return CliRunner()
