"""How an earlier run's table is reached: the place where the run went, its rows, its mapping.

What verify and undo share. Nothing here writes to the service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ingest.build.mapping import columns_of
from ingest.build.options import RunOptions
from ingest.build.origin import is_rehearsal
from ingest.build.remaking import Remaking
from ingest.build.run_facts import RunFacts
from ingest.build.services import Connection
from ingest.errors import SettingsError
from ingest.job import Job
from ingest.model import Schema
from ingest.operations.verify_cells import Columns
from ingest.operations.verify_expected import Compared
from ingest.operations.verify_findings import Findings
from ingest.protocols import Rows
from ingest.report import write_report
from ingest.state import RunDir

NO_LIMIT_BYTES = 2**40


def rows_of(connection: Connection) -> Rows:
    """The rows of the job's table."""
    assert connection.rows is not None, "every service of ours has rows"
    return connection.rows


def remaking_of(facts: RunFacts, connection: Connection) -> Remaking:
    """The rows of a run made anew. How large a record may be is not asked: one that was too large
    stands in the rejects file."""
    return Remaking(facts.mapping, connection.types, NO_LIMIT_BYTES, facts.claims, facts.known)


async def compared_of(
    facts: RunFacts, remaking: Remaking, schema: Schema, findings: Findings
) -> Compared:
    """What the rows are held against: the files that can be read again, in the live columns."""
    await remaking.prepare()
    fit = {shown: one for shown, one in facts.claims.items() if shown not in remaking.unfit}
    columns = Columns.of(schema, columns_of(facts.mapping, remaking.plans, schema))
    return Compared(remaking, fit, columns, findings)


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
