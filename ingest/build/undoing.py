"""`ingest undo RUN`: takes back the rows that a run made, and lets the journal forget its files.

In two calls, with a person's yes between them: `look` goes through the run's rows and counts those
that would be deleted; `undo` goes through them again, judges each row anew right before it is
deleted, and never deletes more than were shown. The rules stand in `operations.undo_rules`.

It is recorded on the run: `undone` in its report is `begun` before the first deletion and `done`
behind the last. The files are forgotten in the journal then, and not before: a load between the two
would double what is still there. Cut short, the same command goes on, since a row that is gone is
no row to delete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

from anyio import to_thread
from msgspec import Struct, field
from msgspec.structs import replace

from ingest.build.asking import (
    as_batches,
    check_place,
    compared_of,
    for_rehearsal,
    keep,
    remaking_of,
    rows_of,
)
from ingest.build.booking import locked
from ingest.build.connect import connected
from ingest.build.grown import as_before, befores_of
from ingest.build.mapping import mapping_of
from ingest.build.options import RunOptions
from ingest.build.run_facts import RunFacts, facts_of, open_journal
from ingest.build.services import Connection
from ingest.build.telling import telling
from ingest.display import count, encodable, now_text
from ingest.errors import SettingsError
from ingest.events import Watcher
from ingest.journal import Journal
from ingest.operations.undo_rows import Undoing
from ingest.operations.undo_rules import Tally, way_of
from ingest.operations.verify_findings import Findings
from ingest.protocols import OfTable
from ingest.state import RunDir, StateDir


class Asked(Struct, frozen=True):
    """What is undone. `most` rows were shown and may be deleted; `drop`: the table, too."""

    run: RunDir
    changed_too: bool = False
    drop: bool = False
    most: int = 0


class Look(Struct, frozen=True):
    """What there is to undo: rows by their fate, where, and why rows can't be compared.

    `earlier` stands under `undone` in the report so far; `made_table`: the run made the table.
    """

    tally: Tally
    target: str
    unfit: tuple[str, ...] = ()
    earlier: Mapping[str, Any] = field(default_factory=dict)
    made_table: bool = False


async def look(asked: Asked, options: RunOptions, watcher: Watcher) -> Look:
    """Count what would be deleted. Raises SettingsError where the run can't be undone exactly."""
    async with _undoing(asked, options, watcher) as (undoing, facts, connection):
        tally = Tally()

        def words() -> str:
            return f"looking: {count(tally.rows.total())} rows of the run so far"

        await telling(watcher, words, partial(undoing.looked, tally))
        unfit = tuple(claim.shown for claim in undoing.unfit)
        made = facts.mapping.before is None
        return Look(tally, connection.target.shown, unfit, facts.report.get("undone", {}), made)


async def undo(asked: Asked, options: RunOptions, watcher: Watcher) -> dict[str, Any]:
    """Delete, record and forget; what stands under `undone` in the run's report.

    Raises IngestError where it is stopped: what was deleted by then is recorded.
    """
    async with _undoing(asked, options, watcher) as (undoing, facts, connection):
        earlier = facts.report.get("undone", {}).get("deleted", 0)
        tally = Tally()
        _record(facts, tally, "begun", earlier, options)
        try:
            delete = partial(undoing.deleted, tally, changed_too=asked.changed_too)
            await telling(watcher, lambda: _so_far(tally, asked.most), delete)
        except BaseException:
            _record(facts, tally, "begun", earlier, options)
            raise
        dropped = await _dropped(facts, connection, watcher) if asked.drop else False
        state = StateDir(options.state_dir)
        with open_journal(state, facts.run.job) as journal:
            if journal is not None:
                forget_files(journal, facts, tally.deleted + earlier)
        return _record(facts, tally, "done", earlier, options, dropped=dropped)


def _so_far(tally: Tally, most: int) -> str:
    return f"deleting: {count(tally.deleted)} of {count(most)} rows"


@asynccontextmanager
async def _undoing(
    asked: Asked, options: RunOptions, watcher: Watcher
) -> AsyncIterator[tuple[Undoing, RunFacts, Connection]]:
    """What goes through the rows, with the job's lock held and the connection open."""
    job = mapping_of(asked.run).job
    way = way_of(job, asked.run.id)
    state = StateDir(options.state_dir)
    with locked(job, state, replace(options, fresh=False)):
        with open_journal(state, asked.run.job) as journal:
            facts = await to_thread.run_sync(_facts, asked.run, journal)
        options = for_rehearsal(facts, options)
        async with connected(as_batches(job), options, state, watcher, None) as connection:
            check_place(facts, connection, options)
            yield await _prepared(facts, asked, connection, way), facts, connection


def _facts(run: RunDir, journal: Journal | None) -> RunFacts:
    return facts_of(run, journal, undone_too=True)


async def _prepared(
    facts: RunFacts, asked: Asked, connection: Connection, way: Literal["id", "stamp"]
) -> Undoing:
    schema = await connection.target.describe()
    if schema is None:
        raise SettingsError(f"{connection.target.shown}: the table is not there any more")
    remaking = remaking_of(facts, connection)
    compared = await compared_of(facts, remaking, schema, Findings())
    unfit = [one for shown, one in facts.claims.items() if shown in remaking.unfit]
    undoing = Undoing(compared, rows_of(connection), unfit, facts.run.id)
    undoing.most = asked.most
    if way == "stamp":
        undoing.column = facts.job.delivery.stamp
        return undoing
    from ingest.pack.identify import start_of  # noqa: PLC0415 - heavy, and only for ids

    undoing.starts = {shown: start_of(facts.job.name, shown) for shown in facts.claims}
    return undoing


async def _dropped(facts: RunFacts, connection: Connection, watcher: Watcher) -> bool:
    """Drop the table, if the run made it and it is empty; else say why not."""
    rows = rows_of(connection)
    if facts.mapping.before is not None:
        watcher.note("the table stays: it was there before the run", level="warning")
        return False
    if left := await rows.count(OfTable()):
        watcher.note(f"the table stays: it holds {left:,} rows", level="warning")
        return False
    await rows.drop()
    return True


def forget_files(journal: Journal, facts: RunFacts, deleted: int) -> None:
    """The next run of the job loads the run's files again; those it skipped stay settled."""
    record = next((one for one in journal.runs() if one.name == facts.run.id), None)
    if record is None:
        return
    if record.state != "done":
        journal.forget(record)
    elif (last := journal.last_done()) is not None:
        before, claims = befores_of(facts.report), facts.claims
        named = [(encodable(f.shown), f) for f in journal.files(last)]
        mine = [
            as_before(file, before.get(shown), claims[shown].records)
            for shown, file in named
            if shown in claims
        ]
        if mine:
            journal.put_files(last, mine)
    accepted = max(0, record.accounts.get("accepted", 0) - deleted)
    if record.accounts:
        journal.book(record, {**record.accounts, "accepted": accepted}, record.highest)


def _record(
    facts: RunFacts,
    tally: Tally,
    state: Literal["begun", "done"],
    earlier: int,
    options: RunOptions,
    *,
    dropped: bool = False,
) -> dict[str, Any]:
    undone = tally.as_report(now_text(), state, earlier)
    if dropped:
        undone["table_dropped"] = True
    facts.report["undone"] = undone
    keep(facts.run, options.report, facts.report)
    return undone
