"""What the last finished run of a job settled of today's files: the same for a run and for a plan.

Files that it loaded whole and that are unchanged are settled; so are the leading records of those
that only grew (`grown`). All the others are loaded, and where that may surprise it is said why.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.build.grown import Before, find
from ingest.build.unchanged import Identity, changes, is_same, record_of
from ingest.journal import FileRecord, Journal, RunRecord
from ingest.sources.files import FileSource

ANEW = "the job's settings changed since its last run: everything is loaded anew"


class Earlier(Struct, frozen=True):
    """Files by their index: unchanged ones as they are recorded now, and what grown ones were.
    `anew` are sentences about those that are loaded again."""

    unchanged: Mapping[int, FileRecord] = field(default_factory=dict)
    grown: Mapping[int, Before] = field(default_factory=dict)
    anew: tuple[str, ...] = ()

    @property
    def skipped(self) -> dict[int, int]:
        """The records of each unchanged file."""
        return {index: file.records or 0 for index, file in self.unchanged.items()}


def earlier(journal: Journal, source: FileSource, identity: Identity) -> Earlier:
    """Look it up. Blocks: what a file held is read where it grew."""
    last = journal.last_done()
    if last is None:
        return Earlier()
    if changes(last, identity):
        return Earlier(anew=(ANEW,))
    known = {file.shown: file for file in journal.files(last) if file.complete}
    stats = source.stats()
    unchanged = {
        stat.index: replace(
            record_of(stat),
            sha256=known[stat.shown].sha256,
            records=known[stat.shown].records,
            complete=True,
        )
        for stat in stats
        if stat.shown in known and is_same(known[stat.shown], stat)
    }
    others = [stat for stat in stats if stat.index not in unchanged]
    grown, anew = find(known, others, source)
    return Earlier(unchanged, grown, tuple(anew))


def numbered_files(journal: Journal, run: RunRecord) -> list[FileRecord]:
    """The files of an earlier run, whose indexes only that run knew, by their places: what is
    settled is answered by these from now on."""
    files = [replace(file, index=place) for place, file in enumerate(journal.files(run))]
    journal.put_files(run, files)
    return files
