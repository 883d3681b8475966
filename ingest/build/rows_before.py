"""The rows that a table had before a run's first request.

A process that takes a run up finds the run's own rows there, and its accounts count them: so the
number is kept in the run's directory, and what came since is compared with all that was accepted.
Best effort: where it is not known, nothing is compared.
"""

from __future__ import annotations

import contextlib

import orjson

from ingest.display import json_bytes
from ingest.state import RunDir, write_private

ROWS_BEFORE = "rows_before.json"


def rows_before(run: RunDir, counted: int | None, *, first: bool) -> int | None:
    """Those of the run; `counted` are those of this process, which is the run's `first` or not."""
    if first:
        with contextlib.suppress(OSError):
            keep_rows_before(run, counted)
        return counted
    return known_rows_before(run)


def keep_rows_before(run: RunDir, counted: int | None) -> None:
    """Keep the number, 0600. Raises OSError."""
    write_private(run.path / ROWS_BEFORE, json_bytes({"rows_before": counted}))


def known_rows_before(run: RunDir) -> int | None:
    """What the run's first process kept; None where that can't be known."""
    try:
        known = orjson.loads((run.path / ROWS_BEFORE).read_bytes())["rows_before"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if type(known) is int else None
