"""A job's target with its connections open: address, credential, limits, service.

The credential is resolved outside the job and bound to the host it came with; while the run goes on
it may be resolved afresh from there (`wire.login` says when). A sandbox is started as a child of
this process and ends with it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from ingest.build.options import RunOptions
from ingest.build.services import SERVICES, Connection, Service, Wanted
from ingest.errors import SettingsError
from ingest.events import Watcher
from ingest.job import Job, LimitSettings
from ingest.state import StateDir
from ingest.targets.credentials import CredentialRequest, resolve, resolve_again
from ingest.wire import HeaderValues, Login, Secret, Timeouts, TokenSource, Wire

SOON_S = 3600.0  # a token that ends within so long is worth a word at the start


@asynccontextmanager
async def connected(
    job: Job, options: RunOptions, state: StateDir, watcher: Watcher, total_bytes: int | None
) -> AsyncIterator[Connection]:
    """Connect. `total_bytes` is the size of the input on the disk, None where it is unknown."""
    service = SERVICES[job.target.system]
    check_limits(job.limits, service)
    wanted = options.base_url or job.target.base_url
    async with AsyncExitStack() as stack:
        if wanted == "sandbox":
            base_url, token = await stack.enter_async_context(_sandbox(state))
            login = Login(service.headers(token))
        else:
            base_url, login = await _logged_in(job, options, service, watcher)
        wire = Wire(base_url, login, timeouts_of(job.limits), in_flight=job.limits.in_flight)
        connection = service.connect(Wanted(job, wire, total_bytes, watcher))
        connection = replace(connection, login=login)
        await stack.enter_async_context(connection.target.opened())
        yield connection


def timeouts_of(limits: LimitSettings) -> Timeouts:
    """The job's limits of time for a request."""
    return Timeouts(
        connect_s=limits.connect_timeout_s,
        read_s=limits.read_timeout_s,
        write_s=limits.write_timeout_s,
    )


def check_limits(limits: LimitSettings, service: Service) -> None:
    """A job may lower what the service takes, never raise it."""
    for key, wanted, allowed in (
        ("records", limits.records, service.limits.records),
        ("bytes", limits.bytes, service.limits.size_bytes),
    ):
        if wanted > allowed:
            raise SettingsError(
                f"limits.{key} = {wanted:,}: a request to {service.name} holds at most {allowed:,}",
                "leave it out, or lower it",
            )


async def _logged_in(
    job: Job, options: RunOptions, service: Service, watcher: Watcher
) -> tuple[str, Login]:
    """The base URL, and the headers for it. Raises SettingsError where there is no credential."""
    warn = partial(watcher.note, level="warning")
    environ, home = dict(os.environ), os.environ.get("HOME")
    request = CredentialRequest(
        job_base_url=job.target.base_url,
        cli_base_url=options.base_url,
        profile=options.profile or job.target.profile,
    )
    asked = (request, environ, Path(home) if home else None, service.credentials)
    known = await resolve(*asked)

    async def again() -> HeaderValues:
        return service.headers((await resolve_again(known, *asked)).token)

    source = TokenSource(known.origin, again if known.renewable else None)
    login = Login(service.headers(known.token), source, note=warn)
    for note in filter(None, (*known.notes, login.outlook(SOON_S))):
        warn(note)
    return known.base_url, login


@asynccontextmanager
async def _sandbox(state: StateDir) -> AsyncIterator[tuple[str, Secret]]:
    """A sandbox for this run, its data kept in the state directory."""
    from ingest.sandbox.child import SandboxError, sandbox_child  # noqa: PLC0415 - an extra

    try:
        async with sandbox_child(state.sandbox_dir) as child:
            yield child.base_url, Secret(child.token)
    except SandboxError as exc:
        raise SettingsError(f"the sandbox did not start: {exc}") from exc
