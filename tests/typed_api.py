"""How a program uses ingest, for the type checker: `test_api` has mypy look, nobody runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, assert_type

import ingest


async def rows() -> AsyncIterator[dict[str, Decimal | int]]:
    """Records."""
    yield {"n": 1, "price": Decimal("1.10")}


def seen(event: ingest.Event) -> None:
    """Every event, by its class."""
    match event:
        case ingest.Started():
            assert_type(event.bytes_total, int | None)
        case ingest.Note():
            assert_type(event.level, Literal["info", "warning", "error"])
        case ingest.Snapshot():
            assert_type(event.accepted, int)
        case ingest.Finished():
            assert_type(event.report, Mapping[str, Any])


async def main(job: ingest.Job, watcher: ingest.Watcher) -> None:
    """Both calls with all that they take."""
    outcome = await ingest.run(job, watch=watcher, limit=10, state_dir=Path("state"))
    assert_type(outcome, ingest.Outcome)
    assert_type(outcome.state, Literal["done", "failed", "interrupted"])
    assert_type(outcome.records.accepted, int)
    assert_type(outcome.error, ingest.Trouble | None)
    assert_type(outcome.ok, bool)
    await ingest.run("job.toml", watch=seen, max_duration_s=1.5)
    await ingest.load("a.csv", to="aito:t")
    await ingest.load([Path("a.csv"), "b.csv"], to="aito:t", settings={"limits": {"in_flight": 2}})
    await ingest.load(rows(), to="avalanchio:t", create=True, fresh=True)
    await ingest.load([{"n": 1}], to="avalanchio:t", if_running="wait")
    await ingest.run(job, limits=1)  # type: ignore[call-arg] # there is no such option
    await ingest.run(job, if_running="skip")  # type: ignore[arg-type] # a library has no exit to make 0
    await ingest.load([1, 2], to="avalanchio:t")  # type: ignore[list-item] # no records
    ingest.nothing()  # type: ignore[attr-defined] # no such name
    assert_type(ingest.__version__, str)
