"""A gate before a sandbox: it lets in whoever bears a token that is good just now.

The sandbox's own token never changes; here tokens stop working and begin to work in the middle of a
run. What is let through is answered by the sandbox, byte by byte as it said it. `on_records` is
called with the number of each request with records before it is judged, so that a test can rotate
a token at a known place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import orjson

from tests.fake_server import FakeServer, Line, Request, response

DEAD = b"Invalid or expired authorization token"
OWN = "sandbox"


class Gate:
    """A script for a `FakeServer`; `good` may be changed at any time, `judge` replaced."""

    def __init__(self, sandbox_url: str, *good: str) -> None:
        self.url = sandbox_url
        self.good = set(good)
        self.on_records: Callable[[int], None] = lambda _number: None
        self.judge: Callable[[Request, str], bytes | None] = self.words_against
        self.seen: list[str] = []
        self.refused: list[str] = []
        self.records = 0
        self._lock = threading.Lock()

    def __call__(self, line: Line) -> None:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as sandbox:
            while (request := line.read()) is not None:
                line.send(self._answer(request, sandbox))

    def words_against(self, _request: Request, token: str) -> bytes | None:
        """Why a request is refused; None: it is not."""
        return None if token in self.good else DEAD

    def _answer(self, request: Request, sandbox: httpx.Client) -> bytes:
        with self._lock:
            if carries_records(request):
                self.records += 1
                self.on_records(self.records)
            token = token_of(request)
            words = self.judge(request, token)
            (self.seen if words is None else self.refused).append(token)
        if words is not None:
            return response(403, orjson.dumps({"message": words.decode()}))
        method, path, _ = request.line.split(" ")
        found = sandbox.request(method, path, content=bytes(request.body), headers=own(request))
        kind = found.headers.get("content-type")
        return response(found.status_code, found.content, kind)


def carries_records(request: Request) -> bool:
    """It is one with records, for either service."""
    _, path, _ = request.line.split(" ")
    return path.startswith(("/api/v1/tables/", "/api/v1/data/")) and request.length > 0


def token_of(request: Request) -> str:
    """What it bears."""
    key: str = request.headers.get("x-api-key", "")
    return key or request.headers.get("authorization", "").removeprefix("Bearer ")


def own(request: Request) -> dict[str, str]:
    """Its headers, with the sandbox's own token in place of the one that it bore."""
    kept = {name: request.headers[name] for name in ("content-type",) if name in request.headers}
    if "x-api-key" in request.headers:
        return {**kept, "x-api-key": OWN}
    return {**kept, "Authorization": f"Bearer {OWN}"}


def at(gate: Gate) -> FakeServer:
    """The gate, listening while the `with` block lasts."""
    return FakeServer(gate)
