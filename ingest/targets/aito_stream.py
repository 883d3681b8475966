"""aito by its stream API: one JSON object a line by `POST data/{table}/stream`.

The lines are parsed in the order they come and stored in one operation (documented), so a body
lands whole or not at all, like a batch (guess: the page says it of the storing, not of a bad line).
The service calls this way a beta.
"""

from __future__ import annotations

from ingest.model import Batch, Limits, Verdict
from ingest.pack import MemoryEnvelope
from ingest.targets.aito import DEFAULTS, LIMITS, AitoSettings, AitoTable, lowered
from ingest.targets.aito_types import records_taken
from ingest.wire import Wire


class AitoStreamTarget(AitoTable):
    """One table, loaded by streams of lines. `protocols.Target`."""

    via = "stream"

    def __init__(
        self,
        wire: Wire,
        table: str,
        limits: Limits = LIMITS,
        settings: AitoSettings = DEFAULTS,
    ) -> None:
        """`limits` may only lower a batch's, to which this way is held."""
        super().__init__(wire, table, settings)
        self._envelope = MemoryEnvelope(b"", b"", b"\n", lowered(limits))

    @property
    def envelope(self) -> MemoryEnvelope:
        """Lines, with the limits in force."""
        return self._envelope

    async def send(self, batch: Batch) -> Verdict:
        """One attempt to insert the lines."""
        answer = await self.post("stream", batch, "application/x-ndjson")
        return Verdict(records_taken(answer.value))
