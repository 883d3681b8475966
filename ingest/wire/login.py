"""The headers that let a wire in: those in use, those before them, and the way to others.

Promises. When a token that worked is refused, it is asked for afresh where it came from, *once* for
all whose requests were refused, and nobody begins a request meanwhile. If another one comes, the
refused requests count as surely not applied, which a 401 or 403 says, and everything goes on with
it; if none comes, or the same, the refusal stands. A token that was never taken is not renewed: it
is wrong, and that is to be said at once. After a refusal a token is asked for at most once in
`RENEWAL_S`, so that a service that refuses every token comes to an end with it.

`watch` renews ahead of an end that is known (`tokens`), and where no other token comes, says so
while there is still time to finish what is in flight. The end is reckoned by the service's own
clock, its Date header, where that differs from this machine's by more than `SKEW_S`; not if the
token, which just worked, would have ended by it: then the header is wrong.

What is to be blotted out of the service's words are the tokens of before, too. A request knows by
`number` which token it bore: those refused after a renewal are simply sent again.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

import anyio
from msgspec import Struct

from ingest.errors import IngestError, Permanent, Retryable, StoppedByService, Trouble, Unauthorized
from ingest.wire.classify import Failure, Reply
from ingest.wire.redact import Secret
from ingest.wire.s3_answer import date_of
from ingest.wire.timing import Senses, shown_moment
from ingest.wire.tokens import LOOKS, Blame, Deadline, blame, deadline

RENEWAL_S = 60.0
SKEW_S = 10.0
LONGEST_SLEEP_S = 3600.0  # timers of years overflow in some event loops

HeaderValues = Mapping[str, str | Secret]


class TokenSource(Struct, frozen=True):
    """Where a token came from (`shown`, for people). `ask` gives the headers with the one that is
    there now, or raises an IngestError; None: no other can come from there while a run goes on."""

    shown: str
    ask: Callable[[], Awaitable[HeaderValues]] | None = None


class Login:
    """The headers of one wire. Safe to use from many tasks of one loop."""

    def __init__(
        self,
        headers: HeaderValues,
        source: TokenSource | None = None,
        senses: Senses | None = None,
        note: Callable[[str], None] = lambda _message: None,
    ) -> None:
        """`note` is told what a person should know, never with a token in it."""
        self._headers = dict(headers)
        self._source = source or TokenSource("its source")
        self._senses = senses or Senses()
        self._note = note
        self._lock = anyio.Lock()
        self._renewing: anyio.Event | None = None
        self._sleeper: anyio.CancelScope | None = None
        self._asked_s = -math.inf
        self._why = ""
        self._ahead_s: float | None = None
        self.number = 0
        self.worked = False
        self.secrets = self._own()
        self.deadline = self._reckoned(0.0)

    def revealed(self) -> dict[str, str]:
        """The headers as they are sent. Hand them to a request and to nothing else."""
        return {n: v.reveal() if isinstance(v, Secret) else v for n, v in self._headers.items()}

    async def ready(self) -> int:
        """Wait while another token is asked for; the number of the one that is in use then."""
        while self._renewing is not None:
            await self._renewing.wait()
        return self.number

    async def considered(
        self, end: Reply | Failure, trouble: Trouble | None, used: int
    ) -> Trouble | None:
        """What a request's trouble is once the token that it bore, number `used`, is considered.

        A refusal becomes `Retryable` if another token is in use now, and says else why none is.
        """
        if not isinstance(trouble, Unauthorized):
            if isinstance(end, Reply) and _is_of_the_service(trouble):
                self._learn(end)
            return trouble
        words, status = trouble.message, trouble.status
        if blame(trouble) is Blame.RIGHTS:
            return Unauthorized(f"it lacks the rights for this: {words}", status=status)
        if not self.worked:
            return trouble
        why = await self._after_refusal(used)
        if why is None:
            return Retryable(f"{words} (another token is in use now)", status=status)
        return Unauthorized(f"{words} ({why})" if why else words, status=status)

    async def watch(self, expiring: Callable[[IngestError], None]) -> None:
        """Renew ahead of every end that is known. Runs until cancelled, or until no other token
        came: then `expiring` is told, with what the run is to end with."""
        number, looks = self.number, 0
        while True:
            if number != self.number:
                number, looks = self.number, 0
            due_s = math.inf if self.deadline is None else self.deadline.due_s(looks)
            wait_s = due_s - self._senses.clock.monotonic()
            if wait_s > 0:
                await self._sleep(min(wait_s, LONGEST_SLEEP_S))
                continue
            why = await self._ahead_of_the_end(number)
            looks += 1
            if why is not None and (looks >= LOOKS or self._source.ask is None):
                expiring(self._expiry(why))
                return

    def outlook(self, within_s: float) -> str:
        """A sentence on the token's end if it is that near, empty if not."""
        end = self.deadline
        if end is None or end.at_s - self._senses.clock.monotonic() > within_s:
            return ""
        then = "the run ends before that, and the same command goes on with a new one"
        if self._source.ask is not None:
            then = "it is asked for again before that"
        return f"the token ({self._source.shown}) expires at {shown_moment(end.expires_at)}: {then}"

    async def _after_refusal(self, used: int) -> str | None:
        """None: another token than number `used` is in use; else why not."""
        async with self._lock:
            if self.number != used:
                return None
            if self._source.ask is None:
                return ""
            now_s = self._senses.clock.monotonic()
            if now_s - self._asked_s < RENEWAL_S:
                return self._why
            self._note(f"the token is refused: asking {self._source.shown} for another one")
            why = await self._ask()
            # Counted from the answer: whoever was refused meanwhile bore the old token.
            self._asked_s = self._senses.clock.monotonic()
            self._why = why or "and the one before it was refused, too"
            return why

    async def _ahead_of_the_end(self, used: int) -> str | None:
        """The same before the token ends."""
        async with self._lock:
            if self.number != used:
                return None
            if self._source.ask is None:
                return "there is no other while the run goes on"
            return await self._ask()

    async def _ask(self) -> str | None:
        """Ask for the token afresh, with everybody waiting; why there is no other, or None."""
        assert self._source.ask is not None
        self._renewing = anyio.Event()
        try:
            found = dict(await self._source.ask())
        except IngestError as error:
            return f"no other token: {error.message}"
        finally:
            self._renewing.set()
            self._renewing = None
        if found == self._headers:
            return f"{self._source.shown} gives no other token"
        self._use(found)
        return None

    def _use(self, headers: dict[str, str | Secret]) -> None:
        self._headers = headers
        self.secrets = tuple(dict.fromkeys((*self._own(), *self.secrets)))
        self.number += 1
        self._asked_s = self._senses.clock.monotonic()
        self._why = "and the one before it was replaced less than a minute ago"
        self.deadline = self._reckoned(self._ahead_s or 0.0)
        self._note(f"another token from {self._source.shown} is in use now")
        self._wake()

    def _own(self) -> tuple[Secret, ...]:
        return tuple(v for v in self._headers.values() if isinstance(v, Secret))

    def _reckoned(self, ahead_s: float) -> Deadline | None:
        senses = self._senses
        return deadline(self._own(), senses.wall() + ahead_s, senses.clock.monotonic())

    def _learn(self, reply: Reply) -> None:
        """The token works; and the first Date of an answer that is no copy tells the clock."""
        self.worked = True
        if self._ahead_s is not None or "age" in reply.headers:
            return
        date_s = date_of(reply)
        if date_s is None:
            return
        ahead_s = date_s - self._senses.wall()
        self._ahead_s = ahead_s if abs(ahead_s) > SKEW_S else 0.0
        if self._ahead_s:
            self._correct(self._ahead_s)

    def _correct(self, ahead_s: float) -> None:
        corrected = self._reckoned(ahead_s)
        if corrected is None:
            return
        if corrected.at_s <= self._senses.clock.monotonic():
            self._ahead_s = 0.0  # a token that has ended is not taken: the header is wrong
            return
        self.deadline = corrected
        way = "behind" if ahead_s > 0 else "ahead of"
        self._note(
            f"this machine's clock is {abs(ahead_s):.0f} s {way} the service's:"
            " the token's end is reckoned by the service's"
        )
        self._wake()

    def _expiry(self, why: str) -> StoppedByService:
        assert self.deadline is not None
        moment = shown_moment(self.deadline.expires_at)
        return StoppedByService(
            f"the token ({self._source.shown}) expires at {moment}, and {why}:"
            " the run ends before that",
            "renew the token, then run the same command again: it goes on where it stopped",
        )

    async def _sleep(self, seconds: float) -> None:
        with anyio.CancelScope() as self._sleeper:
            await self._senses.clock.sleep(seconds)

    def _wake(self) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()


def _is_of_the_service(trouble: Trouble | None) -> bool:
    """The answer is one that only somebody who was let in gets."""
    if trouble is None:
        return True
    return isinstance(trouble, Permanent) and (trouble.status or 0) // 100 == 4
