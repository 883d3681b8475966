"""aito by batches: a JSON array by `POST data/{table}/batch`, at most 6 MB, all or nothing."""

from __future__ import annotations

from ingest.model import Batch, Limits, Verdict
from ingest.pack import MemoryEnvelope
from ingest.targets.aito import DEFAULTS, LIMITS, AitoSettings, AitoTable, lowered
from ingest.targets.aito_types import records_taken
from ingest.wire import Wire


class AitoBatchTarget(AitoTable):
    """One table, loaded by batches. `protocols.Target`."""

    via = "batch"

    def __init__(
        self,
        wire: Wire,
        table: str,
        limits: Limits = LIMITS,
        settings: AitoSettings = DEFAULTS,
    ) -> None:
        """`limits` may only lower the service's own."""
        super().__init__(wire, table, settings)
        self._envelope = MemoryEnvelope(b"[", b"]", b",\n", lowered(limits))

    @property
    def envelope(self) -> MemoryEnvelope:
        """`[...]`, with the limits in force."""
        return self._envelope

    async def send(self, batch: Batch) -> Verdict:
        """One attempt to insert the batch."""
        answer = await self.post("batch", batch, "application/json")
        return Verdict(records_taken(answer.value))
