"""Around the load: rows counted before and after, the service tidied, `--ask` answered.

None of this can lose what the engine has accounted for. A count that fails is only not known; one
that differs from the accounts is said, and no more, since others may write to the table, too. What
fails after the load is an error of its own in the report, beside the accounts.
"""

from __future__ import annotations

from typing import Any

import anyio

from ingest.build.services import Connection
from ingest.display import count
from ingest.errors import IngestError
from ingest.events import Watcher
from ingest.model import Accounts


class Afterwards:
    """What goes on at the service besides the load. `scope.cancel()` ends it early."""

    def __init__(self, connection: Connection, ask: str | None, watcher: Watcher) -> None:
        self._connection = connection
        self._ask = ask
        self._watcher = watcher
        self.scope = anyio.CancelScope()
        self.rows: list[dict[str, Any]] | None = None
        self.errors: list[IngestError] = []
        self.row_counts: dict[str, int | None] = {}

    async def before(self) -> None:
        """Count the rows before the first request."""
        if self._connection.counts_rows:
            self.row_counts = {"before": await self._counted(), "after": None}

    async def run(
        self, accounts: Accounts, error: IngestError | None, interrupted: int | None
    ) -> None:
        """Tidy, count, ask; nothing that can wait after an error or an interrupt."""
        self.errors = [error] if error is not None else []
        if interrupted is not None:
            return
        with self.scope:
            if self._connection.counts_rows:
                self.row_counts["after"] = await self._counted()
                self._compare(accounts)
            if not self.errors:
                await self._tidied(accounts)
                await self._answered()

    async def _counted(self) -> int | None:
        try:
            return await self._connection.target.count()
        except IngestError as error:
            self._watcher.note(f"the rows could not be counted: {error.message}", level="warning")
            return None

    def _compare(self, accounts: Accounts) -> None:
        before, after = self.row_counts["before"], self.row_counts["after"]
        if before is None or after is None:
            return
        more = after - before
        if not accounts.accepted <= more <= accounts.accepted + 2 * accounts.ambiguous:
            self._watcher.note(
                f"the table has {count(more)} rows more than before, and {count(accounts.accepted)}"
                " records were accepted: either others write to it, or look before you go on",
                level="warning",
            )

    async def _tidied(self, accounts: Accounts) -> None:
        if not accounts.accepted:
            return
        try:
            said = await self._connection.target.tidy()
        except IngestError as error:
            self.errors.append(_after_the_load("the tidying up", error))
            return
        if said:
            self._watcher.note(said)

    async def _answered(self) -> None:
        """The rows that `--ask` wants."""
        if self._ask is None:
            return
        try:
            self.rows = await self._connection.target.query(self._ask)
        except IngestError as error:
            self.errors.append(_after_the_load("--ask", error))


def _after_the_load(what: str, error: IngestError) -> IngestError:
    return IngestError(f"the load is done, but {what} failed: {error.message}", error.hint)
