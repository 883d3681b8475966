"""How records end: each is counted where it ends, and refused ones are written as rejects.

The five ends are never computed from one another, so that `Accounts.balanced` may be asked. What a
service refused is written by whoever comes next (`write_refused`), outside the writer's request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from ingest.delivery import PERHAPS_SENT
from ingest.errors import IngestError
from ingest.model import Batch, Outcome, Receipt, Reject
from ingest.refused import rejects_of
from ingest.stages.parts import Parts, Result


class Ends:
    """Counts into `result`; `drain` ends the run, with its reason."""

    def __init__(self, parts: Parts, result: Result, drain: Callable[[IngestError], None]) -> None:
        self._parts = parts
        self._result = result
        self._drain = drain
        self._refused: list[Receipt] = []

    def end(self, receipt: Receipt) -> None:
        """What became of one body."""
        accounts, count = self._result.accounts, receipt.batch.records
        if self._parts.told is not None:
            self._parts.told(receipt)
        match receipt.outcome:
            case Outcome.ACCEPTED:
                verdict = receipt.verdict
                accounts.accepted += count - len(verdict.refused) - verdict.doubtful
                accounts.ambiguous += verdict.doubtful
                accounts.superseded += receipt.batch.superseded
                if verdict.doubtful:
                    self._result.ambiguous.append(receipt.placed())
                if verdict.refused:
                    self._refused.append(receipt)
            case Outcome.AMBIGUOUS:
                accounts.ambiguous += count
                self._result.ambiguous.append(receipt.placed())
            case Outcome.UNSENT:
                accounts.unsent += count
            case Outcome.REJECTED:
                self._refused.append(receipt)

    def leave(self, batch: Batch) -> None:
        """No writer took it. It is unsent; unless a process before this one had perhaps sent it:
        then its fate stays open."""
        if self._parts.taken.sent_before(batch) is None:
            self._result.accounts.unsent += batch.records
            return
        self.end(Receipt(batch, Outcome.AMBIGUOUS, 0, 0, message=PERHAPS_SENT, is_open=True))

    async def write_refused(self) -> None:
        """Turn refused records into rejects."""
        while self._refused:
            receipt = self._refused.pop()
            await self.reject(await rejects_of(receipt, self._parts.shaper))

    async def reject(self, rejects: Sequence[Reject]) -> None:
        """Write rejects, count them, and end the run if they are too many."""
        if not rejects:
            return
        accounts = self._result.accounts
        with anyio.CancelScope(shield=True):  # what is counted as rejected is written
            try:
                await self._parts.rejects.write(rejects)
            except IngestError as error:
                accounts.unsent += len(rejects)  # silent nowhere: a later run rejects them
                self._drain(error)
                return
            accounts.rejected += len(rejects)
        try:
            self._parts.judge.check(accounts.rejected, accounts.read)
        except IngestError as error:
            self._drain(error)

    def judge_all(self) -> None:
        """Whether too many were rejected, now that all are known."""
        accounts = self._result.accounts
        try:
            self._parts.judge.check(accounts.rejected, accounts.read, final=True)
        except IngestError as error:
            self._result.error = self._result.error or error
