"""What one service's API brings to the sandbox: its paths, its key check, its record requests.

A half is data, so `app` and `gate` treat all services alike: adding one is a module that exports an
`ApiHalf` and a line in `app.HALVES`. Endpoints reach what they share through `of(request)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute

from ingest.sandbox.faults import Fault
from ingest.sandbox.refusal import Refused
from ingest.sandbox.stats import Stats
from ingest.sandbox.store import Store

T = TypeVar("T")

TOKEN = "sandbox"  # noqa: S105 - it opens nothing but a rehearsal on loopback


@dataclass(frozen=True, slots=True)
class Settings:
    """What a sandbox is started with."""

    data_dir: Path
    faults: tuple[Fault, ...] = ()
    discard: bool = False
    seed: int = 0
    record_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class ApiHalf:
    """One service: `admit` raises `Refused` for a request without the right key."""

    prefix: str
    routes: tuple[BaseRoute, ...]
    admit: Callable[[Headers], None]
    carries_records: Callable[[str, str], bool]


@dataclass(slots=True)
class Shared:
    """What lives as long as the server: counts, the store on its one thread, the closing bell."""

    settings: Settings
    stats: Stats = field(default_factory=Stats)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="store")
    )
    store: Store | None = None

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


def of(request: Request) -> Shared:
    """The shared things of the sandbox that serves `request`."""
    shared = request.app.state.shared
    assert isinstance(shared, Shared)
    return shared


def admit_bearer(headers: Headers) -> None:
    """Avalanchio's key check, also the default: no token is 401, a wrong one 403."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, f"no token: send the header Authorization: Bearer {TOKEN}")
    if token.strip() != TOKEN:
        raise Refused(403, f'invalid or expired token: the sandbox\'s token is "{TOKEN}"')
