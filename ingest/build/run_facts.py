"""What an earlier run left behind, for those who ask the service about it: report, journal, files.

The report says what became of the records; of a run that did not come to its end the journal knows
more. A run outside of the books (`--fresh`) has its report alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from msgspec import Struct, field

from ingest.build.earlier import numbered_files
from ingest.build.mapping import RunMapping, mapping_of
from ingest.build.rows_before import ROWS_BEFORE, keep_rows_before
from ingest.build.services import Connection
from ingest.display import encodable
from ingest.errors import IngestError, SettingsError
from ingest.events import Watcher
from ingest.job import Job
from ingest.journal import (
    FileRecord,
    IntervalSet,
    Journal,
    RunRecord,
    WrittenRejects,
    read_back,
)
from ingest.meeting import Meant
from ingest.operations.verify_claims import FileClaim, claims_of, is_whole
from ingest.protocols import OfTable
from ingest.state import RunDir, StateDir


class RunFacts(Struct, frozen=True):
    """`later`: records that later runs of the job had accepted, None where one has not ended.

    `upserts_later`: one of them may have changed this run's rows.
    """

    run: RunDir
    mapping: RunMapping
    report: dict[str, Any]
    claims: Mapping[str, FileClaim]
    known: Mapping[str, FileRecord] = field(default_factory=dict)
    later: int | None = 0
    loaded_later: bool = False

    @property
    def job(self) -> Job:
        """The job as it was."""
        return self.mapping.job


@contextmanager
def open_journal(state: StateDir, job: str) -> Iterator[Journal | None]:
    """The job's journal; None where there is none. The job's lock must be held."""
    path = state.journal_path(job)
    if not path.exists():
        yield None
        return
    with Journal.open(path, job, time.time) as journal:
        yield journal


def facts_of(
    run: RunDir,
    journal: Journal | None,
    report: dict[str, Any] | None = None,
    *,
    undone_too: bool = False,
) -> RunFacts:
    """Raises SettingsError where there is nothing to go by. `report`: one that is not kept yet."""
    mapping = mapping_of(run)
    report = report_of(run) if report is None else report
    if report.get("undone", {}).get("state") == "done" and not undone_too:
        raise SettingsError(f"{run.id} was undone on {report['undone']['at']}: it has no rows")
    written = read_back(run.rejects_path)
    runs = journal.runs() if journal else []
    record = next((one for one in runs if one.name == run.id), None)
    if journal is None or record is None:
        _check_whole(run, report)
        return RunFacts(run, mapping, report, claims_of(report, written))
    after = [one for one in runs if one.id > record.id]
    later = None if any(one.state != "done" for one in after) else sum(map(_accepted, after))
    files = {encodable(file.shown): file for file in journal.files(record)}
    if is_whole(report):
        claims = claims_of(report, written)
    else:
        claims = _unfinished(report, journal, record, written)
    return RunFacts(run, mapping, report, claims, files, later, bool(later) or later is None)


async def note_rows_before(
    run: RunDir, meant: Meant, connection: Connection, watcher: Watcher
) -> None:
    """Count the table's rows before the first request of a run that begins, where nobody else does.

    Without that number nobody can say later whether the table holds rows too many. Best effort.
    """
    if meant.made or connection.counts_rows or connection.rows is None:
        return
    if (run.path / ROWS_BEFORE).exists():
        return
    try:
        counted = await connection.rows.count(OfTable())
        keep_rows_before(run, counted)
    except (IngestError, OSError) as error:
        watcher.note(f"the rows before the run were not counted: {error}", level="warning")


def report_of(run: RunDir) -> dict[str, Any]:
    """The run's report. Raises SettingsError if there is none."""
    try:
        report = orjson.loads(run.report_path.read_bytes())
        int(report["records"]["read"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SettingsError(
            f"{run.id} has left no report that can be read: it is still running, or it was killed",
            "run the same job again: it is taken up, and then says what became of each record",
        ) from exc
    found: dict[str, Any] = report
    return found


def _check_whole(run: RunDir, report: Mapping[str, Any]) -> None:
    if not is_whole(report):
        raise SettingsError(
            f"{run.id} did not come to its end, and the journal does not know it (--fresh)",
            "what became of its records is not known; load them by a run that is in the journal",
        )


def _accepted(record: RunRecord) -> int:
    return record.accounts.get("accepted", 0) - record.accounts.get("superseded", 0)


def _unfinished(
    report: Mapping[str, Any], journal: Journal, record: RunRecord, written: WrittenRejects
) -> dict[str, FileClaim]:
    shown = {file.index: encodable(file.shown) for file in numbered_files(journal, record)}
    settled = {shown[i]: found for i, found in journal.settled(record, written).files.items()}
    perhaps: dict[str, IntervalSet] = {}
    for intent in journal.open_intents(record):
        for span in intent.spans:
            perhaps.setdefault(shown[span.file], IntervalSet()).add(span.first, span.last)
    return claims_of(report, written, settled, perhaps)
