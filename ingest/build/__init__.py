"""From a job to a run: the only package that knows every concrete class.

`execute` goes in an order that sends nothing before everything that can be known is known: the
files are found and their headers read, the credential is resolved, the way is chosen, the live
table is asked, fields and schema meet, and only then the table is made or widened and the run gets
its id. Whatever is wrong until then is raised; from then on every trouble is part of the report.

`connect` makes a job's target with its connections open, `services` says what differs from service
to service, `running` is one run that has an id, `ending` its signals and limits of time.
"""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from ingest.build.connect import connected
from ingest.build.options import RunOptions, RunResult
from ingest.build.running import Running
from ingest.errors import SettingsError
from ingest.events import Started, Watcher
from ingest.job import DeliverySettings, Job
from ingest.meeting import meet
from ingest.sources.files import FileSource
from ingest.state import StateDir

__all__ = ["RunOptions", "RunResult", "execute"]


async def execute(job: Job, options: RunOptions, watcher: Watcher) -> RunResult:
    """Run one job. Raises IngestError only before the run has an id, when nothing was sent."""
    _check_delivery(job.delivery)
    state = StateDir(options.state_dir)
    state.ensure()
    source = FileSource(job.source, job.base, watcher.note)
    async with AsyncExitStack() as stack:
        prepared = await source.prepare()
        stack.push_async_callback(source.aclose)
        connection = await stack.enter_async_context(
            connected(job, options, state, watcher, prepared.total_bytes)
        )
        target = connection.target
        meant = await meet(job, prepared, target, connection.types, watcher.note)
        connection.check(meant.schema)
        run = state.new_run(job.name, datetime.now(UTC), secrets.token_hex)
        running = Running(job, options, watcher, run, source, connection)
        watcher.started(
            Started(run.id, job.name, target.shown, len(prepared.files), prepared.total_bytes)
        )
        del prepared  # its sample has told what it had to tell, and is 8 MiB
        return await running.execute(meant)


def _check_delivery(delivery: DeliverySettings) -> None:
    """A promise of delivery that this version can't keep is refused, never passed over."""
    asked = [key for key in ("id", "stamp", "evidence_key") if key in delivery.model_fields_set]
    for key in asked:
        if getattr(delivery, key) not in ("", "none"):
            raise SettingsError(
                f"delivery.{key}: this version does not settle lost answers by it",
                "leave it out; an upsert is safe to send again, and an insert that may be doubled"
                " is named in the report",
            )
