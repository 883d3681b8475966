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

from typing import Any

from anyio import to_thread
from msgspec import Struct
from msgspec.structs import replace

from ingest.build.asking import as_batches, check_place, for_rehearsal, keep
from ingest.build.booked_run import Booking
from ingest.build.booking import locked
from ingest.build.comparing import Asked, verification_of
from ingest.build.connect import connected
from ingest.build.mapping import NAME, mapping_of
from ingest.build.options import RunOptions
from ingest.build.run_facts import facts_of, open_journal
from ingest.build.services import Connection
from ingest.display import encodable, now_text
from ingest.errors import IngestError
from ingest.events import Watcher
from ingest.job import Job
from ingest.operations.verify_findings import Findings
from ingest.report import ORDER
from ingest.state import StateDir

__all__ = ["Asked", "Verified", "verify", "verify_after"]

CAN_BE_LOOKED_AT = (0, 3, 6)


class Verified(Struct, frozen=True):
    """A verification and the report that holds it; the exit code is the command's."""

    verification: dict[str, Any]
    report: dict[str, Any]
    exit_code: int


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
            verification = await verification_of(facts, asked, connection, watcher)
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
        verification = await verification_of(facts, asked, connection, watcher)
    except IngestError as error:
        watcher.note(f"not verified: {error.message} ({error.hint})", level="error")
        findings = Findings()
        findings.unverified(error.message)
        verification = findings.as_report(now_text(), "failed")
    report["verification"] = verification
    if verification["ok"]:
        return code
    report["exit_code"] = min(code, 6, key=ORDER.index)
    return int(report["exit_code"])
