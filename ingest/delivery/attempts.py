"""One body to its end: attempt after attempt, and what each one's trouble means for it."""

from __future__ import annotations

import math
from dataclasses import replace

import anyio

from ingest.delivery.apart import Apart
from ingest.delivery.rules import DeliveryRules, Hands, Tries
from ingest.errors import (
    Ambiguous,
    IngestError,
    NotFound,
    QuotaExceeded,
    Retryable,
    SettingsError,
    StoppedByService,
    TargetError,
    TooLarge,
    Trouble,
    Unauthorized,
)
from ingest.model import Batch, Outcome, Receipt, Verdict

REFUSALS = range(400, 501)  # 500 only as "request too large", which has a class of its own
_LATER = "run the same command again later"
_TOKEN = "check the token in the environment or in the service's profile"  # noqa: S105 - no token
_STOPPED = "the run was ended while it was under way"


class Attempts:
    """Brings bodies to their end; safe to use from many tasks of one loop."""

    def __init__(self, hands: Hands, rules: DeliveryRules, apart: Apart) -> None:
        self._hands = hands
        self._rules = rules
        self._apart = apart
        self._sleepers: set[anyio.CancelScope] = set()
        self._ended = anyio.Event()
        self.latencies_s: list[float] = []

    def wake(self) -> None:
        """End every wait, so that each asks again whether the run goes on."""
        for scope in self._sleepers:
            scope.cancel()
        self._tell()

    def _tell(self) -> None:
        """Let those who wait until an attempt ends look again."""
        self._ended.set()
        self._ended = anyio.Event()

    async def deliver(self, batch: Batch) -> Trouble | None:
        """All attempts of one body. Returns the refusal if its records are to be taken apart."""
        tries = Tries(batch)
        try:
            return await self._begun(tries)
        except anyio.get_cancelled_exc_class():
            self._end(tries, tries.end_if_stopped, _STOPPED, is_open=True)
            raise
        except IngestError as error:
            self._end(tries, tries.end_if_stopped, error.message, is_open=tries.doubtful)
            raise
        finally:
            with anyio.CancelScope(shield=True):  # what is known is recorded, whatever comes
                await self._record(tries)

    async def _begun(self, tries: Tries) -> Trouble | None:
        hands, batch = self._hands, tries.batch
        ago_s = hands.sent_before(batch)
        if ago_s is None:
            if self._apart.is_too_large(batch):
                return TooLarge(f"the service takes no body of {batch.size_bytes:,} bytes")
            if hands.settler is not None:
                await hands.settler.prepare(batch)
        elif not self._rules.target_settles:
            tries.sent_before = tries.doubtful = True
            tries.lost_s = hands.clock.monotonic() - ago_s
            perhaps = Ambiguous("a run that was ended had perhaps sent it")
            if await self._after_ambiguous(tries, perhaps):
                return None
        if hands.ledger is not None:
            await hands.ledger.intend(batch)
        return await self._try(tries)

    async def _try(self, tries: Tries) -> Trouble | None:
        while True:
            await self._apart.wait_alone(tries.batch)
            if not await self._admitted():
                message = "the run was ended before it was sent"
                self._end(tries, tries.end_if_stopped, message, is_open=tries.doubtful)
                return None
            try:
                await self._attempt(tries)
            except Retryable as trouble:
                await self._after_retryable(tries, trouble)
            except Ambiguous as trouble:
                tries.lost_s = self._hands.clock.monotonic()
                if await self._after_ambiguous(tries, trouble):
                    return None
            except Trouble as trouble:
                return self._after_permanent(tries, trouble)
            else:
                self._accept(tries)
                return None

    async def _admitted(self) -> bool:
        """Wait for the governor; False if the run is being ended and this body is not yet out."""
        hands = self._hands
        while True:
            if hands.stopping():
                return False
            wait_s = hands.governor.admit(hands.clock.monotonic())
            if wait_s <= 0:
                return True
            if wait_s == math.inf:
                await self._ended.wait()
            else:
                await self._sleep(wait_s)

    async def _attempt(self, tries: Tries) -> None:
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
            self._tell()

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

    async def _after_retryable(self, tries: Tries, trouble: Trouble) -> None:
        if tries.exhausted:
            raise StoppedByService(
                f"the service did not take a batch within the retry budget: {trouble.message}",
                "run the same command again later; limits.retry_budget_s sets the budget",
            )
        await self._sleep(tries.wait_s)

    async def _after_ambiguous(self, tries: Tries, trouble: Ambiguous) -> bool:
        """True if the batch has reached its end."""
        if self._rules.harmless:
            tries.doubtful = False
            await self._after_retryable(tries, trouble)
            return False
        tries.doubtful = True  # before asking: if that is cut short, the batch may be in
        landed = await self._settled(tries)
        if landed is not None:
            tries.doubtful = False
        if landed:
            self._accept(tries)
            return True
        if landed is None and (self._hands.stopping() or self._is_given_up(tries)):
            is_open = not self._is_given_up(tries)
            self._end(tries, Outcome.AMBIGUOUS, trouble.message, is_open=is_open)
            return True
        tries.unsettled = landed is None
        tries.message = trouble.message
        await self._sleep(tries.wait_s)
        return False

    def _is_given_up(self, tries: Tries) -> bool:
        """It was sent once more already, or may not be."""
        return tries.unsettled or not self._rules.send_doubtful

    async def _settled(self, tries: Tries) -> bool | None:
        settler = self._hands.settler
        if settler is None:
            return None
        assert tries.lost_s is not None
        return await settler.settle(tries.batch, tries.lost_s, self._wait_until)

    async def _wait_until(self, moment_s: float) -> bool:
        """Wait; False if the run is being ended before."""
        while not self._hands.stopping():
            left_s = moment_s - self._hands.clock.monotonic()
            if left_s <= 0:
                return True
            await self._sleep(left_s)
        return False

    async def _sleep(self, seconds: float) -> None:
        with anyio.CancelScope() as scope:
            self._sleepers.add(scope)
            try:
                await self._hands.clock.sleep(seconds)
            finally:
                self._sleepers.discard(scope)

    def _after_permanent(self, tries: Tries, trouble: Trouble) -> Trouble | None:
        error = self._stops_the_run(trouble)
        if error is not None:
            raise error
        if tries.doubtful:  # the first attempt may have landed: its refusal now proves nothing
            self._end(tries, Outcome.AMBIGUOUS, tries.message)
            return None
        self._apart.refused(tries.batch)
        if tries.batch.count > 1:
            return trouble
        self._end(tries, Outcome.REJECTED, trouble.message)
        return trouble if tries.batch.dropped else None

    def _stops_the_run(self, trouble: Trouble) -> IngestError | None:
        shown = self._hands.target.shown
        if isinstance(trouble, QuotaExceeded):
            return StoppedByService(f"{shown}: the quota is used up: {trouble.message}", _LATER)
        if isinstance(trouble, Unauthorized):
            return self._unauthorized(trouble)
        if isinstance(trouble, NotFound):
            return TargetError(f"{shown}: not found: {trouble.message}", "see target.table")
        if trouble.status is not None and trouble.status not in REFUSALS:
            return TargetError(f"{shown}: {trouble.message}", "see target.base_url")
        if self._apart.is_systematic:
            return TargetError(
                f"{shown}: refuses every request; the last words: {trouble.message}",
                "no single record is at fault: compare the fields with the table",
            )
        return None

    def _unauthorized(self, trouble: Unauthorized) -> IngestError:
        shown = self._hands.target.shown
        if not self._apart.accepted:
            return SettingsError(f"{shown}: the token is refused: {trouble.message}", _TOKEN)
        return StoppedByService(
            f"{shown}: a token that worked is refused now: {trouble.message}",
            "renew the token, then run the same command again",
        )

    def _accept(self, tries: Tries) -> None:
        self._apart.landed(tries.batch)
        if self._rules.harmless and tries.lost_s is not None:
            # An attempt whose answer was lost may still commit, after a later record of its key.
            self._hands.hold(tries.batch, tries.lost_s + self._rules.longest_server_s)
        message = tries.message or tries.verdict.message
        self._end(tries, Outcome.AMBIGUOUS if tries.doubtful else Outcome.ACCEPTED, message)

    def _end(
        self, tries: Tries, outcome: Outcome, message: str = "", *, is_open: bool = False
    ) -> None:
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

    async def _record(self, tries: Tries) -> None:
        """What became of the body, in the ledger; what is open stays open there."""
        ledger, receipt = self._hands.ledger, tries.receipt
        if ledger is not None and receipt is not None and not receipt.is_open:
            await ledger.settle(receipt)
