"""What one service's API brings to the sandbox: its requests, its routes, its key, its errors.

A half is data, so `app` and `gate` treat all services alike: adding one is a module that exports an
`ApiHalf` and a line in `app.HALVES`. The paths of the services collide (`/api/v1/...`), so a half
is found first, by `claims`, and only its own routes are looked up. Endpoints reach what they share
through `of(request)`.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Scope

from ingest.sandbox import faults
from ingest.sandbox.faults import Fate, Fault
from ingest.sandbox.refusal import Refused
from ingest.sandbox.stats import Stats
from ingest.sandbox.store import Store

T = TypeVar("T")

_USUAL = "sandbox"
TOKEN_VARIABLE = "INGEST_SANDBOX_TOKEN"  # noqa: S105 - a variable's name
# It opens nothing but a rehearsal on loopback; who rehearses where a token goes sets another.
TOKEN = os.environ.get(TOKEN_VARIABLE) or _USUAL
TOKEN_SHOWN = f'"{_USUAL}"' if TOKEN == _USUAL else f"the one in {TOKEN_VARIABLE}"
_HALF = "ingest.half"  # where the half that serves a request stands in its scope


class Settings(Struct, frozen=True):
    """What a sandbox is started with."""

    data_dir: Path
    faults: tuple[Fault, ...] = ()
    discard: bool = False
    seed: int = 0
    record_dir: Path | None = None


def _never(_method: str, _path: str) -> bool:
    return False


class ApiHalf(Struct, frozen=True):
    """One service.

    `claims(path, headers)` says whether a request is its own; the first of `app.HALVES` that says
    so serves it. `admit(path, headers)` raises `Refused` for a request without the right key.
    `refuse(path, refused, headers)` is the refusal as an answer in the service's own shape.
    `carries_records(method, path)` marks the requests that are counted and hit by faults,
    `streams(method, path)` those whose body the gate neither reads nor bounds: the route does.
    """

    claims: Callable[[str, Headers], bool]
    routes: tuple[BaseRoute, ...]
    admit: Callable[[str, Headers], None]
    refuse: Callable[[str, Refused, Mapping[str, str]], Response]
    carries_records: Callable[[str, str], bool] = _never
    streams: Callable[[str, str], bool] = _never


class Shared(Struct):
    """What lives as long as the server: counts, the store on its one thread, the closing bell."""

    settings: Settings
    stats: Stats = field(default_factory=Stats)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="store")
    )
    store: Store | None = None
    drawn: Counter[str] = field(default_factory=Counter)

    async def open(self) -> None:
        """Open the store on its thread."""
        self.store = await self.run(lambda: Store(self.settings.data_dir))

    async def close(self) -> None:
        """Close the store and end its thread."""
        await self.on_store(Store.close)
        self.worker.shutdown()

    async def on_store(self, work: Callable[[Store], T]) -> T:
        """Run `work` with the store, on its thread, after everything that was asked before."""
        store = self.store
        assert store is not None, "the sandbox is not open"
        return await self.run(lambda: work(store))

    async def run(self, work: Callable[[], T]) -> T:
        """Run anything on the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, work)

    def next_fate(self, scope: str) -> Fate:
        """The fate of the next request of a scope (`faults.INIT`, `PUT`, ...); they count from 1.

        Ask once a request, on the event loop.
        """
        self.drawn[scope] += 1
        return faults.fate(self.settings.faults, self.settings.seed, self.drawn[scope], scope)


def of(request: Request) -> Shared:
    """The shared things of the sandbox that serves `request`."""
    shared = request.app.state.shared
    assert isinstance(shared, Shared)
    return shared


def assign(scope: Scope, half: ApiHalf) -> None:
    """Note which half serves a request."""
    scope[_HALF] = half


def serving(scope: Scope) -> ApiHalf:
    """The half that serves a request."""
    half = scope[_HALF]
    assert isinstance(half, ApiHalf)
    return half


def refusal(scope: Scope, refused: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says no, in the shape of the half that serves the request."""
    return serving(scope).refuse(scope["path"], refused, headers or {})


def admit_bearer(_path: str, headers: Headers) -> None:
    """Avalanchio's key check: no token is 401, a wrong one 403."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, f"no token: send Authorization: Bearer and {TOKEN_SHOWN}")
    if token.strip() != TOKEN:
        raise Refused(403, f"invalid or expired token: the sandbox's token is {TOKEN_SHOWN}")
