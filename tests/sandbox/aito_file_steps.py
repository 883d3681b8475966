"""The steps of a file upload, for tests: a table, the URL, the PUT, the trigger, the polling."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import orjson

from tests.sandbox.conftest import Running

KEY = {"x-api-key": "sandbox"}
_NUMBERS = count()
COLUMNS = {"n": {"type": "Int", "nullable": False}, "text": {"type": "String", "nullable": True}}


@dataclass
class Aito:
    """A client of a sandbox's aito half, and one without headers for S3."""

    api: httpx.Client
    s3: httpx.Client
    version: str = "v1"

    def path(self, rest: str) -> str:
        """The path of an endpoint in the client's version."""
        return f"/api/{self.version}/{rest}"

    def make(self, name: str = "") -> str:
        """A new table."""
        name = name or f"files_{next(_NUMBERS)}_{self.version}"
        answer = self.api.put(f"/api/v1/schema/{name}", json={"type": "table", "columns": COLUMNS})
        assert answer.status_code == 200, answer.text
        return name

    def init(self, table: str) -> dict[str, str]:
        """Ask for a URL."""
        answer = self.api.post(self.path(f"data/{table}/file"))
        assert answer.status_code == 200, answer.text
        asked: dict[str, str] = answer.json()
        return asked

    def uploaded(self, table: str, content: bytes) -> str:
        """Ask for a URL and PUT there; the upload's id."""
        asked = self.init(table)
        answer = self.s3.put(asked["url"], content=content)
        assert answer.status_code == 200, answer.text
        return asked["id"]

    def trigger(self, table: str, upload: str) -> httpx.Response:
        """Begin the processing; whatever comes back."""
        return self.api.post(self.path(f"data/{table}/file/{upload}"))

    def status(self, table: str, upload: str) -> dict[str, Any]:
        """Where the processing is."""
        answer = self.api.get(self.path(f"data/{table}/file/{upload}"))
        assert answer.status_code == 200, answer.text
        status: dict[str, Any] = orjson.loads(answer.content)
        return status

    def begun(self, table: str, content: bytes) -> str:
        """Upload and trigger; the upload's id."""
        upload = self.uploaded(table, content)
        answer = self.trigger(table, upload)
        assert answer.status_code == 200, answer.text
        return upload

    def ended(self, table: str, upload: str) -> dict[str, Any]:
        """Its status once it is finished; fails after a minute."""
        deadline = time.monotonic() + 60
        while not (status := self.status(table, upload))["status"]["finished"]:
            assert time.monotonic() < deadline, status
        return status

    def processed(self, table: str, content: bytes) -> dict[str, Any]:
        """All steps; the last status."""
        return self.ended(table, self.begun(table, content))

    def rows(self, table: str, limit: int = 100_000) -> list[dict[str, Any]]:
        """The rows of a table, in order."""
        answer = self.api.post("/api/v1/_query", json={"from": table, "limit": limit})
        assert answer.status_code == 200, answer.text
        hits: list[dict[str, Any]] = answer.json()["hits"]
        return hits


@contextmanager
def aito(sandbox: Running, version: str = "v1") -> Iterator[Aito]:
    """Clients for the time of the block."""
    with (
        httpx.Client(base_url=sandbox.url, headers=KEY, trust_env=False, timeout=60) as api,
        httpx.Client(trust_env=False, timeout=60) as bare,
    ):
        yield Aito(api, bare, version)


def lines(numbers: Iterable[int]) -> list[bytes]:
    """One good row a number."""
    return [b'{"n":%d,"text":"row %d"}' % (n, n) for n in numbers]


def packed(rows: Iterable[bytes]) -> bytes:
    """Rows as a file."""
    return gzip.compress(b"\n".join(rows) + b"\n", 1)
