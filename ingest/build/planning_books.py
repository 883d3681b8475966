"""What earlier runs of a job have settled, looked up for a plan: nothing is begun or taken up.

Files that the last finished run had, unchanged, are skipped as a run would skip them. Of a run that
is not finished it is said how much is settled; which records are still to be sent a run finds out
by itself, from the rejects and the service too. Where there is no journal none is made.
"""

from __future__ import annotations

import time

from msgspec import Struct, field

from ingest.build.earlier import earlier, numbered_files
from ingest.build.grown import Before, told
from ingest.build.unchanged import Identity, identity_of
from ingest.errors import IngestError
from ingest.job import Job
from ingest.journal import Journal, RunRecord
from ingest.locking import JobLock
from ingest.sources.files import FileSource
from ingest.state import StateDir


class Unfinished(Struct, frozen=True):
    """A run that would be taken up: how many of its records are settled, by requests that ended,
    and how many requests may or may not have been applied."""

    run: str
    settled: int
    open_requests: int


class Books(Struct):
    """Records to skip by the index of their file, what files that grew were before, and sentences
    for people. `unfinished` is the run that a run would take up; without, it would be a new one."""

    skipped: dict[int, int] = field(default_factory=dict)
    grown: dict[int, Before] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unfinished: Unfinished | None = None

    @property
    def records(self) -> int:
        """Records that are passed over."""
        return sum(self.skipped.values()) + sum(one.records for one in self.grown.values())


def look(job: Job, state: StateDir, source: FileSource, base_url: str, way: str) -> Books:
    """Look into the job's journal, if there is one. Blocks."""
    path = state.journal_path(job.name)
    if not path.is_file():
        return Books()
    try:
        with (
            JobLock(state.lock_path(job.name)).held(),
            Journal.open(path, job.name, time.time, reserve_bytes=0) as journal,
        ):
            return _found(journal, source, identity_of(job, base_url, way))
    except IngestError as exc:
        return Books(notes=[f"what earlier runs settled is not considered: {exc.message}"])


def _found(journal: Journal, source: FileSource, identity: Identity) -> Books:
    unfinished, stats = journal.unfinished(), source.stats()
    if unfinished is not None and len(stats) == len(source.files):  # pipes are never taken up
        return Books(unfinished=_so_far(journal, unfinished))
    found = earlier(journal, source, identity)
    grown = [told(found.grown)] if found.grown else []
    return Books(found.skipped, dict(found.grown), [*found.anew, *grown])


def _so_far(journal: Journal, run: RunRecord) -> Unfinished:
    """What the journal knows of it. Rejects count where they lie between records that were sent;
    their own file is not gone through."""
    numbered_files(journal, run)
    settled = journal.settled(run).files.values()
    open_requests = len(journal.open_intents(run))
    return Unfinished(run.name, sum(one.records for one in settled), open_requests)
