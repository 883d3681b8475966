"""What earlier runs of a job have settled, looked up for a plan: nothing is begun or taken up.

Files that the last finished run had, unchanged, are skipped as a run would skip them. Of a run that
is not finished only its name is said: what of it is still to be sent a run finds out by itself.
Where there is no journal none is made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ingest.build.grown import Before, find, told
from ingest.build.unchanged import Identity, changes, identity_of, is_same
from ingest.errors import IngestError
from ingest.job import Job
from ingest.journal import Journal
from ingest.locking import JobLock
from ingest.sources.files import FileSource
from ingest.state import StateDir


@dataclass(slots=True)
class Books:
    """Records to skip by the index of their file, what files that grew were before, and sentences
    for people. `begins` is true if a run would be a new one."""

    skipped: dict[int, int] = field(default_factory=dict)
    grown: dict[int, Before] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    begins: bool = True

    @property
    def records(self) -> int:
        """Records that are passed over."""
        return sum(self.skipped.values()) + sum(one.records for one in self.grown.values())


def look(job: Job, state: StateDir, source: FileSource, base_url: str, way: str) -> Books:
    """Look into the job's journal, if there is one. Blocks."""
    path = state.lock_path(job.name).with_name("journal.sqlite")
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
        said = (
            f"the run {unfinished.name} of this job is not finished: a run takes it up and sends"
            " only what is left of it; this plan is of the whole input"
        )
        return Books(notes=[said], begins=False)
    last = journal.last_done()
    if last is None:
        return Books()
    if changes(last, identity):
        return Books(notes=["the job's settings changed since its last run: all would be loaded"])
    known = {file.shown: file for file in journal.files(last) if file.complete}
    skipped = {
        stat.index: known[stat.shown].records or 0
        for stat in stats
        if stat.shown in known and is_same(known[stat.shown], stat)
    }
    others = [stat for stat in stats if stat.index not in skipped]
    grown, notes = find(known, others, source)
    return Books(skipped, grown, [*notes, told(grown)] if grown else notes)
