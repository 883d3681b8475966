"""`ingest check`: is all there that a run of this job needs?

Each thing is looked at, whatever became of the others; nothing raises in between, and nothing is
written at the service.

In an order in which one explains the next: the job, its files, the machine, the way to the service,
and the service itself. Local looks need no network and come first. A `token_command` is run, as a
run would; a sandbox that has no data yet is not started.

Two requests may go out: one without any credential to the base URL (for reachability and the Date
header), and those that read the table. What a read can't show (whether writing is allowed) is said.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path

import anyio.to_thread
from msgspec import Struct

from ingest.build import checking_machine as machine
from ingest.build import checking_network as network
from ingest.build import connect, delivering
from ingest.build.options import RunOptions
from ingest.build.planning_target import unopened
from ingest.build.services import SERVICES, Connection
from ingest.errors import IngestError, SettingsError
from ingest.events import Level, Snapshot, Started
from ingest.job import Job
from ingest.model import Schema
from ingest.operations import check_service as service
from ingest.operations.check_finding import Finding
from ingest.sources.discover import discover
from ingest.sources.files import FileSource
from ingest.state import StateDir
from ingest.targets.credentials import Credential, CredentialRequest, resolve
from ingest.wire import Address, expires_at, parse_base_url, shown_moment

RETRY_S = 10.0  # looking is not worth the patience of a load
Looking = Callable[[], Awaitable[Sequence[Finding]]]


class CheckOptions(Struct, frozen=True):
    """What the command line says."""

    state_dir: Path
    profile: str | None = None
    base_url: str | None = None


async def check(job: Job, options: CheckOptions) -> list[Finding]:
    """Every finding, in order. Raises nothing that a look could raise."""
    return await _Checking(job, options).run()


class _Checking:
    """One check."""

    def __init__(self, job: Job, options: CheckOptions) -> None:
        self._job = job
        self._options = options
        self._asking = RunOptions(
            options.state_dir, profile=options.profile, base_url=options.base_url
        )
        self._state = StateDir(options.state_dir)
        self._total_bytes: int | None = None
        self._credential: Credential | None = None
        self._is_away = False

    async def run(self) -> list[Finding]:
        """Look at everything."""
        looks: list[tuple[str, Looking]] = [
            ("job", self._settings),
            ("files", self._files),
            ("state directory", self._place),
            ("open files", self._open_files),
        ]
        if self._sandboxed:
            looks.append(("sandbox", self._sandbox))
        else:
            looks += [("credentials", self._credentials), ("network", self._network)]
        looks += [("limits", self._limits), ("table", self._table)]
        findings: list[Finding] = []
        for name, look in looks:
            findings += await _looked(name, look)
        return findings

    @property
    def _sandboxed(self) -> bool:
        return (self._options.base_url or self._job.target.base_url) == "sandbox"

    @property
    def _has_sandbox(self) -> bool:
        return self._state.sandbox_dir.is_dir()

    # --- the job and the machine ----------------------------------------------------------------

    async def _settings(self) -> list[Finding]:
        delivering.check(self._job)
        target = self._job.target
        return [Finding("job", "ok", f"{self._job.name}: to {target.system}, table {target.table}")]

    async def _files(self) -> list[Finding]:
        """Found, and every head read as a run would; a pipe is not touched."""
        job, notes = self._job, list[str]()
        found = await anyio.to_thread.run_sync(discover, job.source, job.base)
        pipes = [file.shown for file in found.files if not file.regular]
        if pipes:
            said = f"{', '.join(pipes[:3])}: a pipe, which can be read only once: not looked at"
            return [Finding("files", "warn", said, "a run from a pipe can't be taken up")]
        source = FileSource(job.source, job.base, notes.append, fingerprint=False)
        try:
            prepared = await source.prepare(sample_bytes=0)
        finally:
            await source.aclose()
        self._total_bytes = prepared.total_bytes
        shown = [file.shown for file in prepared.files]
        return service.inputs(shown, prepared.total_bytes, notes)

    async def _place(self) -> list[Finding]:
        found = await anyio.to_thread.run_sync(machine.state_directory, self._state, self._job.name)
        needed, what = machine.RESERVED_BYTES, "journal and rejects"
        if self._by_file():
            needed, what = 2 * self._job.limits.spool_bytes, "two spools (limits.spool_bytes)"
        room = await anyio.to_thread.run_sync(machine.room, self._state.path, needed, what)
        return [*found, *room]

    async def _open_files(self) -> list[Finding]:
        return machine.open_files(self._job.limits.in_flight)

    def _by_file(self) -> bool:
        try:
            return self._unopened().spooled
        except SettingsError:
            return self._job.target.via == "file"

    def _unopened(self) -> Connection:
        return unopened(self._job, self._asking, _Silent(), self._total_bytes)

    # --- the way to the service -----------------------------------------------------------------

    async def _sandbox(self) -> list[Finding]:
        from ingest.sandbox.child import NEEDED  # noqa: PLC0415 - an extra

        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            mend = 'pip install "ingest[sandbox]"'
            return [Finding("sandbox", "mend", f"{', '.join(missing)} missing", mend)]
        place = self._state.sandbox_dir
        there = f"its data is in {place}" if self._has_sandbox else "a run begins it, with no data"
        return [Finding("sandbox", "ok", f"a server of the run's own; {there}")]

    async def _credentials(self) -> list[Finding]:
        scheme = SERVICES[self._job.target.system].credentials
        home = os.environ.get("HOME")
        known = await resolve(
            self._request(), dict(os.environ), Path(home) if home else None, scheme
        )
        self._credential = known
        found = [Finding("credentials", "ok", f"from {known.origin}, for {known.base_url}")]
        found += [Finding("credentials", "warn", note) for note in known.notes]
        ends_s = expires_at(known.token.reveal())
        shown = shown_moment(ends_s) if ends_s is not None else ""
        end = service.token_end(ends_s, time.time(), shown, renewable=known.renewable)
        return [*found, end]

    def _request(self) -> CredentialRequest:
        return CredentialRequest(
            job_base_url=self._job.target.base_url,
            cli_base_url=self._options.base_url,
            profile=self._options.profile or self._job.target.profile,
        )

    def _address(self) -> Address | None:
        """Where the service is, with or without a credential for it."""
        if self._credential is not None:
            return parse_base_url(self._credential.base_url)
        scheme = SERVICES[self._job.target.system].credentials
        known = [self._options.base_url, self._job.target.base_url]
        known += [os.environ.get(name, "").strip() for name in scheme.url_variables]
        wanted = next(filter(None, known), None)
        return parse_base_url(wanted) if wanted else None

    async def _network(self) -> list[Finding]:
        address = self._address()
        if address is None:
            said = "not looked at: no base URL is known"
            return [Finding("reachability", "unknown", said)]
        found = await network.look(address, connect.timeouts_of(self._job.limits), time.time)
        self._is_away = any(
            one.state in ("away", "mend") for one in found if one.name in ("reachability", "TLS")
        )
        return found

    # --- the service ----------------------------------------------------------------------------

    async def _limits(self) -> list[Finding]:
        connection = self._unopened()
        limits = SERVICES[self._job.target.system].limits
        by_file = connection.spooled
        return [service.limits(self._job, limits, connection.writers, by_file=by_file)]

    async def _table(self) -> list[Finding]:
        if self._sandboxed and not self._has_sandbox:
            return [service.table(self._job, None)]
        if not self._sandboxed and (self._credential is None or self._is_away):
            why = "the service can't be reached" if self._is_away else "there is no credential"
            return [
                Finding(name, "unknown", f"not looked at: {why}") for name in ("table", "rights")
            ]
        limits = self._job.limits.model_copy(update={"retry_budget_s": RETRY_S})
        job = self._job.model_copy(update={"limits": limits})
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(
                connect.connected(job, self._asking, self._state, _Silent(), self._total_bytes)
            )
            schema = await connection.target.describe()
            if schema is not None:
                connection.check(schema)
            return [service.table(self._job, schema), await _rights(connection, schema)]


async def _rights(connection: Connection, schema: Schema | None) -> Finding:
    if schema is None:
        return service.rights(None, None, None)
    try:
        return service.rights(schema, await connection.target.count(), None)
    except IngestError as error:
        return service.rights(schema, None, error)


async def _looked(name: str, look: Looking) -> list[Finding]:
    """One look; what it raises is its finding."""
    try:
        return list(await look())
    except IngestError as error:
        return [service.from_error(name, error)]
    except Exception as exc:  # noqa: BLE001 - one look must not keep the others from being shown
        said = f"could not be looked at: {type(exc).__name__}: {exc}"
        return [Finding(name, "mend", said, "this is a defect of the program")]


class _Silent:
    """A watcher for looks whose notes are findings of others."""

    def started(self, started: Started) -> None:
        """Nothing."""

    def note(self, message: str, *, level: Level = "info") -> None:
        """Nothing."""

    def tick(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def finished(self, report: object) -> None:
        """Nothing."""
