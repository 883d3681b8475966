"""Whose turn it is: when one batch goes alone, and when the others go on.

A batch *takes* the turn when what it learns would be blurred by others: while nothing has landed
yet (eight writers would all be refused many times before one of them knows why), and while rows are
counted. Then no attempt of another batch begins, and the holder goes on when those under way have
ended. It gives the turn back as soon as it needs it no more.

So that eight large bodies are not refused for their size where one is enough, large ones go one at
a time until the first has landed.

Batches are known by identity: parts of one that are made again after a kill share its number.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from ingest.model import Accounts, Batch

# Bodies up to here are taken by every server and proxy there is (nginx's own default is 1 MiB).
LARGE_BODY_BYTES = 1_000_000


class Turns:
    """Who goes alone. All calls come from one loop."""

    def __init__(self, accounts: Accounts, stopping: Callable[[], bool]) -> None:
        self._accounts = accounts
        self._stopping = stopping
        self._holder: Batch | None = None
        self._first_large: Batch | None = None
        self._event = anyio.Event()

    def tell(self) -> None:
        """Something has changed (an attempt ended, a body landed): let those who wait look."""
        self._event.set()
        self._event = anyio.Event()

    async def news(self) -> None:
        """Wait until something has changed."""
        await self._event.wait()

    def is_held_back(self, whole: Batch) -> bool:
        """Another batch goes alone."""
        return self._holder is not None and self._holder is not whole

    async def take(self, whole: Batch, wanted: Callable[[], bool]) -> bool:
        """Go alone from here on; True once no attempt is under way.

        False, and nothing is taken, if it is no longer `wanted` or the run is being ended.
        """
        while self.is_held_back(whole) and wanted() and not self._stopping():
            await self.news()
        if not wanted() or self._stopping():
            return False
        self._holder = whole
        while self._accounts.in_flight and not self._stopping():
            await self.news()
        return not self._stopping()

    def give(self, whole: Batch) -> None:
        """Let the others go on, if they were held back for this one."""
        if self._holder is whole:
            self._holder = None
            self.tell()

    async def wait_while_first_large(
        self, part: Batch, whole: Batch, landed: Callable[[], bool]
    ) -> None:
        """Wait while another large body is the first to be tried and nothing has `landed`. The wait
        ends, too, when the run is being ended."""
        if part.size_bytes <= LARGE_BODY_BYTES or part.spool is not None:
            return
        while not self._is_first(whole) and not landed() and not self._stopping():
            await self.news()
        self._first_large = whole

    def _is_first(self, whole: Batch) -> bool:
        return self._first_large is None or self._first_large is whole

    def done(self, whole: Batch) -> None:
        """All of this batch has reached its end."""
        if self._first_large is whole:
            self._first_large = None
            self.tell()
        self.give(whole)
