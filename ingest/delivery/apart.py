"""What follows a refusal: taking a body apart until each bad record is alone, and when to give up.

Where the service names the record it refused, the body falls into what stood before it, that record
alone, and what stands behind it: two requests more for a bad record. Where it does not, into
halves, and halves of halves.

Until something has landed only one body at a time is taken apart: eight at once would all be
refused many times before one of them is small enough to land. If nothing lands on the way, it is no
matter of single records, and the run stops with the service's words.

A service that refuses a body for its size has said what it takes: bodies as large are not sent
again, and new ones are cut to half of it, or to the largest that has landed. So that eight are not
refused where one is enough, large bodies go one at a time until the first has landed.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from ingest.errors import TooLarge, Trouble
from ingest.model import Accounts, Batch
from ingest.pack import cut, earlier, halves
from ingest.protocols import Envelope

# Refusals on the way down with nothing landed: then no record is at fault. Fourteen halvings make
# 10,000 records one; eight writers' first refusals and these are fewer than thirty requests.
SYSTEMATIC_AFTER = 20
# Bodies up to here are taken by every server and proxy there is (nginx's own default is 1 MiB).
LARGE_BODY_BYTES = 1_000_000


class Apart:
    """What is known of refusals over all bodies of a run."""

    def __init__(
        self, accounts: Accounts, stopping: Callable[[], bool], too_large: Callable[[int], None]
    ) -> None:
        self._accounts = accounts
        self._stopping = stopping
        self._too_large = too_large
        self._turn: int | None = None  # the batch that is taken apart before anything has landed
        self._alone: int | None = None  # the large body that is out before anything has landed
        self._news = anyio.Event()
        self._refused_in_a_row = 0
        self._largest_taken = 0
        self._least_refused: int | None = None
        self.accepted = 0

    @property
    def is_systematic(self) -> bool:
        """So many refusals and nothing landed: no single record is at fault."""
        return self._refused_in_a_row >= SYSTEMATIC_AFTER and not self.accepted

    def tell(self) -> None:
        """Let those who wait for their turn look again."""
        self._news.set()
        self._news = anyio.Event()

    def landed(self, batch: Batch) -> None:
        """A body was accepted."""
        self.accepted += 1
        self._refused_in_a_row = 0
        self._largest_taken = max(self._largest_taken, batch.size_bytes)
        self.tell()

    def refused(self, batch: Batch) -> None:
        """A body was refused. Its first refusal tells nothing: one bad record among thousands is
        enough for it."""
        self._refused_in_a_row += batch.count == 1 or batch.number == self._turn

    def is_too_large(self, batch: Batch) -> bool:
        """The service has refused a body of this size before, and it can be taken apart."""
        limit = self._least_refused
        return limit is not None and batch.size_bytes >= limit and batch.count > 1

    def parts(self, batch: Batch, trouble: Trouble, envelope: Envelope) -> list[Batch]:
        """What is to be sent instead, the first one last: a stack gives them back in order. Of a
        single record that was refused, the one of its key before it.

        While nothing has landed halves come in turns: bad records often stand together at a file's
        start, and to go on only there would look like a table that refuses everything.
        """
        if batch.count == 1:
            return [earlier(batch, envelope)]
        if isinstance(trouble, TooLarge):
            self._learn(batch, trouble)
        else:
            self._accounts.isolated += 1
            if trouble.record is not None and 0 <= trouble.record < batch.count:
                return _around(batch, trouble.record, envelope)
        first, second = halves(batch, envelope)
        turned = not self.accepted and self._refused_in_a_row % 2 == 1
        return [first, second] if turned else [second, first]

    async def wait_for_turn(self, batch: Batch) -> None:
        """Wait while another batch is the one that is taken apart."""
        while self._turn not in (None, batch.number) and not self.accepted:
            if self._stopping():
                return
            await self._news.wait()
        self._turn = batch.number

    async def wait_alone(self, batch: Batch) -> None:
        """Wait while another large body is the first to be tried."""
        if batch.size_bytes <= LARGE_BODY_BYTES or batch.spool is not None:
            return
        while self._alone not in (None, batch.number) and not self.accepted:
            if self._stopping():
                return
            await self._news.wait()
        self._alone = batch.number

    def done(self, batch: Batch) -> None:
        """All of this batch has reached its end."""
        if batch.number in (self._turn, self._alone):
            self._turn = None if self._turn == batch.number else self._turn
            self._alone = None if self._alone == batch.number else self._alone
            self.tell()

    def _learn(self, batch: Batch, trouble: TooLarge) -> None:
        if trouble.status is None:
            return  # our own refusal, of a size that was learned before
        self._least_refused = min(batch.size_bytes, self._least_refused or batch.size_bytes)
        self._too_large(max(self._least_refused // 2, min(self._largest_taken, batch.size_bytes)))


def _around(batch: Batch, record: int, envelope: Envelope) -> list[Batch]:
    """The record alone between what stands before and behind it, as a stack."""
    before, rest = cut(batch, record, envelope)
    alone, behind = cut(rest, 1, envelope)
    return [part for part in (behind, alone, before) if part.count]
