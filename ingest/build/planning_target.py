"""The service as a plan sees it: asked for what is there, never told to change anything.

A sandbox that no run has begun yet holds no table, so it is not begun to find that out.

`ensure` answers with the table as it would be after it, by the same rules that the services' own
`ensure` follows, and keeps what it was wished. Without a network there is a target all the same,
since it says how bodies are framed and what columns there can be; its wire is never opened.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ingest.build import connect
from ingest.build.options import RunOptions
from ingest.build.services import SERVICES, Connection, Wanted
from ingest.errors import SettingsError
from ingest.events import Watcher
from ingest.job import Job
from ingest.model import Batch, Schema, Verdict
from ingest.protocols import Envelope, TableWish, Target
from ingest.state import StateDir
from ingest.targets import aito_types, avalanchio
from ingest.targets.lookup import CredentialRequest, look_up
from ingest.wire import Login, Secret, Wire

NOWHERE = "https://unasked.invalid"


class AskingTarget:
    """`protocols.Target` around another one: reads go through, `ensure` and `send` send nothing.

    Without `asked` nothing goes through: there is no table then.
    """

    def __init__(self, inner: Target, job: Job, *, asked: bool) -> None:
        self._inner = inner
        self._job = job
        self.asked = asked
        self.live: Schema | None = None
        self.wish: TableWish | None = None

    @property
    def envelope(self) -> Envelope:
        """The target's own."""
        return self._inner.envelope

    @property
    def shown(self) -> str:
        """The target's own words; without a service, what the job says."""
        target = self._job.target
        return self._inner.shown if self.asked else f"{target.system} table {target.table}"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """It is open already, or never will be."""
        yield

    async def describe(self) -> Schema | None:
        """The live table."""
        self.live = await self._inner.describe() if self.asked else None
        return self.live

    async def ensure(self, wish: TableWish) -> Schema:
        """The table as a run would have it made or widened. Raises SettingsError as a run would."""
        wish = self._as_made(wish)
        self.wish = wish
        there = self.live.columns if self.live else ()
        lacking = [column for column in wish.columns if column.name not in {c.name for c in there}]
        if self._job.target.system == "aito" and self.live is not None:
            aito_types.check_added(self.shown, lacking)
        properties = self.live.properties if self.live else dict(wish.properties)
        return Schema(wish.name, (*there, *lacking), properties)

    def _as_made(self, wish: TableWish) -> TableWish:
        if self._job.target.system == "aito":
            aito_types.check_wish(wish)
            return wish
        return avalanchio.with_key(wish, self._job.target.upsert_key, self.live)

    async def send(self, batch: Batch) -> Verdict:  # noqa: ARG002 - the promise has it
        """Never."""
        raise AssertionError("a plan sends nothing")

    async def count(self) -> int | None:
        """Rows in the table now."""
        return await self._inner.count() if self.asked and self.live else None

    async def query(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a query."""
        return await self._inner.query(statement)

    async def count_ranges(self, column: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Rows with such ids; none where there is no table."""
        if not self.asked or self.live is None:
            return 0
        counting: Any = self._inner
        found: int = await counting.count_ranges(column, ranges)
        return found

    async def tidy(self) -> str | None:
        """Nothing."""
        return None


@asynccontextmanager
async def asked(
    job: Job, options: RunOptions, watcher: Watcher, total_bytes: int | None, *, offline: bool
) -> AsyncIterator[tuple[Connection, AskingTarget]]:
    """The connection for a plan. A sandbox that has no data yet is not even started."""
    state = StateDir(options.state_dir)
    sandboxed = (options.base_url or job.target.base_url) == "sandbox"
    if offline or (sandboxed and not state.sandbox_dir.is_dir()):
        connection = unopened(job, options, watcher, total_bytes)
        yield connection, AskingTarget(connection.target, job, asked=False)
        return
    async with connect.connected(job, options, state, watcher, total_bytes) as connection:
        yield connection, AskingTarget(connection.target, job, asked=True)


def unopened(
    job: Job, options: RunOptions, watcher: Watcher, total_bytes: int | None
) -> Connection:
    """A connection whose wire leads nowhere and stays closed."""
    service = SERVICES[job.target.system]
    connect.check_limits(job.limits, service)
    login = Login(service.headers(Secret("-")))
    wire = Wire(_address(job, options), login, in_flight=job.limits.in_flight)
    return service.connect(Wanted(job, wire, total_bytes, watcher))


def _address(job: Job, options: RunOptions) -> str:
    """The base URL, as far as it is known without running a command: some ways depend on it."""
    wanted = options.base_url or job.target.base_url
    if wanted == "sandbox":
        return "http://127.0.0.1:1"
    scheme = SERVICES[job.target.system].credentials
    home = os.environ.get("HOME")
    request = CredentialRequest(
        job_base_url=job.target.base_url,
        cli_base_url=options.base_url,
        profile=options.profile or job.target.profile,
    )
    try:
        return look_up(request, os.environ, Path(home) if home else None, scheme).target.url
    except SettingsError:
        return wanted or NOWHERE
