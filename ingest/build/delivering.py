"""What a job asks of the delivery: how a lost answer is settled, and what records bear for it.

Checked before anything is opened: what a service or a way can't do is refused with the way on, and
never passed over. The stamp's column is a field like any other, with a placeholder for its value;
the ids are put in when the records have their numbers.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from ingest.build.rows_before import rows_before
from ingest.errors import SettingsError
from ingest.events import Watcher
from ingest.job import FieldSettings, Job
from ingest.meeting import Meant
from ingest.model import FileInfo, Slice
from ingest.protocols import Clock, Envelope, Settler, Target
from ingest.settling import (
    EvidenceSettler,
    IdSettler,
    SettleRules,
    StampSettler,
    TrustedEvidence,
)
from ingest.state import RunDir

RUN_ID_CHARS = len("20261121-221500--4f2a")
NONCE_BYTES = 16
EVIDENCE = "evidence.ndjson"
PLAIN_ENDINGS = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl", ".json")


class CountsRanges(Protocol):
    """A target that counts rows by ranges of ids."""

    async def count_ranges(self, column: str, ranges: Sequence[tuple[int, int]]) -> int:
        """Rows whose `column` is in one of `ranges`, bounds included."""
        ...


class Delivering(Struct, frozen=True):
    """What the engine needs of it."""

    envelope: Envelope
    overhead_bytes: int
    settler: Settler | None
    number: Callable[[Sequence[Slice]], list[Slice]] | None


def check(job: Job) -> None:
    """Raises SettingsError for what can't be promised."""
    delivery, target = job.delivery, job.target
    wanted = [
        k for k in ("id", "stamp", "evidence_key") if getattr(delivery, k) not in ("", "none")
    ]
    if len(wanted) > 1:
        raise SettingsError(
            f"delivery.{wanted[0]} and delivery.{wanted[1]} exclude each other",
            "one way of settling a lost answer is enough",
        )
    for key in wanted:
        if target.mode == "upsert":
            raise SettingsError(
                f"delivery.{key}: an upsert needs none", "sent again, it makes the same rows"
            )
        if target.system == "aito" and target.via in ("file", "auto"):
            raise SettingsError(
                f'delivery.{key}: not with via = "{target.via}"',
                'a file upload is settled by its own status; use via = "batch" or "stream"',
            )
    if delivery.id == "derived" and target.system != "avalanchio":
        raise SettingsError(
            'delivery.id = "derived": aito\'s rows have no id of their own', "use evidence_key"
        )
    if delivery.evidence_key and target.system != "aito":
        raise SettingsError(
            "delivery.evidence_key: avalanchio does not say that a batch lands whole",
            'use id = "derived" or a stamp',
        )
    if delivery.stamp and delivery.stamp in job.fields:
        raise SettingsError(
            f"delivery.stamp: there is a field {delivery.stamp!r} already", "name another column"
        )
    if delivery.id == "derived" and "id" in job.fields:
        raise SettingsError('delivery.id = "derived" makes the id: leave the field id out')
    if delivery.id == "derived" and job.limits.records > 999_999:
        raise SettingsError("delivery.id: at most 999,999 records a request")


def with_stamp(job: Job, nonce: bytes) -> Job:
    """The job with the stamp's column among its fields."""
    if not job.delivery.stamp:
        return job
    from ingest.pack.stamp import Stamp  # noqa: PLC0415 - few jobs need it

    placeholder = Stamp("x" * (RUN_ID_CHARS + len(job.name)), nonce).placeholder
    column = {"indexed": True} if job.target.system == "avalanchio" else {}
    field = FieldSettings(value=placeholder, type="string", column=column)
    return job.model_copy(update={"fields": {**job.fields, job.delivery.stamp: field}})


def new_nonce() -> bytes:
    """What no data holds."""
    return secrets.token_bytes(NONCE_BYTES)


class Preparation:
    """Makes a `Delivering` for a run that has its id."""

    def __init__(self, job: Job, target: Target, clock: Clock, watcher: Watcher) -> None:
        self._job = job
        self._target = target
        self._clock = clock
        self._rules = SettleRules(job.delivery.longest_server_s)
        self._note = lambda words: watcher.note(words, level="warning")

    async def delivering(
        self, run: RunDir, nonce: bytes, files: Sequence[FileInfo], begun: Collection[int] | None
    ) -> Delivering:
        """`begun` are the files (by index) that are loaded for the first time, None for those of a
        run that is taken up. Raises SettingsError where ids are somebody else's."""
        delivery, envelope = self._job.delivery, self._target.envelope
        if delivery.id == "derived":
            return await self._by_ids(envelope, files, begun)
        if delivery.stamp:
            return self._by_stamp(envelope, run.id, nonce)
        if delivery.evidence_key:
            first = begun is not None
            counted = await self._target.count() if first else None
            rows = rows_before(run, counted, first=first)
            settler = EvidenceSettler(
                self._target,  # type: ignore[arg-type]  # `check` lets aito alone through
                delivery.evidence_key,
                self._rules,
                self._clock,
                rows,
                self._note,
            )
            kept = TrustedEvidence(settler, run.path / EVIDENCE, asks=rows != 0)
            return Delivering(envelope, 0, kept, None)
        return Delivering(envelope, 0, None, None)

    def _by_stamp(self, envelope: Envelope, run_id: str, nonce: bytes) -> Delivering:
        from ingest.pack import MemoryEnvelope  # noqa: PLC0415 - beside its only use
        from ingest.pack.stamp import Stamp  # noqa: PLC0415 - few jobs need it

        assert isinstance(envelope, MemoryEnvelope)
        stamped = replace(envelope, stamp=Stamp(run_id, nonce))
        column = self._job.delivery.stamp
        settler = StampSettler(self._target, column, self._rules, self._clock, self._note)  # type: ignore[arg-type]  # both services count
        return Delivering(stamped, 0, settler, None)

    async def _by_ids(
        self, envelope: Envelope, files: Sequence[FileInfo], begun: Collection[int] | None
    ) -> Delivering:
        from ingest.pack.identify import OVERHEAD_BYTES, Identifier, ranges  # noqa: PLC0415 - heavy

        found = ranges(self._job.name, files, _capacity)
        target: CountsRanges = self._target  # type: ignore[assignment]  # Avalanchio alone has ids
        wanted = [(one.first, one.last) for one in found if begun and one.file.index in begun]
        if wanted and (rows := await target.count_ranges("id", wanted)):
            raise SettingsError(
                f"the table holds {rows:,} rows with ids that this job's records would have",
                "an earlier run outside of the journal made them, or another job of this name:"
                " name the job otherwise",
            )
        identifier = Identifier(self._job.name, found)
        settler = IdSettler(target, self._rules, self._clock, self._note)  # type: ignore[arg-type]  # as above
        return Delivering(envelope, OVERHEAD_BYTES, settler, identifier.identified)


def check_ids(job: Job, meant: Meant) -> None:
    """Raises SettingsError where a record could have an id of its own beside the derived one."""
    if job.delivery.id != "derived":
        return
    for plan in meant.plans.values():
        if any(field.name == "id" for field in plan.fields):
            raise SettingsError(
                'delivery.id = "derived": the source has a column id that would travel, too',
                'give it another name in [fields], or set rest = "drop" in [source]',
            )
        if plan.rest:
            raise SettingsError(
                'delivery.id = "derived": NDJSON records may hold an id of their own',
                'name the fields that are to travel, and set rest = "drop" in [source]',
            )


def _capacity(file: FileInfo) -> int | None:
    """The size of a file that is surely not packed, None else."""
    plain = file.member is None and file.path.lower().endswith(PLAIN_ENDINGS)
    return file.size_bytes if plain and file.regular else None
