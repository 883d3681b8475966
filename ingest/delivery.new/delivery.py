"""One batch to its end: attempts under the governor, until it is accepted, refused or given up.

The decisions, by the kind of trouble that an attempt met:

- `Retryable` (surely not applied): the same bytes again after the governor's pause, within its time
  budget; then the run stops, resumable, and the batch is *unsent*.
- `Ambiguous` (perhaps applied): the settler is asked. If it can't tell, an upsert is simply sent
  again, since the same keys give the same rows; an insert is sent once more and counted *ambiguous*
  (perhaps doubled), or with `on_ambiguous = "stop"` not sent again (perhaps missing).
- `Permanent`: refused as it stands. Trouble with the token, the table or a quota stops the run and
  leaves the batch *unsent*. A refusal of the records is taken apart: halves, and halves of halves,
  until each bad record is alone; the others land. Until something has landed only one body at a
  time is taken apart: eight at once would all be refused many times before one of them is small
  enough to land. If nothing lands on the way, it is no matter of single records, and the run stops
  with the service's words.

A delivery never loses count: whatever happens, cancellation included, every record of the batch
ends in exactly one `Receipt`, told to `on_end` the moment it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import anyio

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
from ingest.governor import Attempts, Governor
from ingest.model import Accounts, Batch, Outcome, Receipt, Verdict
from ingest.pack import earlier, halves
from ingest.protocols import Clock, Ledger, Settler, Target

REFUSALS = range(400, 501)  # 500 only as "request too large", which has a class of its own
# Refusals on the way down with nothing landed: then no record is at fault. Fourteen halvings make
# 10,000 records one; eight writers' first refusals and these are fewer than thirty requests.
SYSTEMATIC_AFTER = 20


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """`harmless`: sending a batch twice leaves the same rows (an upsert). `send_doubtful`: where
    nothing settles an ambiguous batch, send it once more and name it."""

    harmless: bool = False
    send_doubtful: bool = True


@dataclass(frozen=True, slots=True)
class Hands:
    """What a delivery works with. `stopping` asks whether the run is being ended."""

    target: Target
    governor: Governor
    clock: Clock
    accounts: Accounts
    on_end: Callable[[Receipt], None]
    stopping: Callable[[], bool]
    ledger: Ledger | None = None
    settler: Settler | None = None


class Delivery:
    """Delivers batches; safe to use from many tasks of one loop."""

    def __init__(self, hands: Hands, rules: DeliveryRules) -> None:
        self._hands = hands
        self._rules = rules
        self._accepted = 0
        self._refused_in_a_row = 0
        self._apart: int | None = None  # the batch that is taken apart before anything has landed
        self._news = anyio.Event()
        self._sleepers: set[anyio.CancelScope] = set()
        self.latencies_s: list[float] = []

    def wake(self) -> None:
        """End every wait, so that each asks again whether the run goes on."""
        for scope in self._sleepers:
            scope.cancel()
        self._tell()

    async def _sleep(self, seconds: float) -> None:
        with anyio.CancelScope() as scope:
            self._sleepers.add(scope)
            try:
                await self._hands.clock.sleep(seconds)
            finally:
                self._sleepers.discard(scope)

    async def deliver(self, batch: Batch) -> None:
        """Bring `batch` to its end. Raises IngestError if the run must stop because of it."""
        waiting = [batch]
        try:
            while waiting:
                part = waiting.pop()
                refusal = await self._deliver_whole(part)
                if refusal is not None:
                    waiting += self._take_apart(part, refusal)
                    await self._turn(batch)
        finally:
            if self._apart == batch.number:
                self._apart = None
                self._tell()
            for part in waiting:
                self._end(_Tries(part), Outcome.UNSENT)

    async def _turn(self, batch: Batch) -> None:
        """Wait while another batch is the one that is taken apart."""
        while self._apart not in (None, batch.number) and not self._accepted:
            if self._hands.stopping():
                return
            await self._news.wait()
        self._apart = batch.number

    def _tell(self) -> None:
        """Let those who wait for their turn look again."""
        self._news.set()
        self._news = anyio.Event()

    async def _deliver_whole(self, batch: Batch) -> Trouble | None:
        """All attempts of one body. Returns the refusal if its records are to be taken apart."""
        tries = _Tries(batch)
        try:
            if self._hands.ledger is not None:
                await self._hands.ledger.intend(batch)
            return await self._try(tries)
        except anyio.get_cancelled_exc_class():
            perhaps = tries.under_way or tries.doubtful
            self._end(tries, Outcome.AMBIGUOUS if perhaps else Outcome.UNSENT, "stopped while sent")
            raise
        except IngestError as error:
            self._end(tries, tries.end_if_stopped, error.message)
            raise

    async def _try(self, tries: _Tries) -> Trouble | None:
        while True:
            if not await self._admitted():
                self._end(tries, tries.end_if_stopped, "the run was ended before it was sent")
                return None
            try:
                await self._attempt(tries)
            except Retryable as trouble:
                await self._after_retryable(tries, trouble)
            except Ambiguous as trouble:
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
            await self._sleep(wait_s)

    async def _attempt(self, tries: _Tries) -> None:
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
            tries.failed += 1
            accounts.requests_failed += 1
            tries.status = trouble.status
            now = hands.clock.monotonic()
            self.latencies_s.append(now - started)
            decision = hands.governor.troubled(now, trouble, tries.state)
            tries.state, tries.wait_s = decision.attempts, decision.wait_s
            tries.exhausted = decision.exhausted
            raise
        finally:
            accounts.in_flight -= 1
            if not ended:
                hands.governor.abandoned()

    def _check_count(self, batch: Batch, verdict: Verdict) -> None:
        """Fewer taken than sent is no acceptance, unless the verdict accounts for the others."""
        missing = len(verdict.refused) + verdict.doubtful
        if verdict.taken is None or self._rules.harmless:
            return
        if verdict.taken + missing != batch.count:
            raise Ambiguous(f"the service says it took {verdict.taken} of {batch.count} records")

    async def _after_retryable(self, tries: _Tries, trouble: Retryable) -> None:
        if tries.exhausted:
            raise StoppedByService(
                f"the service did not take a batch within the retry budget: {trouble.message}",
                "run the same command again later; limits.retry_budget_s sets the budget",
            )
        await self._sleep(tries.wait_s)

    async def _after_ambiguous(self, tries: _Tries, trouble: Ambiguous) -> bool:
        """True if the batch has reached its end."""
        if self._rules.harmless:
            await self._after_retryable(tries, Retryable(trouble.message))
            return False
        settler = self._hands.settler
        landed = await settler.settle(tries.batch) if settler is not None else None
        if landed:
            self._accept(tries)
            return True
        if landed is None and (tries.doubtful or not self._rules.send_doubtful):
            self._end(tries, Outcome.AMBIGUOUS, trouble.message)
            return True
        tries.doubtful = landed is None
        tries.message = trouble.message
        await self._sleep(tries.wait_s)
        return False

    def _after_permanent(self, tries: _Tries, trouble: Trouble) -> Trouble | None:
        error = self._stops_the_run(trouble)
        if error is not None:
            raise error
        if tries.doubtful:  # the first attempt may have landed: its refusal now proves nothing
            self._end(tries, Outcome.AMBIGUOUS, tries.message)
            return None
        # A body's first refusal tells nothing: one bad record among thousands is enough for it.
        self._refused_in_a_row += tries.batch.count == 1 or tries.batch.number == self._apart
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
        if self._refused_in_a_row >= SYSTEMATIC_AFTER and not self._accepted:
            return TargetError(
                f"{shown}: refuses every request; the last words: {trouble.message}",
                "no single record is at fault: compare the fields with the table",
            )
        return None

    def _unauthorized(self, trouble: Unauthorized) -> IngestError:
        shown = self._hands.target.shown
        if not self._accepted:
            return SettingsError(f"{shown}: the token is refused: {trouble.message}", _TOKEN)
        return StoppedByService(
            f"{shown}: a token that worked is refused now: {trouble.message}",
            "renew the token, then run the same command again",
        )

    def _take_apart(self, batch: Batch, trouble: Trouble) -> list[Batch]:
        """The two halves, the second first: a stack gives them back in order. Of a single record
        that was refused, the one of its key before it.

        While nothing has landed they come in turns: bad records often stand together at a file's
        start, and to go on only there would look like a table that refuses everything.
        """
        if batch.count == 1:
            return [earlier(batch, self._hands.target.envelope)]
        self._hands.accounts.isolated += not isinstance(trouble, TooLarge)
        first, second = halves(batch, self._hands.target.envelope)
        turned = not self._accepted and self._refused_in_a_row % 2 == 1
        return [first, second] if turned else [second, first]

    def _accept(self, tries: _Tries) -> None:
        self._accepted += 1
        self._refused_in_a_row = 0
        self._tell()
        doubtful = tries.doubtful
        message = tries.message or tries.verdict.message
        self._end(tries, Outcome.AMBIGUOUS if doubtful else Outcome.ACCEPTED, message)

    def _end(self, tries: _Tries, outcome: Outcome, message: str = "") -> None:
        if tries.ended:
            return
        tries.ended = True
        refused = outcome is Outcome.REJECTED  # what it superseded is yet to be sent
        self._hands.on_end(
            Receipt(
                batch=replace(tries.batch, dropped=()) if refused else tries.batch,
                outcome=outcome,
                attempts=tries.attempts,
                failed=tries.failed,
                latency_s=tries.latency_s,
                message=message,
                status=tries.status,
                resent=tries.doubtful and tries.attempts > 1,
                verdict=tries.verdict,
            )
        )


_LATER = "run the same command again later"
_TOKEN = "check AIO_TOKEN or the profile's authorization"  # noqa: S105 - no token


@dataclass(slots=True)
class _Tries:
    """What one body has behind it. `doubtful`: an attempt may have landed and none settled it."""

    batch: Batch
    attempts: int = 0
    failed: int = 0
    latency_s: float = 0.0
    wait_s: float = 0.0
    status: int | None = None
    message: str = ""
    state: Attempts = field(default_factory=Attempts)
    verdict: Verdict = field(default_factory=Verdict)
    exhausted: bool = False
    under_way: bool = False
    doubtful: bool = False
    ended: bool = False

    @property
    def end_if_stopped(self) -> Outcome:
        """What a body is whose delivery goes no further."""
        return Outcome.AMBIGUOUS if self.doubtful else Outcome.UNSENT
