"""The few calls that the tests of aito's half make to a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
import orjson

from tests.sandbox.conftest import Running

KEY = {"x-api-key": "sandbox"}
NDJSON = {"content-type": "application/x-ndjson"}
INT, STRING = {"type": "Int"}, {"type": "String"}
_NUMBERS = count()


class Aito:
    """A client of one version, with aito's key and nothing else."""

    def __init__(self, http: httpx.Client, base: str) -> None:
        self.http = http
        self.base = base

    def put(self, path: str, payload: object) -> httpx.Response:
        """PUT JSON."""
        return self.http.put(f"{self.base}/{path}", content=orjson.dumps(payload))

    def get(self, path: str) -> httpx.Response:
        """GET."""
        return self.http.get(f"{self.base}/{path}")

    def delete(self, path: str) -> httpx.Response:
        """DELETE."""
        return self.http.delete(f"{self.base}/{path}")

    def post(self, path: str, payload: object) -> httpx.Response:
        """POST JSON."""
        return self.http.post(f"{self.base}/{path}", content=orjson.dumps(payload))

    def made(self, **columns: dict[str, Any]) -> str:
        """A new table with a name of its own."""
        name = f"t{next(_NUMBERS)}"
        answer = self.put(f"schema/{name}", {"type": "table", "columns": columns})
        assert answer.status_code == 200, answer.text
        return name

    def batch(self, table: str, *rows: object) -> httpx.Response:
        """POST rows; whatever comes back."""
        return self.post(f"data/{table}/batch", rows)

    def stream(self, table: str, content: bytes, **headers: str) -> httpx.Response:
        """POST NDJSON; whatever comes back."""
        path = f"{self.base}/data/{table}/stream"
        return self.http.post(path, content=content, headers=NDJSON | headers)

    def query(self, table: str, **query: object) -> Any:
        """The answer to a query that must succeed."""
        answer = self.post("_query", {"from": table, **query})
        assert answer.status_code == 200, answer.text
        return orjson.loads(answer.content)

    def rows(self, table: str, **query: object) -> list[dict[str, Any]]:
        """Up to 1,000 rows."""
        hits: list[dict[str, Any]] = self.query(table, limit=1000, **query)["hits"]
        return hits


@contextmanager
def speaking(sandbox: Running, base: str = "/api/v1") -> Iterator[Aito]:
    """A client of `sandbox` for the time of the block."""
    with httpx.Client(base_url=sandbox.url, headers=KEY, trust_env=False, timeout=30) as http:
        yield Aito(http, base)


def said(answer: httpx.Response, status: int, code: str | None = None) -> str:
    """The words of a refusal of that status, in v1's shape, or with a code in v2's."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = orjson.loads(answer.content)
    if code is None:
        assert body.keys() == {"message", "status"}
        assert body["status"] == status
        return str(body["message"])
    assert body.keys() == {"kind", "data"}
    assert body["kind"] == "error"
    assert body["data"].keys() == {"code", "message"}
    assert body["data"]["code"] == code
    return str(body["data"]["message"])
