"""The ways that a service offers for a job, for a plan to count on all of them in one reading."""

from __future__ import annotations

from ingest.build.services import Connection
from ingest.build.ways import chosen_way
from ingest.errors import SettingsError
from ingest.job import Job
from ingest.model import Limits
from ingest.operations.plan_ways import FileWay, PackedWay, ReckonedWay, Way
from ingest.pack import MemoryEnvelope
from ingest.protocols import Envelope
from ingest.targets.aito import lowered
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_stream import AitoStreamTarget


def ways_of(job: Job, connection: Connection, envelope: Envelope) -> list[Way]:
    """The job's own way first. `envelope` is what its records are encoded for."""
    system = job.target.system
    own = "file" if connection.spooled else job.target.via
    if own == "auto":
        own = "batch"
    ways: list[Way] = [] if own == "file" else [PackedWay(own, envelope)]
    if system != "aito":
        return ways
    ways += [_file(job, envelope)] if own == "file" else []
    limits = lowered(Limits(job.limits.records, job.limits.bytes))
    for kind in (AitoBatchTarget, AitoStreamTarget):
        if kind.via != own:
            other = MemoryEnvelope(*kind.frame, lowered(limits))
            ways.append(ReckonedWay(kind.via, other, envelope.record_end))
    if own != "file" and _takes_files(job, connection):
        ways.append(_file(job, envelope))
    return ways


def _file(job: Job, envelope: Envelope) -> FileWay:
    from ingest.pack.spool_envelope import SpoolEnvelope  # noqa: PLC0415 - brings the compressor

    limit_bytes = job.limits.spool_bytes
    return FileWay(limit_bytes, SpoolEnvelope(limit_bytes).largest_record, envelope.record_end)


def _takes_files(job: Job, connection: Connection) -> bool:
    """Whether `via = "file"` would be taken: not by a shared instance, nor with what settles a lost
    answer by the records themselves."""
    if job.delivery.stamp or job.delivery.evidence_key:
        return False
    try:
        chosen_way("file", None, connection.base_url)
    except SettingsError:
        return False
    return True
