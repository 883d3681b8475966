"""The `ingest` command with a target that throws bodies away inside the process: shaping alone.

`python -m benchmarks.discarding run JOB ...` is the real command, journal, progress bar and report
included; only the connection is another. A sealed body is looked at no more than the journal does.
So what is measured is files to sealed bodies, and nobody can say that it was the server.

With `INGEST_BENCHMARK_SEALED` in the environment what was sealed is written to that file as JSON:
requests, records, bytes; and `rows_hash`, for which every body is parsed, if
`INGEST_BENCHMARK_VERIFY` is there, too (slow, and never timed).
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from benchmarks.rows_hash import RowsHash
from ingest import build
from ingest.build.services import Connection
from ingest.job import Job
from ingest.model import Batch, Limits, Schema, Verdict
from ingest.pack import MemoryEnvelope
from ingest.protocols import TableWish
from ingest.shape.service import ServiceTypes
from ingest.targets import avalanchio, avalanchio_types

SEALED = "INGEST_BENCHMARK_SEALED"
VERIFY = "INGEST_BENCHMARK_VERIFY"
NOWHERE = "http://127.0.0.1:9"  # never called


class DiscardTarget:
    """`protocols.Target` with Avalanchio's envelope: every body is taken and forgotten."""

    def __init__(self, limits: Limits = avalanchio.LIMITS, *, verify: bool = False) -> None:
        self._envelope = MemoryEnvelope(b'{"records":[', b"]}", b",\n", limits)
        self._verify = verify
        self.rows = RowsHash()
        self.requests = self.records = self.size_bytes = 0

    @property
    def envelope(self) -> MemoryEnvelope:
        """Avalanchio's."""
        return self._envelope

    @property
    def shown(self) -> str:
        """For people."""
        return "nowhere, thrown away"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """There is nothing to hold open."""
        yield

    async def describe(self) -> Schema | None:
        """There is no table yet."""
        return None

    async def ensure(self, wish: TableWish) -> Schema:
        """As wished."""
        return Schema(wish.name, wish.columns, wish.properties)

    async def send(self, batch: Batch) -> Verdict:
        """Taken."""
        self.requests += 1
        self.records += batch.count
        self.size_bytes += batch.size_bytes
        if self._verify:
            self.rows.add(json.loads(b"".join(batch.body))["records"])
        return Verdict()

    async def count(self) -> int | None:
        """Nobody knows."""
        return None

    async def query(self, statement: str) -> list[dict[str, Any]]:  # noqa: ARG002 - the protocol's
        """There are no rows."""
        return []

    async def tidy(self) -> str | None:
        """Nothing to do."""
        return None

    def sealed(self) -> dict[str, Any]:
        """What was sealed so far."""
        return {
            "requests": self.requests,
            "records": self.records,
            "bytes": self.size_bytes,
            "rows_hash": self.rows.hexdigest if self._verify else None,
        }


@asynccontextmanager
async def discarding(job: Job, *_: object) -> AsyncIterator[Connection]:
    """Stands in for `ingest.build.connect.connected`."""
    limits = Limits(job.limits.records, job.limits.bytes)
    target = DiscardTarget(limits, verify=VERIFY in os.environ)
    types = ServiceTypes(avalanchio_types.column_type, avalanchio_types.field_type)
    yield Connection(target, types, job.limits.in_flight, NOWHERE)
    if path := os.environ.get(SEALED):
        await anyio.Path(path).write_text(json.dumps(target.sealed()))


def main() -> None:
    """The command, with the other connection."""
    from ingest.cli import main as command  # noqa: PLC0415 - as its own script does

    vars(build)["connected"] = discarding
    command()


if __name__ == "__main__":
    main()
