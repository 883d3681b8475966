"""`ingest verify`: the service is asked what it has, and that is held against the files.

The rows that must be there are made anew from the files by the run's own mapping (`remaking`), so
nothing that the run counted is believed. How they are compared depends on what a row can be found
by: its derived id, a key that is unique (evidence or upsert), or, as a multiset, the run's stamps,
or the whole table where it held nothing else (`operations.verify_by_*`). Beside it stand the counts
(of the run's rows, of the table) and, for a sample, the sums over numeric columns.

What could not be verified is a reason of its own, and as much a failure as a difference: exit 6.
Nothing is written to the service.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Protocol

from anyio import to_thread

from ingest.build.booked_run import Booking
from ingest.build.booking import locked
from ingest.build.connect import connected
from ingest.build.mapping import NAME, columns_of, mapping_of
from ingest.build.options import RunOptions
from ingest.build.origin import is_rehearsal
from ingest.build.remaking import MENDED, Remaking
from ingest.build.run_facts import RunFacts, facts_of, open_journal
from ingest.build.services import Connection
from ingest.display import encodable
from ingest.errors import IngestError, SettingsError, TargetError
from ingest.events import Watcher
from ingest.job import Job
from ingest.operations.verify_by_id import ById
from ingest.operations.verify_by_key import ByKey
from ingest.operations.verify_by_rows import ByRows
from ingest.operations.verify_cells import Columns
from ingest.operations.verify_expected import Compared
from ingest.operations.verify_findings import Findings
from ingest.operations.verify_sums import expected_sums, note_sums
from ingest.operations.verify_table import TableFacts
from ingest.protocols import OfIds, OfStamps, OfTable, Rows, Scope
from ingest.report import ORDER, write_report
from ingest.state import RunDir, StateDir

NO_CONTENT = (
    "rows can't be told apart from others: the run had neither ids nor stamps nor a key, and the"
    " table was not surely empty before: only counts are compared"
)
CAN_BE_LOOKED_AT = (0, 3, 6)
NO_LIMIT_BYTES = 2**40


@dataclass(frozen=True, slots=True)
class Asked:
    """What is verified and how: every record (`full`), or `sample` of them. `seed` draws them."""

    run: RunDir
    full: bool = False
    sample: int = 1000
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A verification and the report that holds it; the exit code is the command's."""

    verification: dict[str, Any]
    report: dict[str, Any]
    exit_code: int


class Ways(Protocol):
    """A way of comparing."""

    async def every(self) -> None:
        """All of it."""
        ...

    async def sampled(self, sample: int, random: Random) -> None:
        """A sample."""
        ...


async def verify(asked: Asked, options: RunOptions, watcher: Watcher) -> Verified:
    """Verify a run, and keep what was found in its report.

    Raises IngestError where the service can't be asked, SettingsError where there is nothing to go
    by; then nothing is kept.
    """
    state = StateDir(options.state_dir)
    with locked(mapping_of(asked.run).job, state, options):
        with open_journal(state, asked.run.job) as journal:
            facts = await to_thread.run_sync(facts_of, asked.run, journal)
        options = for_rehearsal(facts, options)
        async with connected(as_batches(facts.job), options, state, watcher, None) as connection:
            check_place(facts, connection, options)
            verification = await verification_of(facts, asked, connection)
        report = {**facts.report, "verification": verification}
        keep(asked.run, options.report, report)
    return Verified(verification, report, 0 if verification["ok"] else 6)


async def verify_after(
    booking: Booking, job: Job, connection: Connection, report: dict[str, Any], watcher: Watcher
) -> int:
    """What `[verify] after_load` asks for, by the run's own connection and within its lock.

    The exit code that the run has now; `report` gets its `verification`. A verification that fails
    makes no failed run: it is one that could not verify.
    """
    code, run = int(report["exit_code"]), booking.run
    # A replay is a run within one: what it has loaded is verified with its run.
    if code not in CAN_BE_LOOKED_AT or not (run.path / NAME).exists():
        return code
    watcher.note("verifying what was loaded")
    asked = Asked(run, sample=job.verify.sample)
    try:
        facts = await to_thread.run_sync(facts_of, run, None, report)
        if booking.journal is not None and booking.record is not None:
            files = booking.journal.files(booking.record)
            facts = replace(facts, known={encodable(file.shown): file for file in files})
        verification = await verification_of(facts, asked, connection)
    except IngestError as error:
        watcher.note(f"not verified: {error.message} ({error.hint})", level="error")
        findings = Findings()
        findings.unverified(error.message)
        verification = findings.as_report(_now(), "failed")
    report["verification"] = verification
    if verification["ok"]:
        return code
    report["exit_code"] = min(code, 6, key=ORDER.index)
    return int(report["exit_code"])


async def verification_of(facts: RunFacts, asked: Asked, connection: Connection) -> dict[str, Any]:
    """Ask and compare; what stands under `verification`."""
    return await _Verifying(facts, asked, connection).result()


class _Verifying:
    """One verification, with the connection open."""

    def __init__(self, facts: RunFacts, asked: Asked, connection: Connection) -> None:
        self._facts = facts
        self._asked = asked
        self._connection = connection
        self._random = Random(asked.seed)  # noqa: S311 - a sample is no secret
        self._findings = Findings()
        self._rows = rows_of(connection)
        self._remaking = remaking_of(facts, connection)

    async def result(self) -> dict[str, Any]:
        """All of it."""
        job, findings = self._facts.job, self._findings
        schema = await self._connection.target.describe()
        if schema is None:
            findings.unverified("the table is not there any more", self._expected)
            return findings.as_report(_now(), "counts")
        await self._remaking.prepare()
        for shown, why in sorted(self._remaking.unfit.items()):
            findings.unverified(f"{shown}: {why}", self._facts.claims[shown].expected)
        fit = {s: c for s, c in self._facts.claims.items() if s not in self._remaking.unfit}
        columns = Columns.of(schema, columns_of(self._facts.mapping, self._remaking.plans, schema))
        compared = Compared(self._remaking, fit, columns, findings)
        if perhaps := sum(claim.open.records for claim in fit.values()):
            findings.unverified("ambiguous: whether they are there was not known", perhaps)
        if job.delivery.id == "derived":
            how = await self._by_id(compared)
        elif key := job.target.upsert_key or job.delivery.evidence_key:
            how = await self._by_key(compared, key)
        else:
            how = await self._by_rows(compared)
        if self._remaking.mended:
            findings.unverified(MENDED, self._remaking.mended)
        extent = "all" if self._asked.full else "a sample"
        return findings.as_report(_now(), how if how == "counts" else f"{how}, {extent}")

    async def _by_id(self, compared: Compared) -> str:
        from ingest.pack.identify import start_of  # noqa: PLC0415 - heavy, and only for ids

        def start(shown: str) -> int:
            return start_of(self._facts.job.name, shown)

        apart = tuple(
            (start(shown) + 1, start(shown) + self._facts.claims[shown].records)
            for shown in self._remaking.unfit
        )
        by_id = ById(compared, self._rows, start, apart)
        await self._compared(by_id, compared, OfIds(by_id.ranges()))
        others = await self._rows.count(OfIds(apart)) if apart else 0
        table = await self._table()
        more = table.too_many(by_id.present + others)
        if doubt := table.doubt(by_id.present + others):
            self._findings.unverified(doubt)
        elif more > 0 and self._asked.full:
            await by_id.strangers(more)
        else:
            self._findings.add("foreign", more)
        return "by id"

    async def _by_key(self, compared: Compared, key: str) -> str:
        upsert = self._facts.job.target.upsert_key is not None
        by_key = ByKey(compared, self._rows, key, last_wins=upsert)
        await by_key.held(self._random, None if self._asked.full else self._asked.sample)
        if upsert and self._facts.loaded_later and self._findings.differences["changed"]:
            self._findings.unverified("a later run of the job may have changed these rows")
        table = await self._table()
        there = by_key.keys - self._findings.differences["missing"]
        there += self._findings.differences["doubled"]
        if upsert and not table.alone:
            return "by key"  # how many of its records were new rows is not known
        if doubt := table.doubt(there):
            self._findings.unverified(doubt)
        elif self._asked.full:
            self._findings.add("foreign", table.too_many(there))
            self._findings.add("missing", -table.too_many(there))
        else:
            self._count(table.too_many(there))
        return "by key"

    async def _by_rows(self, compared: Compared) -> str:
        stamp = self._facts.job.delivery.stamp
        table = await self._table()
        scope: OfTable | OfStamps = OfStamps(stamp, self._asked.run.id) if stamp else OfTable()
        if not (stamp or table.alone) or self._remaking.unfit:
            await self._counts_only(scope, table)
            return "counts"
        await self._compared(ByRows(compared, self._rows, scope), compared, scope)
        return "by stamp" if stamp else "by whole rows"

    async def _counts_only(self, scope: OfTable | OfStamps, table: TableFacts) -> None:
        """What is left where rows can't be told from others."""
        wanted = self._expected
        if isinstance(scope, OfStamps):
            there = await self._rows.count(scope)
            self._findings.counts |= {"expected": wanted, "with_stamps_of_the_run": there}
            self._count(there - wanted)
        elif table.before is not None and table.later is not None:
            self._count(table.too_many(wanted))
        self._findings.unverified(
            NO_CONTENT if not self._remaking.unfit else "the rows of other files can't be told"
            " from those of files that changed: only counts are compared",
            sum(c.expected for s, c in self._facts.claims.items() if s not in self._remaking.unfit),
        )

    def _count(self, more: int) -> None:
        self._findings.add("missing", -more)
        self._findings.add("foreign", more)

    async def _compared(self, way: Ways, compared: Compared, scope: Scope) -> None:
        """All, or a sample with sums."""
        if self._asked.full:
            await way.every()
            return
        await way.sampled(self._asked.sample, self._random)
        here = await expected_sums(compared)
        try:
            note_sums(compared, here, await self._rows.sums(scope, compared.columns.numeric))
        except TargetError as error:
            self._findings.unverified(f"the sums could not be asked: {error.message}")

    async def _table(self) -> TableFacts:
        now = await self._rows.count(OfTable())
        before, later = self._facts.mapping.rows_before, self._facts.later
        self._findings.counts |= {"table": now, "table_before": before, "later_runs": later}
        return TableFacts(before, later, now)

    @property
    def _expected(self) -> int:
        return sum(claim.expected for claim in self._facts.claims.values())


def rows_of(connection: Connection) -> Rows:
    """The rows of the job's table."""
    assert connection.rows is not None, "every service of ours has rows"
    return connection.rows


def remaking_of(facts: RunFacts, connection: Connection) -> Remaking:
    """The rows of a run made anew. How large a record may be is not asked: one that was too large
    stands in the rejects file."""
    return Remaking(facts.mapping, connection.types, NO_LIMIT_BYTES, facts.claims, facts.known)


def for_rehearsal(facts: RunFacts, options: RunOptions) -> RunOptions:
    """A rehearsal's rows are where its sandbox keeps them: no credential goes there."""
    if facts.mapping.rehearsed and options.base_url is None:
        return replace(options, base_url="sandbox")
    return options


def check_place(facts: RunFacts, connection: Connection, options: RunOptions) -> None:
    """Raise SettingsError unless it is where the run went."""
    then = "sandbox" if facts.mapping.rehearsed else facts.mapping.base_url
    now = "sandbox" if is_rehearsal(facts.job, options) else connection.base_url
    if then != now:
        raise SettingsError(
            f"{facts.run.id} went to {then}, and this is {now}",
            "name the place where it went with --base-url, and the credential for it",
        )


def as_batches(job: Job) -> Job:
    """The job, by batches: nothing is sent, and no file is needed to ask."""
    if job.target.system == "avalanchio":
        return job
    return job.model_copy(update={"target": job.target.model_copy(update={"via": "batch"})})


def keep(run: RunDir, also: Path | None, report: dict[str, Any]) -> None:
    """Write the report where it belongs. Raises IngestError where that fails."""
    for path in filter(None, (run.report_path, also)):
        write_report(path, report)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
