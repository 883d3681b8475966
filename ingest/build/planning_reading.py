"""The reading of a plan: a run's engine over a packing that counts, with the interrupt beside it.

An interrupt ends the reading; what was read by then is the plan. A second one changes nothing: what
is under way then is a block or two in the shaping threads.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
from msgspec import Struct, field

from ingest.build.delivering import Delivering
from ingest.build.grown import Before, settled_with
from ingest.build.planning_target import AskingTarget
from ingest.build.planning_ways import ways_of
from ingest.build.running import SHAPERS
from ingest.build.services import Connection
from ingest.engine import Engine, Pace, Parts, Result, Taken
from ingest.errors import IngestError
from ingest.events import RunStage, Snapshot, Watcher
from ingest.governor import Governor
from ingest.job import Job
from ingest.meeting import Meant
from ingest.model import Accounts, Slice
from ingest.operations.plan_end import sending
from ingest.operations.plan_keys import KeyTally
from ingest.operations.plan_rejects import LimitWatch, RejectTally
from ingest.operations.plan_samples import FirstSlice, dropped_of, fields_of, samples_of
from ingest.operations.plan_table import column_types, table_report
from ingest.operations.plan_ways import Ways
from ingest.pack.recut import RecutPacking
from ingest.protocols import Clock, Shaper
from ingest.rejects import RejectLimit
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.json_shape import JsonShaper
from ingest.sources.files import FileSource
from ingest.sources.lines import LineCountingSource

TICKS_PER_S = 5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Settled(Struct, frozen=True):
    """What was settled before the first record: fields and table, the delivery, how many records
    are skipped in files that are left out, and what files that grew were before."""

    meant: Meant
    delivery: Delivering
    skipped: int
    grown: Mapping[int, Before] = field(default_factory=dict)


class Bounds(Struct, frozen=True):
    """How much is read (`limit` records, None: all), how many keys are looked at, and the latency
    to reckon with."""

    limit: int | None
    keys: int
    latency_s: float


class Reading:
    """One reading. `run` may be awaited once; `interrupted` is the exit code of an interrupt."""

    def __init__(
        self,
        job: Job,
        source: FileSource,
        connection: Connection,
        target: AskingTarget,
        settled: Settled,
        bounds: Bounds,
    ) -> None:
        self._job = job
        self._source = source
        self._connection = connection
        self._target = target
        self._settled = settled
        self._bounds = bounds
        self.interrupted: int | None = None
        self._rejects = RejectTally()
        self._limit = LimitWatch(RejectLimit(job.rejects.max_count, job.rejects.max_ratio))
        self._first = FirstSlice()
        envelope = settled.delivery.envelope
        column = job.target.upsert_key or job.delivery.evidence_key
        self._keys = KeyTally(column, envelope.record_end, bounds.keys) if column else None
        looks: list[Callable[[Slice], None]] = [self._first.look]
        looks += [self._keys.look] if self._keys else []
        self._ways = Ways(ways_of(job, connection, envelope), looks)
        self._shaper = self._made_shaper()

    async def run(self, watcher: Watcher, clock: Clock) -> dict[str, Any]:
        """Read all of it; the parts of the report that come of it."""
        engine = self._engine(clock)
        started_s = clock.monotonic()
        tick = partial(self._tick, watcher, clock, started_s, engine)
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._heed_signals, engine)
            tasks.start_soon(_often, tick)
            result = await engine.run()
            await self._ways.finish()
            tasks.cancel_scope.cancel()
        tick("done")
        return await self._reported(result)

    def _made_shaper(self) -> CsvShaper | JsonShaper:
        meant, delivery = self._settled.meant, self._settled.delivery
        kind = JsonShaper if meant.format == "ndjson" else CsvShaper
        largest = delivery.envelope.largest_record - delivery.overhead_bytes
        return kind(meant.plans, delivery.envelope.record_end, largest)

    def _engine(self, clock: Clock) -> Engine:
        meant, delivery = self._settled.meant, self._settled.delivery
        asks_line = any(f.pseudo == "@line" for p in meant.plans.values() for f in p.fields)
        grown = self._settled.grown
        skipped = self._settled.skipped + sum(one.records for one in grown.values())
        settled, packing = settled_with(None, grown), self._ways
        parts = Parts(
            source=LineCountingSource(self._source) if asks_line else self._source,
            shaper=self._shaper,
            target=self._target,
            rejects=self._rejects,
            judge=self._limit,
            governor=Governor(1, None, 0.0, random.random, wakes=True, learns=False),
            clock=clock,
            packing=RecutPacking(packing, (), settled, delivery.envelope) if settled else packing,
            taken=Taken(Accounts(read=skipped, skipped=skipped), settled),
            number=delivery.number,
            envelope=delivery.envelope,
        )
        return Engine(parts, Pace(shapers=SHAPERS, writers=1, limit=self._bounds.limit))

    async def _heed_signals(
        self, engine: Engine, *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            task_status.started()
            async for number in signals:
                self.interrupted = 130 if number == signal.SIGINT else 143
                engine.drain()

    def _tick(
        self,
        watcher: Watcher,
        clock: Clock,
        started_s: float,
        engine: Engine,
        stage: RunStage | None = None,
    ) -> None:
        accounts = engine.accounts
        watcher.tick(
            Snapshot(
                elapsed_s=clock.monotonic() - started_s,
                read=accounts.read,
                accepted=self._ways.pending,
                rejected=accounts.rejected,
                skipped=accounts.skipped,
                ambiguous=0,
                unsent=0,
                bytes_read=accounts.bytes_read,
                bytes_sent=0,
                in_flight=0,
                requests_sent=0,
                retried=0,
                source_bytes=self._source.raw_bytes,
                pause_s=0.0,
                stage=stage or ("draining" if engine.ending else "loading"),
                file=None,
            )
        )

    async def _reported(self, result: Result) -> dict[str, Any]:
        accounts = result.accounts
        own = self._ways.ways[0].counts
        state = "partial" if self.interrupted else "sample" if result.limited else "whole"
        return {
            "state": "failed" if result.error else state,
            "records": {
                "read": accounts.read,
                "to_send": accounts.unsent,
                "rejected": accounts.rejected,
                "skipped": accounts.skipped,
            },
            "bytes": {"read": accounts.bytes_read},
            "ways": [way.counts.as_report() for way in self._ways.ways],
            "sending": None if own.way == "file" else self._sending(own.requests),
            "rejects": {
                "by_reason": dict(self._rejects.by_reason.most_common()),
                "examples": self._rejects.examples,
                "limit_passed": self._limit.passed,
            },
            "ambiguous_dates": self._rejects.ambiguous,
            "keys": self._keys.as_report() if self._keys else None,
            "error": _told(result.error),
            **await anyio.to_thread.run_sync(self._fields, self._shaper),
        }

    def _sending(self, requests: int) -> dict[str, Any]:
        limits = self._job.limits
        writers = self._connection.writers
        return sending(requests, writers, limits.requests_per_s, self._bounds.latency_s)

    def _fields(self, shaper: Shaper) -> dict[str, Any]:
        """Fields with samples, what is dropped, and the table. Blocks."""
        plans = self._settled.meant.plans
        samples = samples_of(self._first.part, shaper)
        first = self._first.part
        layout = first.origin.kept.restored().layout if first and first.origin else None
        plan = plans.get(layout) if layout else next(iter(plans.values()), None)
        fields = fields_of(plan, samples, self._job.delivery.stamp) if plan else []
        live, wish = self._target.live, self._target.wish
        types = column_types(live, wish)
        own = self._connection.types.own_columns
        return {
            "fields": [{**field, "column_type": types.get(field["name"])} for field in fields],
            "dropped": dropped_of(plans, samples),
            "table": table_report(self._job, live, wish, {f["name"] for f in fields}, own),
        }


async def _often(tick: Callable[[], None]) -> None:
    while True:
        tick()
        await anyio.sleep(1 / TICKS_PER_S)


def _told(error: IngestError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"kind": error.kind, "message": error.message, "hint": error.hint}
