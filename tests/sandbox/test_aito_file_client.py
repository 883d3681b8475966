"""The service's own client, unchanged, against the sandbox: every step, with polling."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.aito_file_steps import aito, lines
from tests.sandbox.conftest import Running

REASON = "the service's client (aitoai) is not installed"
v1 = pytest.importorskip("aito.v1", reason=REASON)
calls = pytest.importorskip("aito.v1.api", reason=REASON)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client takes proxies from the environment."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def client_of(sandbox: Running) -> Any:
    """A client as a user makes one: it asks for the version and the schema first."""
    return v1.Client(instance_url=sandbox.url, api_key="sandbox")


def file_of(tmp_path: Path, rows: list[bytes]) -> Path:
    """An .ndjson.gz."""
    path = tmp_path / "rows.ndjson.gz"
    path.write_bytes(gzip.compress(b"\n".join(rows) + b"\n"))
    return path


def test_upload_file(sandbox: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From init to the optimizing at the end, without a complaint."""
    with aito(sandbox) as api:
        table = api.make("client_uploads")
        path = file_of(tmp_path, lines(range(2500)))
        calls.upload_file(client_of(sandbox), table, path, polling_time=0.05)
        assert [row["n"] for row in api.rows(table)] == list(range(2500))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_failing_rows_do_not_stop_it(
    sandbox: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It logs the documented errors object, and ends."""
    with aito(sandbox) as api:
        table = api.make("client_failures")
        path = file_of(tmp_path, [*lines([1]), b'{"n":"two"}', *lines([3])])
        calls.upload_file(client_of(sandbox), table, path, polling_time=0.05)
        assert [row["n"] for row in api.rows(table)] == [1, 3]
    assert "Last 1 failing rows" in caplog.text
