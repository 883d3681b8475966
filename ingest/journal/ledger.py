"""The journal's async rim: many writers, one commit.

While one transaction is on its way to the disk, whoever comes waits, and the next transaction takes
all of them: N writers cost few fsyncs, and each still returns only when its own op is durable.
Nobody waits for company: with one writer each op is a commit of its own.

A call is not torn by cancellation. An intent whose writer goes away is recorded all the same, which
costs one question on resume; an outcome that were lost would mean sending something twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread
from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.journal.records import RunRecord
from ingest.journal.store import Journal
from ingest.journal.writing import Intend, NoteState, Op, Settle, TakeApart, key_of
from ingest.model import Batch, Receipt


class _Waiting(Struct, eq=False):
    """One op on its way; `done` once it is durable or refused."""

    op: Op
    done: bool = False
    error: BaseException | None = None


class JournalLedger:
    """`protocols.Ledger` over a journal, for one run. Safe to call from many tasks.

    A body is known by its number, its offset and its count. `before_settling` is called in the
    thread before an outcome is recorded, to have on the disk what the outcome relies on: between
    the records of a batch stand those that were rejected, and only their lines say so.
    """

    def __init__(
        self,
        journal: Journal,
        run: RunRecord,
        before_settling: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._run = run
        self._before_settling = before_settling
        self._queue: list[_Waiting] = []
        self._turn = anyio.Lock()
        self._threads = anyio.CapacityLimiter(1)

    async def intend(self, batch: Batch, /) -> None:
        """About to send this body for the first time in this process; returning means durable.

        A body recorded before a kill is recognised and must be the same bytes (SettingsError).
        Marks the body that it is a part of as taken apart.
        """
        await self._write(Intend(batch, "", self._journal.now()))

    async def settle(self, receipt: Receipt, /) -> None:
        """The body reached its end; durable on return (see `log`).

        Ended UNSENT, a body that an earlier process may have sent stays open, and one that was
        never intended is no matter of the journal's.
        """
        await self._write(Settle(receipt, self._journal.now()))

    async def apart(self, batch: Batch, /) -> None:
        """The service surely refused this body whole; its parts will be intended."""
        await self._write(TakeApart(key_of(batch), self._journal.now()))

    async def note_state(self, batch: Batch, text: str) -> None:
        """How far the upload of an open body is: JSON without credentials and signed queries."""
        await self._write(NoteState(key_of(batch), text))

    async def spools_in_doubt(self) -> frozenset[str]:
        """The names of the files that hold open bodies: a process that takes the run up needs them.
        Raises IngestError where the journal can't be read."""
        with anyio.CancelScope(shield=True):
            async with self._turn:
                found = await anyio.to_thread.run_sync(
                    self._journal.open_intents, self._run, limiter=self._threads
                )
        return frozenset(intent.spool.path.name for intent in found if intent.spool is not None)

    async def _write(self, op: Op) -> None:
        waiting = _Waiting(op)
        self._queue.append(waiting)
        with anyio.CancelScope(shield=True):
            async with self._turn:
                if not waiting.done:
                    await self._commit()
        if waiting.error is not None:
            raise waiting.error

    async def _commit(self) -> None:
        """Record all that wait now."""
        group, self._queue = self._queue, []
        try:
            answers: Sequence[BaseException | None] = await anyio.to_thread.run_sync(
                self._record, [one.op for one in group], limiter=self._threads
            )
        except Exception as error:  # noqa: BLE001 - told to each of those who wait
            answers = [error] * len(group)
        for one, answer in zip(group, answers, strict=True):
            one.done, one.error = True, answer

    def _record(self, ops: Sequence[Op]) -> list[IngestError | None]:
        """In the thread: digests first, so that the transaction is short."""
        if any(isinstance(op, Settle) for op in ops):
            self._before_settling()
        return self._journal.write(self._run, [_digested(op) for op in ops])


def _digested(op: Op) -> Op:
    return replace(op, digest=op.batch.digest()) if isinstance(op, Intend) else op
