"""What differs from service to service: one table, `SERVICES`.

A service says which headers and credentials it wants, what a request may hold, and makes the target
for a job; the rest of the program asks the `Connection` and knows no service by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ingest.build.booking import Booking
from ingest.build.uploads import Uploads
from ingest.build.ways import chosen_way
from ingest.errors import SettingsError
from ingest.events import FileProgress, Watcher
from ingest.job import Job
from ingest.journal import JournalLedger
from ingest.model import Limits, Schema
from ingest.protocols import Rows, Target
from ingest.shape.service import ServiceTypes
from ingest.targets import aito, aito_types, avalanchio, avalanchio_types, schemes
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_rows import AitoRows
from ingest.targets.aito_stream import AitoStreamTarget
from ingest.targets.avalanchio_rows import AvalanchioRows
from ingest.wire import Login, Secret, Wire


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a target is made from. `total_bytes` is the input's size on the disk, if known."""

    job: Job
    wire: Wire
    total_bytes: int | None
    watcher: Watcher

    @property
    def limits(self) -> Limits:
        """What the job lets a request hold."""
        return Limits(self.job.limits.records, self.job.limits.bytes)


@dataclass(slots=True)
class Latest:
    """The latest news of a body that goes by way of a file."""

    progress: FileProgress | None = None

    def take(self, progress: FileProgress | None) -> None:
        """Keep it."""
        self.progress = progress


@dataclass(frozen=True, slots=True)
class Connection:
    """A target, and what the run must know of it besides the promises of `Target`.

    `writers` requests go on at once. `spooled`: bodies are files of at most that many bytes in the
    run's directory, and `join_books` is told of the books before the first of them is sent.
    `counts_rows`: its count is cheap enough to be asked before and after. `login`
    is what must be watched, because its token may come to an end while the run goes on. `rows` are
    those of the table, for whoever asks them back.
    """

    target: Target
    types: ServiceTypes
    writers: int
    base_url: str
    check: Callable[[Schema], None] = lambda _schema: None
    spooled: bool = False
    join_books: Callable[[Booking, JournalLedger | None], None] = lambda _booking, _ledger: None
    counts_rows: bool = False
    latest: Latest = field(default_factory=Latest)
    login: Login | None = None
    rows: Rows | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `limits` is what its requests may hold."""

    name: str
    limits: Limits
    headers: Callable[[Secret], Mapping[str, str | Secret]]
    credentials: schemes.CredentialScheme
    connect: Callable[[Wanted], Connection]


def _avalanchio(wanted: Wanted) -> Connection:
    job = wanted.job
    key = job.target.upsert_key
    return Connection(
        avalanchio.AvalanchioTarget(wanted.wire, job.target.table, wanted.limits, key),
        ServiceTypes(avalanchio_types.column_type, avalanchio_types.field_type),
        job.limits.in_flight,
        wanted.wire.address.url,
        check=lambda schema: avalanchio.check_upsert_key(schema, key),
        rows=AvalanchioRows(wanted.wire, job.target.table),
    )


def _aito(wanted: Wanted) -> Connection:
    job, wire = wanted.job, wanted.wire
    way, said = chosen_way(job.target.via, wanted.total_bytes, wire.address.url)
    if said:
        wanted.watcher.note(said)
    settings = aito.AitoSettings(job.target.api, job.target.optimize)
    types = _aito_types(job.target.api)
    if way == "file":
        return _aito_file(wanted, settings, types)
    kind = AitoBatchTarget if way == "batch" else AitoStreamTarget
    target = kind(wire, job.target.table, wanted.limits, settings)
    rows = AitoRows(wire, job.target.table, job.target.api)
    url, writers = wire.address.url, job.limits.in_flight
    return Connection(target, types, writers, url, counts_rows=True, rows=rows)


def _aito_file(wanted: Wanted, settings: aito.AitoSettings, types: ServiceTypes) -> Connection:
    """Bodies are files: one is uploaded and processed while the next one is filled."""
    from ingest.pack.spool import SpoolEnvelope  # noqa: PLC0415 - only this way needs them
    from ingest.targets.aito_file import AitoFileTarget, FileSettings  # noqa: PLC0415

    latest, uploads = Latest(), Uploads()
    limits = wanted.job.limits
    file = FileSettings(
        stall_timeout_s=limits.stall_timeout_s,
        trigger_grace_s=wanted.job.delivery.longest_server_s,
        on_state=uploads.keep,
        on_progress=latest.take,
    )
    envelope = SpoolEnvelope(limits.spool_bytes)
    target = AitoFileTarget(wanted.wire, wanted.job.target.table, envelope, settings, file)
    url = wanted.wire.address.url
    return Connection(
        target,
        types,
        1,
        url,
        spooled=True,
        join_books=partial(uploads.join, target),
        counts_rows=True,
        latest=latest,
        rows=AitoRows(wanted.wire, wanted.job.target.table, wanted.job.target.api),
    )


def _aito_types(api: aito_types.Api) -> ServiceTypes:
    return ServiceTypes(
        column_type=partial(aito_types.column_type, api=api),
        field_type=aito_types.field_type,
        integer_range=aito_types.integer_range,
        column_name_problem=_aito_name_problem,
        wider_integers='api = "v2" in [target]' if api == "v1" else "",
        strict_nulls=True,
        own_columns=frozenset(),
    )


def _aito_name_problem(name: str) -> str | None:
    try:
        aito_types.check_name(name, "it")
    except SettingsError as error:
        return f"{error.message.removeprefix('aito: ')}; {error.hint}"
    return None


SERVICES: Mapping[str, Service] = {
    "avalanchio": Service(
        "avalanchio", avalanchio.LIMITS, avalanchio.request_headers, schemes.AVALANCHIO, _avalanchio
    ),
    "aito": Service("aito", aito.LIMITS, aito.request_headers, schemes.AITO, _aito),
}
