"""How a body ends: one receipt, told at once and then recorded. No cancellation comes between: what
is known is recorded."""

from __future__ import annotations

import anyio
from msgspec.structs import replace

from ingest.delivery.rules import Hands, Tries
from ingest.errors import IngestError
from ingest.model import Outcome, Receipt


class Ends:
    """Writes receipts."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def end(
        self, tries: Tries, outcome: Outcome, message: str = "", *, is_open: bool = False
    ) -> None:
        """Tell how a body ended, once."""
        if tries.receipt is not None:
            return
        refused = outcome is Outcome.REJECTED  # what it superseded is yet to be sent
        tries.receipt = Receipt(
            batch=replace(tries.batch, dropped=()) if refused else tries.batch,
            outcome=outcome,
            attempts=tries.attempts,
            failed=tries.failed,
            latency_s=tries.latency_s,
            message=message,
            status=tries.status,
            resent=tries.doubtful and tries.attempts > (0 if tries.sent_before else 1),
            verdict=tries.verdict,
            is_open=is_open and outcome is Outcome.AMBIGUOUS,
        )
        self._hands.on_end(tries.receipt)

    async def record(self, tries: Tries) -> None:
        """What became of the body, in the ledger; what is open stays open there."""
        ledger, receipt = self._hands.ledger, tries.receipt
        if ledger is not None and receipt is not None and not receipt.is_open:
            with anyio.CancelScope(shield=True):
                await ledger.settle(receipt)

    async def conclude(self, tries: Tries, outcome: Outcome, message: str) -> None:
        """The end of a body that was never sent itself; recorded like any other."""
        ledger, batch = self._hands.ledger, tries.batch
        if ledger is not None:
            refused = outcome is Outcome.REJECTED
            try:
                with anyio.CancelScope(shield=True):
                    await ledger.intend(replace(batch, dropped=()) if refused else batch)
            except IngestError:
                self.end(tries, Outcome.UNSENT, message)
                raise
        self.end(tries, outcome, message)
        await self.record(tries)
