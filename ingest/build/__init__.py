"""From a job to a run: the only package that knows every concrete class.

`execute` goes in an order that sends nothing before everything that can be known is known: the
job's lock is taken, the files are found and their headers read, the credential is resolved, the way
is chosen, the live table is asked, fields and schema meet, the table is made or widened, and then
the books are opened: a run is begun under a new id, or one that was ended is taken up. Whatever is
wrong until then is raised; from then on every trouble is part of the report.

`connect` makes a job's target with its connections open, `services` says what differs from service
to service, `delivering` what records bear so that a lost answer can be settled, `booking` opens the
books, `running` is one run that has an id, `ending` its signals and limits of time.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from ingest.build import delivering
from ingest.build.booking import Asked, booked
from ingest.build.connect import connected
from ingest.build.mapping import keep_mapping
from ingest.build.options import RunOptions, RunResult
from ingest.build.origin import is_rehearsal, remember
from ingest.build.run_facts import note_rows_before
from ingest.build.running import Running
from ingest.build.turn import in_turn
from ingest.events import Started, Watcher
from ingest.job import Job
from ingest.meeting import meet
from ingest.sources.files import FileSource
from ingest.sources.records import RecordSource, RecordStream
from ingest.state import StateDir
from ingest.wire import SystemClock

__all__ = ["RunOptions", "RunResult", "execute"]


async def execute(
    job: Job, options: RunOptions, watcher: Watcher, records: RecordStream | None = None
) -> RunResult:
    """Run one job. Raises IngestError only before the run has an id, when nothing was sent.

    With `records` these are what is loaded, and no files; somebody else pumps them.
    """
    delivering.check(job)
    state = StateDir(options.state_dir)
    state.ensure()
    source = (
        FileSource(job.source, job.base, watcher.note)
        if records is None
        else RecordSource(job.source, records, watcher.note)
    )
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        options = await in_turn(stack, job, state, options, (watcher, clock))
        prepared = await source.prepare()
        stack.push_async_callback(source.aclose)
        connection = await stack.enter_async_context(
            connected(job, options, state, watcher, prepared.total_bytes)
        )
        target, nonce = connection.target, delivering.new_nonce()
        stamped = delivering.with_stamp(job, nonce)
        meant = await meet(stamped, prepared, target, connection.types, watcher.note)
        connection.check(meant.schema)
        delivering.check_ids(job, meant)
        way = "file" if connection.spooled else ""
        rehearsed = is_rehearsal(job, options)  # its sandbox is the same one, at another port
        where = "sandbox" if rehearsed else connection.base_url
        asked = Asked(target.shown, where, meant.made, watcher, way)
        booking = stack.enter_context(
            booked(job, options, state, source, asked, fresh=options.fresh)
        )
        remember(booking.run, job, options, prepared.layouts)
        keep_mapping(booking.run, job, connection.base_url, meant, rehearsed=rehearsed)
        if booking.begun is not None and not options.fresh:
            await note_rows_before(booking.run, meant, connection, watcher)
        preparation = delivering.Preparation(job, target, clock, watcher)
        ready = await preparation.delivering(booking.run, nonce, source.files, booking.begun)
        source.leave_out(booking.skipped)
        running = Running(job, options, watcher, source, connection, (booking, ready, clock))
        watcher.started(
            Started(
                booking.run.id, job.name, target.shown, len(prepared.files), prepared.total_bytes
            )
        )
        del prepared  # its sample has told what it had to tell, and is 8 MiB
        return await running.execute(meant)
