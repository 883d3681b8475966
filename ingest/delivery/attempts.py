"""One body to its end or to its refusal: attempt after attempt, and what is done about each."""

from __future__ import annotations

import math
from collections.abc import Awaitable

import anyio

from ingest.delivery.ends import Ends
from ingest.delivery.meaning import error_of, outage
from ingest.delivery.outlook import Outlook
from ingest.delivery.rules import MOST_UNSETTLED, PERHAPS_SENT, DeliveryRules, Hands, Tries
from ingest.delivery.sender import Sender
from ingest.delivery.turns import Turns
from ingest.errors import Ambiguous, IngestError, Retryable, TooLarge, Trouble, as_data
from ingest.model import Batch, Outcome

_STOPPED = "the run was ended while it was under way"


class Attempts:
    """Brings bodies to their end; safe to use from many tasks of one loop."""

    def __init__(self, hands: Hands, rules: DeliveryRules, outlook: Outlook, turns: Turns) -> None:
        self._hands = hands
        self._rules = rules
        self._outlook = outlook
        self._turns = turns
        self._ends = Ends(hands)
        self._sender = Sender(hands, rules, turns)
        self._sleepers: set[anyio.CancelScope] = set()

    @property
    def latencies_s(self) -> list[float]:
        """How long each attempt took."""
        return self._sender.latencies_s

    def wake(self) -> None:
        """End every wait, so that each asks again whether the run goes on."""
        for scope in self._sleepers:
            scope.cancel()
        self._turns.tell()

    async def deliver(self, batch: Batch, whole: Batch) -> Tries:
        """All attempts of one body. It has a receipt then, or a refusal of its records."""
        tries = Tries(batch, whole)
        await self._guarded(tries, self._begun(tries))
        return tries

    async def again(self, tries: Tries) -> None:
        """The same for a body that was refused: it is sent once more."""
        tries.refusal = None
        await self._guarded(tries, self._try(tries))

    async def _guarded(self, tries: Tries, work: Awaitable[None]) -> None:
        try:
            await work
        except anyio.get_cancelled_exc_class():
            self._ends.end(tries, tries.end_if_stopped, _STOPPED, is_open=True)
            raise
        except IngestError as error:
            is_open = tries.doubtful
            self._ends.end(tries, tries.end_if_stopped, error.message, is_open=is_open)
            raise
        finally:
            await self._ends.record(tries)

    async def _begun(self, tries: Tries) -> None:
        hands, batch = self._hands, tries.batch
        ago_s = hands.sent_before(batch)
        if ago_s is None:
            if self._is_too_large(tries):
                return
            if hands.settler is not None:
                await hands.settler.prepare(batch)
        elif self._rules.target_settles:
            tries.doubtful = True  # until the target has asked what became of it
        else:
            tries.sent_before = tries.doubtful = True
            tries.lost_s = hands.clock.monotonic() - ago_s
            perhaps = Ambiguous(PERHAPS_SENT)
            if await self._after_ambiguous(tries, perhaps):
                return
        if hands.ledger is not None:
            await hands.ledger.intend(batch)
            tries.intended = True
        await self._try(tries)

    async def _try(self, tries: Tries) -> None:
        while True:
            if not await self._admitted(tries):
                message = "the run was ended before it was sent"
                is_open = tries.doubtful
                self._ends.end(tries, tries.end_if_stopped, message, is_open=is_open)
                return
            if not tries.attempts and not tries.sent_before and self._is_too_large(tries):
                return  # learned while it waited
            try:
                await self._sender.send(tries)
            except Retryable as trouble:
                await self._after_retryable(tries, trouble)
            except Ambiguous as trouble:
                tries.lost_s = self._hands.clock.monotonic()
                if await self._after_ambiguous(tries, trouble):
                    return
            except Trouble as trouble:
                self._after_permanent(tries, trouble)
                return
            else:
                self._accept(tries)
                return

    async def _admitted(self, tries: Tries) -> bool:
        """Wait for its turn and for the governor; False if the run is being ended and this body is
        not yet out."""
        hands, turns = self._hands, self._turns
        landed = lambda: not self._outlook.nothing_landed  # noqa: E731 - asked again and again
        await turns.wait_while_first_large(tries.batch, tries.whole, landed)
        while True:
            if hands.stopping():
                return False
            if turns.is_held_back(tries.whole):
                await turns.news()
                continue
            wait_s = hands.governor.admit(hands.clock.monotonic())
            if wait_s <= 0:
                return True
            if wait_s == math.inf:
                await turns.news()
            else:
                await self._sleep(wait_s)

    def _is_too_large(self, tries: Tries) -> bool:
        """True, and refused by ourselves, if the service has refused a body of this size."""
        if not self._outlook.is_too_large(tries.batch):
            return False
        tries.refusal = TooLarge(f"the service takes no body of {tries.batch.size_bytes:,} bytes")
        return True

    async def _after_retryable(self, tries: Tries, trouble: Trouble) -> None:
        if tries.exhausted:
            raise outage(trouble)
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
        tries.unsettled += landed is None
        given_up = self._is_given_up(tries)
        if landed is None and (self._hands.stopping() or given_up):
            self._ends.end(tries, Outcome.AMBIGUOUS, trouble.message, is_open=not given_up)
            return True
        tries.message = trouble.message
        await self._sleep(tries.wait_s)
        return False

    def _is_given_up(self, tries: Tries) -> bool:
        """It went out often enough without an answer, or may not go again."""
        return tries.unsettled >= MOST_UNSETTLED or not self._rules.send_doubtful

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

    def _after_permanent(self, tries: Tries, trouble: Trouble) -> None:
        has_worked = self._outlook.accepted > 0
        error = error_of(trouble, self._hands.target.shown, has_worked=has_worked)
        if error is not None:
            raise error
        if tries.doubtful:  # the first attempt may have landed: its refusal now proves nothing
            self._ends.end(tries, Outcome.AMBIGUOUS, tries.message)
            return
        self._outlook.refused()
        tries.refusal = as_data(trouble)

    def _accept(self, tries: Tries) -> None:
        self._outlook.landed(tries.batch)
        self._turns.tell()
        if self._rules.harmless and tries.lost_s is not None:
            # An attempt whose answer was lost may still commit, after a later record of its key.
            self._hands.hold(tries.batch, tries.lost_s + self._rules.longest_server_s)
        if self._rules.target_settles:
            tries.doubtful = False  # its verdict is of the one body that it knows, whoever sent it
        message = tries.message or tries.verdict.message
        self._ends.end(tries, Outcome.AMBIGUOUS if tries.doubtful else Outcome.ACCEPTED, message)
