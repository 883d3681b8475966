"""The engine in this process, on one file, its bodies thrown away: no command, no journal.

For measurements that compare within one process, where start, imports and books would only dilute
what is looked at.
"""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.discarding import DiscardTarget
from benchmarks.tables import STOCK, Table
from ingest.engine import Engine, Pace, Parts
from ingest.governor import Governor
from ingest.job import make_job
from ingest.protocols import Shaper
from ingest.rejects import RejectLimit
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.plan import make_plan
from ingest.shape.service import Meeting, ServiceTypes
from ingest.sources.files import FileSource
from ingest.targets import avalanchio_types
from ingest.wire import SystemClock


class NoRejects:
    """A reject sink for files that have none."""

    async def write(self, rejects: Sequence[Any]) -> None:
        """Raises RuntimeError: a file with rejects is not the work that is measured."""
        raise RuntimeError(f"{len(rejects)} records were rejected: not the work that is measured")


@dataclass(frozen=True, slots=True)
class Shaping:
    """A file that is about to be shaped. `run` may be awaited once."""

    source: FileSource
    shaper: Shaper
    target: DiscardTarget
    shapers: int = 1

    async def run(self) -> int:
        """Files to sealed bodies; the records in them. Raises what went wrong."""
        parts = Parts(
            source=self.source,
            shaper=self.shaper,
            target=self.target,
            rejects=NoRejects(),
            judge=RejectLimit(0, 0.0),
            governor=Governor(1, None, 0.0, lambda: 0.5),
            clock=SystemClock(),
        )
        result = await Engine(parts, Pace(shapers=self.shapers, writers=1)).run()
        if result.error is not None:
            raise result.error
        return result.accounts.accepted


@asynccontextmanager
async def prepared(path: Path, table: Table = STOCK) -> AsyncIterator[Shaping]:
    """The file's layout is read and its plan is made: what follows is the work alone."""
    job = make_job({"name": "stock", **tomllib.loads(table.job(str(path)))})
    source = FileSource(job.source, job.base, print)
    found = await source.prepare()
    types = ServiceTypes(avalanchio_types.column_type, avalanchio_types.field_type)
    meeting = Meeting(job, None, types)
    plans = {layout: make_plan(layout, meeting)[0] for layout in found.layouts}
    target = DiscardTarget()
    envelope = target.envelope
    shaper = CsvShaper(plans, envelope.record_end, envelope.largest_record)
    try:
        yield Shaping(source, shaper, target)
    finally:
        await source.aclose()
