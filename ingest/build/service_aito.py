"""aito as one of the `services`: batches, streams or files, and which of them a job goes by."""

from __future__ import annotations

from functools import partial

from ingest.build.services import Connection, Latest, Service, Wanted
from ingest.build.uploads import Uploads
from ingest.build.ways import chosen_way
from ingest.errors import SettingsError
from ingest.shape.service import ServiceTypes
from ingest.targets import aito, aito_types, schemes
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_rows import AitoRows
from ingest.targets.aito_stream import AitoStreamTarget


def _connect(wanted: Wanted) -> Connection:
    job, wire = wanted.job, wanted.wire
    way, said = chosen_way(job.target.via, wanted.total_bytes, wire.address.url)
    if said:
        wanted.watcher.note(said)
    settings = aito.AitoSettings(job.target.api, job.target.optimize)
    types = _types(job.target.api)
    if way == "file":
        return _by_files(wanted, settings, types)
    kind = AitoBatchTarget if way == "batch" else AitoStreamTarget
    target = kind(wire, job.target.table, wanted.limits, settings)
    rows = AitoRows(wire, job.target.table, job.target.api)
    url, writers = wire.address.url, job.limits.in_flight
    return Connection(target, types, writers, url, counts_rows=True, rows=rows)


def _by_files(wanted: Wanted, settings: aito.AitoSettings, types: ServiceTypes) -> Connection:
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


def _types(api: aito_types.Api) -> ServiceTypes:
    return ServiceTypes(
        column_type=partial(aito_types.column_type, api=api),
        field_type=aito_types.field_type,
        integer_range=aito_types.integer_range,
        column_name_problem=_name_problem,
        wider_integers='api = "v2" in [target]' if api == "v1" else "",
        strict_nulls=True,
        own_columns=frozenset(),
    )


def _name_problem(name: str) -> str | None:
    try:
        aito_types.check_name(name, "it")
    except SettingsError as error:
        return f"{error.message.removeprefix('aito: ')}; {error.hint}"
    return None


SERVICE = Service("aito", aito.LIMITS, aito.request_headers, schemes.AITO, _connect)
