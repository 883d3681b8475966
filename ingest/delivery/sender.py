"""One attempt: counted, timed, and told to the governor, however it ends."""

from __future__ import annotations

from ingest.delivery.rules import DeliveryRules, Hands, Tries
from ingest.delivery.turns import Turns
from ingest.errors import Ambiguous, IngestError, Trouble
from ingest.model import Batch, Verdict


class Sender:
    """Makes attempts; whoever calls was admitted by the governor, and has not awaited since."""

    def __init__(self, hands: Hands, rules: DeliveryRules, turns: Turns) -> None:
        self._hands = hands
        self._rules = rules
        self._turns = turns
        self.latencies_s: list[float] = []

    async def send(self, tries: Tries) -> None:
        """Send the body. Raises what the target raises, and Ambiguous for a count that is off."""
        hands, batch = self._hands, tries.batch
        started = hands.clock.monotonic()
        hands.governor.started(started)
        accounts = hands.accounts
        accounts.requests_sent += 1
        accounts.requests_retried += tries.attempts > 0
        accounts.bytes_sent += batch.size_bytes
        accounts.in_flight += 1
        tries.attempts += 1
        tries.under_way = True
        ended = False
        try:
            tries.verdict = await hands.target.send(batch)
            self._check_count(batch, tries.verdict)
            ended = True
            tries.under_way = False
            tries.latency_s = hands.clock.monotonic() - started
            hands.governor.succeeded(hands.clock.monotonic(), tries.latency_s)
            self.latencies_s.append(tries.latency_s)
        except Trouble as trouble:
            ended = True
            tries.under_way = False
            self._note_trouble(tries, trouble, started)
            raise
        except IngestError:
            tries.under_way = False  # a target raises it only where nothing was applied
            raise
        finally:
            accounts.in_flight -= 1
            if not ended:
                hands.governor.abandoned()
            self._turns.tell()

    def _note_trouble(self, tries: Tries, trouble: Trouble, started: float) -> None:
        now = self._hands.clock.monotonic()
        tries.failed += 1
        self._hands.accounts.requests_failed += 1
        tries.status = trouble.status
        self.latencies_s.append(now - started)
        decision = self._hands.governor.troubled(now, trouble, tries.state, now - started)
        tries.state, tries.wait_s = decision.attempts, decision.wait_s
        tries.exhausted = decision.exhausted

    def _check_count(self, batch: Batch, verdict: Verdict) -> None:
        """Fewer taken than sent is no acceptance, unless the verdict accounts for the others."""
        missing = len(verdict.refused) + verdict.doubtful
        if verdict.taken is None or self._rules.harmless:
            return
        if verdict.taken + missing != batch.count:
            raise Ambiguous(f"the service says it took {verdict.taken} of {batch.count} records")
