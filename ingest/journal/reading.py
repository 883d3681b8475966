"""What the journal says when a run is taken up: what is settled, and which bodies are in doubt.

A record is settled if an accepted or an ambiguous body answers for it, or if its line stands in the
rejects file. One that the service refused but whose line was lost with the kill is not: it was
surely not applied, so it is sent, and refused, again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest.display import safe
from ingest.journal.folding import SUMS
from ingest.journal.intervals import IntervalSet
from ingest.journal.records import IntentRecord, Settled, State, Tally
from ingest.model import Span, Spool

_SETTLED = """
    SELECT file, first, last FROM folded WHERE run = :run UNION ALL
    SELECT file, first, last FROM spans WHERE intent IN
        (SELECT id FROM intents WHERE run = :run AND state IN (2, 4))
    ORDER BY 1, 2"""
_SUMS = f"""
    SELECT state, intents, records, superseded, refused, doubtful, attempts, failed, retried,
        bytes_sent FROM sums WHERE run = :run UNION ALL
    SELECT state, {SUMS} FROM intents WHERE run = :run AND state <> 0 GROUP BY state"""  # noqa: S608 - constants
_INTENTS = """
    SELECT id, number, start, part, count, size_bytes, digest, first_sent_at, last_sent_at,
        sendings, state, resent, doubtful, message, upload, spool, plain_bytes,
        plain_crc32
    FROM intents WHERE run = :run AND (state = :state OR (:state = 4 AND doubtful > 0))
    ORDER BY number, start"""
_SPANS = """
    SELECT intent, file, first, last, count FROM spans WHERE intent IN
    (SELECT id FROM intents WHERE run = :run AND (state = :state OR (:state = 4 AND doubtful > 0)))
    ORDER BY intent"""
_SHOWN_SPANS = 3
_ABSENT = -1
_Files = Mapping[int, tuple[int, str]]


def settled_records(
    connection: sqlite3.Connection,
    run: int,
    indexes: Mapping[int, int],
    written: Mapping[int, IntervalSet],
) -> Settled:
    """What is settled. `indexes` leads from a file's row to its index in the run under way;
    `written` are the records in the rejects file by that index. Others' files are left out."""
    files: dict[int, IntervalSet] = {}
    for file, first, last in connection.execute(_SETTLED, {"run": run}):
        if file in indexes:
            files.setdefault(indexes[file], IntervalSet()).add(first, last)
    for index, intervals in written.items():
        files.setdefault(index, IntervalSet()).update(intervals)
    return Settled(files, _tally(connection, run))


def intents(
    connection: sqlite3.Connection,
    run: int,
    state: State,
    files: _Files,
) -> list[IntentRecord]:
    """The intents of one state, in number order, with their spans; for AMBIGUOUS, bodies that were
    accepted but for some doubtful records, too. `files`: a row's index in the run, and its name."""
    asked = {"run": run, "state": state}
    spans: dict[int, list[tuple[int, Span]]] = {}
    for intent, file, first, last, count in connection.execute(_SPANS, asked):
        index = files.get(file, (_ABSENT, ""))[0]
        spans.setdefault(intent, []).append((file, Span(index, first, last, count)))
    return [
        _intent(row, files, spans.get(row[0], [])) for row in connection.execute(_INTENTS, asked)
    ]


def _intent(row: tuple[Any, ...], files: _Files, spans: list[tuple[int, Span]]) -> IntentRecord:
    (id_, number, start, part, count, size_bytes, digest) = row[:7]
    (first_sent_at, last_sent_at, sendings, state, resent, doubtful) = row[7:13]
    (message, upload, spool, plain_bytes, plain_crc32) = row[13:]
    # In input order: by the files' order in this run, those that are gone first.
    spans.sort(key=lambda pair: (pair[1].file, pair[0], pair[1].first))
    return IntentRecord(
        id=id_,
        number=number,
        offset=start,
        part=int(part),
        count=count,
        spans=tuple(span for _, span in spans),
        size_bytes=size_bytes,
        digest=digest,
        where=_in_words(spans, files),
        first_sent_at=first_sent_at,
        last_sent_at=last_sent_at,
        sendings=sendings,
        state=State(state),
        resent=bool(resent),
        doubtful=doubtful,
        message=message,
        upload=upload,
        spool=(
            Spool(Path(os.fsdecode(spool)), size_bytes, plain_bytes, digest, plain_crc32)
            if spool
            else None
        ),
    )


def _in_words(spans: Sequence[tuple[int, Span]], files: _Files) -> str:
    words = []
    for file, span in spans[:_SHOWN_SPANS]:
        shown = safe(files[file][1]) if file in files else "a file"
        words.append(f"{shown}, records {span.first} to {span.last}")
    more = len(spans) - _SHOWN_SPANS
    return "; ".join(words) + (f" and {more} more" if more > 0 else "")


def _tally(connection: sqlite3.Connection, run: int) -> Tally:
    total = Tally()
    for state, *figures in connection.execute(_SUMS, {"run": run}):
        total = _added(total, State(state), figures)
    return total


def _added(total: Tally, state: State, figures: Sequence[int]) -> Tally:
    (bodies, records, superseded, refused, doubtful, attempts, failed, retried, size_bytes) = (
        figures
    )
    accepted, ambiguous = state is State.ACCEPTED, state is State.AMBIGUOUS
    return Tally(
        accepted=total.accepted + accepted * (records - refused - doubtful),
        ambiguous=total.ambiguous + ambiguous * records + doubtful,
        superseded=total.superseded + accepted * superseded,
        refused=total.refused + refused,
        requests=total.requests + attempts,
        failed=total.failed + failed,
        retried=total.retried + retried,
        bytes_sent=total.bytes_sent + size_bytes,
        apart=total.apart + (state is State.APART) * bodies,
    )
