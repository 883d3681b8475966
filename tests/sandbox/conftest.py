"""Sandboxes as child processes, and the few calls that all these tests make to them."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from ingest.sandbox import child

API = "/api/v1"
HEADERS = {"Authorization": "Bearer sandbox", "Accept": "application/json"}


@dataclass
class Running:
    """A sandbox that listens, and a client of it."""

    process: subprocess.Popen[bytes]
    url: str
    data_dir: Path
    http: httpx.Client
    numbers: Iterator[int] = field(default_factory=count)

    def make(self, *columns: dict[str, Any], **properties: Any) -> str:
        """A new table with a name of its own."""
        name = f"table_{next(self.numbers)}"
        payload = {"name": name, "columns": columns, **properties}
        answer = self.http.post(f"{API}/schema/tables", json=payload)
        assert answer.status_code == 200, answer.text
        return name

    def insert(self, table: str, *records: Any, **rest: Any) -> httpx.Response:
        """POST records; whatever comes back."""
        return self.http.post(f"{API}/tables/{table}", json={"records": records, **rest})

    def sql(self, statement: str) -> httpx.Response:
        """POST a statement; whatever comes back."""
        return self.http.post(f"{API}/query", json={"statement": statement})

    def rows(self, table: str, columns: str = "*") -> list[dict[str, Any]]:
        """Every row of a table, by id."""
        answer = self.sql(f"select {columns} from {table} order by id")
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = orjson.loads(answer.content)["rows"]
        return rows

    def stats(self) -> dict[str, Any]:
        """GET the counts."""
        stats: dict[str, Any] = self.http.get("/_sandbox/stats").json()
        return stats


Start = Callable[..., Running]


@contextmanager
def running(data_dir: Path, *options: str) -> Iterator[Running]:
    """A sandbox for the time of the block; it must end with code 0."""
    arguments = child.command(["--data", str(data_dir), *options])
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, env=child.environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = orjson.loads(process.stdout.readline())["ready"]
            with httpx.Client(base_url=url, headers=HEADERS, trust_env=False, timeout=30) as http:
                yield Running(process, url, data_dir, http)
        finally:
            process.stdin.close()
            code = process.wait(30)
    assert code == 0


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for all tests that need no faults; each makes tables of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start further sandboxes, all ended with the test; they share a data directory."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(running(tmp_path / "data", *options))
