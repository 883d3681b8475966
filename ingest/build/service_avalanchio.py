"""Avalanchio as one of the `services`: every job goes by way of its batches."""

from __future__ import annotations

from ingest.build.services import Connection, Service, Wanted
from ingest.shape.service import ServiceTypes
from ingest.targets import avalanchio, avalanchio_types, schemes
from ingest.targets.avalanchio_rows import AvalanchioRows


def _connect(wanted: Wanted) -> Connection:
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


SERVICE = Service(
    "avalanchio", avalanchio.LIMITS, avalanchio.request_headers, schemes.AVALANCHIO, _connect
)
