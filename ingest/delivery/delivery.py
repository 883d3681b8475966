"""Delivering batches: each whole, and where it is refused, in parts. See the package's head."""

from __future__ import annotations

from ingest.delivery.attempts import Attempts
from ingest.delivery.ends import Ends
from ingest.delivery.isolation import Isolation
from ingest.delivery.outlook import Outlook
from ingest.delivery.partial import PartialCheck
from ingest.delivery.parts import Crew
from ingest.delivery.probing import Another, no_other
from ingest.delivery.rules import DeliveryRules, Hands
from ingest.delivery.turns import Turns
from ingest.model import Batch


class Delivery:
    """Delivers batches; safe to use from many tasks of one loop."""

    def __init__(self, hands: Hands, rules: DeliveryRules) -> None:
        outlook = Outlook(hands.too_large)
        turns = Turns(hands.accounts, hands.stopping)
        self._attempts = Attempts(hands, rules, outlook, turns)
        partial = PartialCheck(hands, is_open=rules.counts_tell)
        self._crew = Crew(hands, self._attempts, Ends(hands), outlook, turns, partial)

    @property
    def latencies_s(self) -> list[float]:
        """How long each attempt took."""
        return self._attempts.latencies_s

    def wake(self) -> None:
        """End every wait, so that each asks again whether the run goes on."""
        self._attempts.wake()

    async def deliver(self, batch: Batch, another: Another = no_other) -> None:
        """Bring `batch` to its end. Raises IngestError if the run must stop because of it.

        `another` is asked for the next batch, if one is packed, while nothing lands: those that it
        gives have reached their ends by then, too.
        """
        await Isolation(batch, self._crew, another).run()
