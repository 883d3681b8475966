"""Loading 200 records in eight bodies by way of a front, and asking which rows are there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.end_to_end import Run, job_of, load, new_table
from tests.faults.front import Act, front
from tests.sandbox.conftest import Running

RECORDS, BATCH = 200, 25
BODIES = RECORDS // BATCH
EVERY_ROW = dict.fromkeys(range(1, RECORDS + 1), 1)
STAMP = {"stamp": "stamp", "longest_server_s": 0.1}


def job_at(folder: Path, table: str, **sections: dict[str, Any]) -> Any:
    """The job; one writer unless a test asks for more, so that acts meet bodies in order."""
    if not (path := folder / "a.csv").exists():
        lines = "".join(f"{n},name {n}\n" for n in range(1, RECORDS + 1))
        path.write_text(f"n,name\n{lines}")
    limits = {"records": BATCH, "in_flight": 1, **sections.pop("limits", {})}
    return job_of(folder, table, "a.csv", limits=limits, **sections)


def struck(
    sandbox: Running, folder: Path, *acts: Act, **sections: Any
) -> tuple[Run, dict[int, int]]:
    """Load through a front with these acts; the run, and how often each n is in the table."""
    table = new_table()
    job = job_at(folder, table, **sections)
    with front(sandbox, *acts) as (server, _):
        run = load(server, job, folder)
    return run, rows(sandbox, table)


def rows(server: Running, table: str) -> dict[int, int]:
    """How often each n is in the table."""
    return dict(Counter(row["n"] for row in server.rows(table, "n")))


def named(run: Run) -> set[int]:
    """The n of the records that the report calls ambiguous: n is the record's number."""
    spans = [span for batch in run.report["ambiguous"] for span in batch["spans"]]
    return {n for span in spans for n in range(span["first"], span["last"] + 1)}
