"""One batch to its end: whole, or where it is refused, taken apart until the bad records are alone.

*Named.* The body goes again without the record that the service named. If the rest lands, that
record is rejected, by proof: the body lands without it and does not with it. If the rest is
refused, too, nothing is proven (the service may count its records otherwise than we do), and the
record is sent alone. One that lands, or a name that no record has, shows that the names are not to
be trusted: they are passed over from then on. From a body that very many were taken out of, halves
are sent, so that not each of them costs a whole body.

*Not named.* The body is cut in two (`apart`). Nothing is rejected then that was not refused alone.

*Nothing has landed yet.* Then only one batch is on its way (`turns`), and after a few refusals
others are tried before the rest of it: the batches behind it and single records (`probing`). If
those are refused, too, the run stops (`outlook`), and nothing of this batch is rejected: its
records go again when the table is mended.

Requests besides the batch's own: where records are named, two for each bad one, less one a batch;
where they are not, at most 20 for one among 10,000, and fewer for each of several. A run pays one
more for `partial`, and one where only a single record shows that there is hope.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from ingest.delivery.apart import Piece, smaller_part
from ingest.delivery.meaning import systematic
from ingest.delivery.partial import PartialApply
from ingest.delivery.parts import Crew, Named, Part
from ingest.delivery.probing import Another, Probing, no_other
from ingest.delivery.rules import Tries
from ingest.errors import IngestError, Permanent, TooLarge, Trouble
from ingest.model import Batch, Outcome
from ingest.pack import earlier

SUSPICIOUS = 5  # refusals before others are tried
MANY = 64
_IN_PART = "a part of its batch is in, although it was refused"


@dataclass(slots=True, eq=False)
class Isolation:
    """One batch. `run` may be awaited once; it raises IngestError if the run must stop.

    `another` gives batches that are brought to their ends with it, if it has need of them.
    `waiting` is a stack; `alone` were refused by themselves; `current` is the part that is neither
    here nor there.
    """

    whole: Batch
    crew: Crew
    another: Another = no_other
    waiting: list[Part] = field(default_factory=list)
    alone: list[Tries] = field(default_factory=list)
    current: Part | None = None
    tries: Tries | None = None
    refusals: int = 0
    probing: Probing = field(init=False)
    names: int = 0

    def __post_init__(self) -> None:
        envelope = self.crew.hands.envelope
        self.probing = Probing(self.whole.number, self.another, envelope)

    async def run(self) -> None:
        """Bring the batch to its end."""
        left = Outcome.UNSENT
        self.waiting.append(Part(Piece(self.whole)))
        try:
            while self.waiting:
                await self._deliver(self._next())
                if not self.crew.outlook.nothing_landed:
                    self.crew.turns.give(self.whole)
                await self._go_on()
        except PartialApply:
            left = Outcome.AMBIGUOUS
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await self._leave(left)
            self.crew.turns.done(self.whole)  # last: nobody sends before the engine knows an error

    # --- what is sent next ------------------------------------------------------------------

    def _next(self) -> Part:
        in_vain = self.crew.outlook.nothing_landed and self.refusals >= SUSPICIOUS
        probe = self.probing.choose(self.waiting) if in_vain else None
        return probe or self.waiting.pop()

    async def _go_on(self) -> None:
        """Reject those that were refused alone, if it is no matter of all records."""
        stops = self.crew.hands.stopping()
        while self.alone and not (self.waiting and self.crew.outlook.nothing_landed):
            tries = self.alone.pop(0)
            if stops and self.crew.outlook.nothing_landed:
                await self._end(tries, Outcome.UNSENT)
            else:
                await self._end(tries, Outcome.REJECTED)
                self._send_earlier(tries.batch)

    # --- what becomes of it -----------------------------------------------------------------

    async def _deliver(self, part: Part) -> None:
        self.current, self.tries = part, None
        batch = part.piece.batch
        if part.bad is not None and batch.count > 1:
            self.tries = Tries(batch, self.whole)
            self.tries.refusal = Permanent(part.bad.message, status=part.bad.status)
        else:
            self.tries = await self.crew.attempts.deliver(batch, self.whole)
        if self.tries.refusal is not None:
            await self._refused(part, self.tries)
        if self.tries.receipt is not None:
            await self._ended(part, self.tries)
        self.current = None

    async def _ended(self, part: Part, tries: Tries) -> None:
        if not tries.landed_whole:
            self._send_named(part)
            return
        if part.other is not None:
            part.other.bad = part.words
        if part.was_named:
            self.crew.outlook.names_records = False
        named, part.named = part.named, None
        if named is not None:
            batch = named.piece.batch
            unsent = Tries(batch, self.whole, status=named.words.status)
            await self.crew.ends.conclude(unsent, Outcome.REJECTED, named.words.message)
            self._send_earlier(batch)

    async def _refused(self, part: Part, tries: Tries) -> None:
        """The body is alone, or taken apart; or it has its end after all."""
        if tries.attempts:
            self.refusals += 1
            if part.is_probe or part.is_further:
                self.crew.outlook.probe_refused()
            if part.is_probe:
                for other in tuple(self.waiting):  # it may have been this one's fault, too
                    self._send_named(other)
        await self._considered(tries)
        if tries.refusal is None:
            return
        if tries.batch.count == 1:
            self.alone.append(tries)
        else:
            ledger = self.crew.hands.ledger
            if tries.intended and ledger is not None:
                await ledger.apart(tries.batch)  # it knows first that the whole did not land
            self.waiting += self._parts(part.piece, tries.refusal, sent=tries.attempts > 0)
        self._send_named(part)

    async def _considered(self, tries: Tries) -> None:
        """Is it a matter of single records, and does a refused body land not at all? Both are asked
        while no other attempt is under way. Raises what stops the run."""
        crew = self.crew

        def wanted() -> bool:
            return crew.outlook.nothing_landed or crew.partial.wants(tries)

        if not wanted() or not await crew.turns.take(self.whole, wanted):
            return
        if crew.outlook.is_hopeless:
            assert tries.refusal is not None
            raise systematic(tries.refusal, crew.hands.target.shown)
        if crew.partial.wants(tries):
            await crew.partial.ask(tries, crew.attempts.again)

    # --- taking apart -----------------------------------------------------------------------

    def _parts(self, piece: Piece, words: Trouble, *, sent: bool) -> list[Part]:
        """What is to be sent instead, the first one last."""
        crew, envelope, count = self.crew, self.crew.hands.envelope, piece.batch.count
        if isinstance(words, TooLarge):
            crew.outlook.learn_size(piece.batch, words)
            return self._halves(piece)
        crew.hands.accounts.isolated += sent
        record = crew.outlook.named(words, count)
        if record is None or piece.batch.spool is not None:
            first, second = piece.cut(smaller_part(count), envelope)
            later = Part(second)
            return [later, Part(first, other=later, words=words)]
        self.names += 1
        rest, one = piece.without(record, envelope)
        if self.names % MANY == 0 and rest.batch.count > 1:
            return [*self._halves(rest), Part(one, was_named=True)]
        return [Part(rest, Named(one, words))]

    def _halves(self, piece: Piece) -> list[Part]:
        first, second = piece.cut(piece.batch.count // 2, self.crew.hands.envelope)
        return [Part(second), Part(first)]

    def _send_named(self, part: Part) -> None:
        """Of a part that did not land: the record that was taken out of it is not proven bad."""
        if part.named is not None:
            self.waiting.append(Part(part.named.piece, was_named=True))
            part.named = None

    def _send_earlier(self, batch: Batch) -> None:
        """Of a record that was rejected, the one of its key before it."""
        if batch.dropped:
            self.waiting.append(Part(Piece(earlier(batch, self.crew.hands.envelope))))

    # --- the end of what is left ------------------------------------------------------------

    async def _leave(self, left: Outcome) -> None:
        """An error or a cancellation: whatever has no end yet gets one."""
        hopeless = self.crew.outlook.nothing_landed
        for tries in self.alone:
            with suppress(IngestError):  # the one that is under way says why
                await self._end(tries, Outcome.UNSENT if hopeless else Outcome.REJECTED)
        parts = self.waiting if self.current is None else [*self.waiting, self.current]
        never_sent = [part.piece for part in self.waiting]
        never_sent += [part.named.piece for part in parts if part.named is not None]
        refused = self.tries if self.current is not None else None
        if refused is not None and refused.receipt is None:
            refused.doubtful = left is Outcome.AMBIGUOUS
            with suppress(IngestError):
                await self._end(refused, left)
        for piece in never_sent:
            tries = Tries(piece.batch, self.whole)
            if left is Outcome.UNSENT:
                self.crew.ends.end(tries, left)
            else:
                with suppress(IngestError):
                    await self.crew.ends.conclude(tries, left, _IN_PART)

    async def _end(self, tries: Tries, outcome: Outcome) -> None:
        """The end of a body that was refused."""
        assert tries.refusal is not None
        self.crew.ends.end(tries, outcome, tries.refusal.message)
        await self.crew.ends.record(tries)
