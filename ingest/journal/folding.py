"""Settled intents folded into sums and intervals, so that the journal stays small.

Of a body that is settled nothing is asked any more but what it adds to the sums and which records
it settled. Every so many outcomes, in the transaction that brings the last of them, they are taken
out of `intents` and `spans`: their figures go into `sums`, the spans of accepted ones into
`folded`, where neighbours merge. Ambiguous ones stay, because the report names each. A run of a
million batches is a few rows then, and is taken up in milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from ingest.journal.intervals import IntervalSet
from ingest.journal.records import State

FOLD_EVERY = 1024
_FOLDABLE = """run = :run AND state IN (1, 2, 3, 5) AND doubtful = 0
    AND id IN (SELECT value FROM json_each(:ids))"""
SUMS = """count(*), sum(records), sum(superseded), sum(refused), sum(doubtful), sum(attempts),
    sum(failed), sum(max(attempts - 1, 0)), sum(attempts * size_bytes)"""
_ADD_SUMS = f"""
    INSERT INTO sums SELECT run, state, {SUMS} FROM intents WHERE {_FOLDABLE} GROUP BY run, state
    ON CONFLICT DO UPDATE SET intents = intents + excluded.intents,
        records = records + excluded.records, superseded = superseded + excluded.superseded,
        refused = refused + excluded.refused, doubtful = doubtful + excluded.doubtful,
        attempts = attempts + excluded.attempts, failed = failed + excluded.failed,
        retried = retried + excluded.retried, bytes_sent = bytes_sent + excluded.bytes_sent"""  # noqa: S608 - constants
_ACCEPTED_SPANS = f"""
    SELECT file, first, last FROM spans WHERE intent IN
    (SELECT id FROM intents WHERE {_FOLDABLE} AND state = {State.ACCEPTED:d})
    ORDER BY file, first"""  # noqa: S608 - constants
_RAISE_HIGHEST = f"""
    UPDATE runs SET highest = max(highest,
        (SELECT coalesce(max(number), 0) FROM intents WHERE {_FOLDABLE})) WHERE id = :run"""  # noqa: S608 - constants
_DROP_SPANS = f"DELETE FROM spans WHERE intent IN (SELECT id FROM intents WHERE {_FOLDABLE})"  # noqa: S608 - constants
_DROP_INTENTS = f"DELETE FROM intents WHERE {_FOLDABLE}"  # noqa: S608 - constants
_NEIGHBOURS = """
    SELECT first, last FROM folded WHERE run = ? AND file = ? AND first <= ? AND last >= ?
    AND first >= coalesce((SELECT max(first) FROM folded WHERE run = ? AND file = ? AND first <= ?),
        0)"""


def open_ids(connection: sqlite3.Connection) -> list[int]:
    """The intents that may or may not have been sent, of all runs."""
    return [row[0] for row in connection.execute("SELECT id FROM intents WHERE state = 0")]


def settled_ids(connection: sqlite3.Connection, run: int) -> list[int]:
    """The intents of a run that are settled and not folded yet, or never will be."""
    rows = connection.execute("SELECT id FROM intents WHERE run = ? AND state <> 0", (run,))
    return [row[0] for row in rows]


def fold(connection: sqlite3.Connection, run: int, ids: Sequence[int]) -> None:
    """Fold those of `ids` that may be. Within the caller's transaction."""
    which = {"run": run, "ids": orjson.dumps(ids).decode()}
    connection.execute(_ADD_SUMS, which)
    merged: dict[int, IntervalSet] = {}
    for file, first, last in connection.execute(_ACCEPTED_SPANS, which):
        merged.setdefault(file, IntervalSet()).add(first, last)
    for file, intervals in merged.items():
        for first, last in intervals:
            _merge_in(connection, (run, file), first, last)
    connection.execute(_RAISE_HIGHEST, which)
    connection.execute(_DROP_SPANS, which)
    connection.execute(_DROP_INTENTS, which)


def _merge_in(
    connection: sqlite3.Connection, place: tuple[int, int], first: int, last: int
) -> None:
    """Add one interval to `folded`, as one with those that it touches."""
    asked = (*place, last + 1, first - 1, *place, first)
    touching = connection.execute(_NEIGHBOURS, asked).fetchall()
    for start, end in touching:
        connection.execute(
            "DELETE FROM folded WHERE (run, file, first) = (?, ?, ?)", (*place, start)
        )
        first, last = min(first, start), max(last, end)
    connection.execute("INSERT INTO folded VALUES (?, ?, ?, ?)", (*place, first, last))
