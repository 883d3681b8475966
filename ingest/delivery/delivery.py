"""Delivering batches: each whole, and where it is refused, in parts. See the package's head."""

from __future__ import annotations

from ingest.delivery.apart import Apart
from ingest.delivery.attempts import Attempts
from ingest.delivery.rules import DeliveryRules, Hands
from ingest.errors import Trouble
from ingest.model import Batch, Outcome, Receipt


class Delivery:
    """Delivers batches; safe to use from many tasks of one loop."""

    def __init__(self, hands: Hands, rules: DeliveryRules) -> None:
        self._hands = hands
        self._apart = Apart(hands.accounts, hands.stopping, hands.too_large)
        self._attempts = Attempts(hands, rules, self._apart)

    @property
    def latencies_s(self) -> list[float]:
        """How long each attempt took."""
        return self._attempts.latencies_s

    def wake(self) -> None:
        """End every wait, so that each asks again whether the run goes on."""
        self._attempts.wake()
        self._apart.tell()

    async def deliver(self, batch: Batch) -> None:
        """Bring `batch` to its end. Raises IngestError if the run must stop because of it."""
        waiting = [batch]
        try:
            while waiting:
                part = waiting.pop()
                refusal = await self._attempts.deliver(part)
                if refusal is not None:
                    waiting += await self._taken_apart(part, refusal)
                    await self._apart.wait_for_turn(batch)
        finally:
            self._apart.done(batch)
            for part in waiting:  # none of them was ever intended
                self._hands.on_end(Receipt(part, Outcome.UNSENT, attempts=0, failed=0))

    async def _taken_apart(self, part: Batch, refusal: Trouble) -> list[Batch]:
        """The parts that are sent instead; the ledger knows first that the whole surely did not
        land."""
        parts = self._apart.parts(part, refusal, self._hands.envelope)
        ledger = self._hands.ledger
        if ledger is not None and part.count > 1 and refusal.status is not None:
            await ledger.apart(part)
        return parts
