"""What the display is shown while a run goes on: its totals, a few times a second.

The same ticks make the report's timeline.
"""

from __future__ import annotations

import anyio
from msgspec import Struct

from ingest.build.services import Connection
from ingest.engine import Engine
from ingest.events import RunStage, Snapshot, Watcher
from ingest.governor import Governor
from ingest.protocols import Clock
from ingest.sources.files import FileSource
from ingest.timeline import Timeline

TICKS_PER_S = 5


class Ticking(Struct, frozen=True):
    """The ticks of one run. `started` is its start on the clock."""

    engine: Engine
    source: FileSource
    governor: Governor
    connection: Connection
    clock: Clock
    started: float
    watcher: Watcher
    timeline: Timeline

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.tick("draining" if self.engine.ending else "loading")
            await anyio.sleep(1 / TICKS_PER_S)

    def tick(self, stage: RunStage) -> None:
        """One of them."""
        accounts = self.engine.accounts
        now = self.clock.monotonic()
        pause_s = max(0.0, self.governor.paused_until - now)
        paused_s = self.governor.findings.paused_s - pause_s  # those of them that are over
        self.timeline.add(now - self.started, accounts, paused_s, self.engine.latencies_s)
        snapshot = Snapshot(
            elapsed_s=now - self.started,
            read=accounts.read,
            accepted=accounts.accepted,
            rejected=accounts.rejected,
            skipped=accounts.skipped,
            ambiguous=accounts.ambiguous,
            unsent=accounts.unsent,
            bytes_read=accounts.bytes_read,
            bytes_sent=accounts.bytes_sent,
            in_flight=accounts.in_flight,
            requests_sent=accounts.requests_sent,
            retried=accounts.requests_retried,
            source_bytes=self.source.raw_bytes,
            pause_s=pause_s,
            stage=stage,
            file=self.connection.latest.progress if accounts.in_flight else None,
        )
        self.watcher.tick(snapshot)
