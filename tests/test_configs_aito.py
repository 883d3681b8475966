"""The jobs in configs/ that go to aito, run as they stand by the real command.

What is read back by the service's own client is held against what Python's own `csv` and `json`
make of the same files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aito.v1 import AitoClient
from aito.v1 import api as aito_api
from aito.v2 import AitoClientV2

from tests.sandbox.conftest import running
from tests.test_configs import (
    AIRPORT_NUMBERS,
    AIRPORT_TEXTS,
    AIRPORTS,
    CONFIGS,
    Loaded,
    airport,
    expected_stocks,
    load,
    records_of,
    utc,
)

Row = dict[str, Any]


@contextmanager
def service(loaded: Loaded) -> Iterator[str]:
    """The sandbox of a run, once more."""
    with running(loaded.state / "sandbox") as server:
        yield server.url


def there(rows: list[Row]) -> list[Row]:
    """Rows without the fields that are null: the service leaves them out."""
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def typed(rows: list[Row]) -> list[dict[str, tuple[str, Any]]]:
    """Values with their types, so that 5 is not 5.0."""
    return [{k: (type(v).__name__, v) for k, v in row.items()} for row in rows]


def test_batches(tmp_path: Path) -> None:
    """Prices typed, volumes past 2^31 exact, symbols from the files' names; segments merged."""
    loaded = load(CONFIGS / "aito-batch.toml", tmp_path)
    expected = expected_stocks(CONFIGS / "data" / "stocks")
    assert loaded.code == 0, loaded.stderr
    assert loaded.counts == {"read": len(expected), "accepted": len(expected)}
    assert loaded.report["rows"] == {"before": 0, "after": len(expected)}
    assert "merged" in loaded.stderr
    with service(loaded) as url:
        client = AitoClientV2(url, "sandbox")
        rows = [hit.json for hit in client.query({"from": "stock", "limit": 10_000}).hits]
        client._session.close()
    key = lambda row: (row["symbol"], row["date"])  # noqa: E731 - shorter than a function
    assert typed(sorted(rows, key=key)) == typed(there(expected))


def expected_event(line: str) -> Row:
    """One line's event as the job for streams makes it."""
    event = json.loads(line)
    amount, session = event.get("amount"), event.get("session")
    return {
        "at": event["time"] and utc(event["time"]),
        "kind": event["kind"],
        "page": event.get("page"),
        "amount": json.loads(amount) if isinstance(amount, str) else amount,
        "session": None if session is None else str(session),
        "detail": event.get("detail"),
    }


def test_streams(tmp_path: Path) -> None:
    """Lines in order, an integer past 32 bits kept as a text, inner structure kept as it was."""
    loaded = load(CONFIGS / "aito-stream.toml", tmp_path)
    text = (CONFIGS / "data" / "events.ndjson").read_text(encoding="utf-8")
    expected = [expected_event(line) for line in text.split("\n") if line.strip()]
    assert loaded.code == 0, loaded.stderr
    assert loaded.counts == {"read": len(expected), "accepted": len(expected)}
    assert "beta" in loaded.stderr
    with service(loaded) as url:
        client = AitoClient(url, "sandbox")
        rows = list(aito_api.query_all_entries(client, "events"))
        schema = aito_api.get_table_schema(client, "events").to_json_serializable()
    assert typed(rows) == typed(there(expected))
    assert not schema["columns"]["kind"]["nullable"]
    assert schema["columns"]["page"]["type"] == "Text"


@pytest.mark.parametrize("spool_bytes", [1_000_000_000, 300_000])
def test_files(tmp_path: Path, spool_bytes: int) -> None:
    """Every airport, in one file or in several; Namibia's country is NA, not null."""
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / "airportsdata"
    packages.mkdir(parents=True)
    shutil.copy(AIRPORTS, packages)
    (tmp_path / "configs").mkdir()
    shutil.copy(CONFIGS / "aito-file.toml", tmp_path / "configs")
    job = tmp_path / "configs" / "aito-file.toml"
    loaded = load(job, tmp_path, "--set", f"limits.spool_bytes={spool_bytes}")
    expected = sorted(map(airport, records_of(AIRPORTS)), key=lambda row: str(row["icao"]))
    assert loaded.code == 0, loaded.stderr
    assert loaded.counts == {"read": len(expected), "accepted": len(expected)}
    assert (loaded.report["requests"]["sent"] > 1) == (spool_bytes < 1_000_000)
    with service(loaded) as url:
        rows = list(aito_api.query_all_entries(AitoClient(url, "sandbox"), "airports"))
    names = {*AIRPORT_TEXTS, *AIRPORT_NUMBERS}
    assert all(row.keys() <= names for row in rows)
    assert typed(sorted(rows, key=lambda row: str(row["icao"]))) == typed(there(expected))
    assert sum(row["country"] == "NA" for row in rows) == 63
