"""The rows that a table had before a run's first request.

A process that takes a run up finds the run's own rows there, and its accounts count them: so the
number is kept in the run's directory, and what came since is compared with all that was accepted.
Best effort: where it is not known, nothing is compared.
"""

from __future__ import annotations

import contextlib

import orjson

from ingest.build.delivering import ROWS_BEFORE
from ingest.display import json_bytes
from ingest.state import RunDir, write_private


def rows_before(run: RunDir, counted: int | None, *, first: bool) -> int | None:
    """Those of the run; `counted` are those of this process, which is the run's `first` or not."""
    path = run.path / ROWS_BEFORE
    if first:
        with contextlib.suppress(OSError):
            write_private(path, json_bytes({"rows_before": counted}))
        return counted
    try:
        known = orjson.loads(path.read_bytes())["rows_before"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if type(known) is int else None
