"""A replay as a run within its run: begun or taken up in books of its own, and its watcher.

Both ways it is a run that is taken up, of which nothing may be settled yet: records that can't be
read at their place (`MendedSource.unfit`) are rejects from the beginning, each with its line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from ingest.build.booking import Booking
from ingest.build.delivering import CountsRanges
from ingest.build.replay_dir import ReplayDir
from ingest.build.services import Connection
from ingest.display import count, plural
from ingest.errors import SettingsError
from ingest.events import Level, Snapshot, Started, Watcher, teller
from ingest.job import Job
from ingest.journal import FileRecord, Journal, NewRun, RunRecord, accounts_so_far, read_back
from ingest.model import Receipt
from ingest.protocols import Target
from ingest.rejects import RejectFile
from ingest.settling.bodies import runs
from ingest.sources.mended import MendedSource


class Beginning(Struct, frozen=True):
    """How a replay begins. `above`: its batches get higher numbers; `taken_up`: it was begun."""

    job: Job
    above: int
    taken_up: bool


@asynccontextmanager
async def booked_within(
    home: ReplayDir, beginning: Beginning, source: MendedSource, connection: Connection
) -> AsyncIterator[Booking]:
    """The replay in its books, which are open for the time of the block."""
    with home.journal() as journal:
        record = _record(home, journal, beginning, connection)
        journal.put_files(record, [FileRecord(file.index, file.shown) for file in source.used])
        path = home.as_run.rejects_path
        before = read_back(path)
        async with RejectFile(path) as rejects:
            unfit = [one for one in source.unfit if not before.holds(one.file, one.record)]
            await rejects.write(unfit)
        written = read_back(path)
        settled = journal.settled(record, written)
        yield Booking(
            run=home.as_run,
            journal=journal,
            record=record,
            accounts=accounts_so_far(settled.tally, written),
            settled=settled,
            intents=journal.open_intents(record),
            ambiguous=journal.ambiguous(record),
            written=written,
            begun=None if beginning.taken_up else frozenset(),
        )


def _record(
    home: ReplayDir, journal: Journal, beginning: Beginning, connection: Connection
) -> RunRecord:
    if beginning.taken_up:
        record = journal.resume(journal.runs()[-1])
    else:
        identity = {**beginning.job.identifying(), "base_url": connection.base_url}
        text = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS).decode()
        digest = beginning.job.identity()
        record = journal.begin(NewRun(home.run.id, digest, text, connection.target.shown))
    return replace(record, highest=max(record.highest, beginning.above))


async def check_ids(job: Job, target: Target, source: MendedSource) -> None:
    """Raise SettingsError where rows have the ids that these records will get: what was rejected
    is not in the table, so somebody has brought it there."""
    if job.delivery.id != "derived" or not source.numbers:
        return
    from ingest.pack.identify import id_of  # noqa: PLC0415 - heavy, and few jobs need it

    ids = sorted(id_of(job.name, file.shown, record) for file, record in source.numbers)
    counts: CountsRanges = target  # type: ignore[assignment]  # Avalanchio alone has ids
    if rows := await counts.count_ranges("id", runs(ids)):
        raise SettingsError(
            f"the table holds {count(rows)} of these {plural(len(ids), 'record')} already, by id",
            "look at them; then replay the others alone, with --rejects FILE",
        )


class Within:
    """The watcher of a run within a run: neither its start nor its end is that of what is told."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def started(self, started: Started) -> None:
        """Told of the outer one."""

    def note(self, message: str, *, level: Level = "info") -> None:
        """Passed on."""
        self._watcher.note(message, level=level)

    def tick(self, snapshot: Snapshot) -> None:
        """Passed on."""
        self._watcher.tick(snapshot)

    def batch(self, receipt: Receipt) -> None:
        """Passed on to whom it concerns."""
        tell = teller(self._watcher)
        if tell is not None:
            tell(receipt)

    def finished(self, report: Mapping[str, Any]) -> None:
        """Told of the outer one, once this is booked."""
