"""File uploads and the books: their states are recorded, and taken up again after a kill.

A target is made before the books are opened, because they ask where it sends to; so what keeps its
states is made first, and told the ledger later. Without one (a run outside of the books) nothing is
kept.
"""

from __future__ import annotations

from typing import Protocol

from ingest.build.booking import Booking
from ingest.errors import SettingsError
from ingest.journal import JournalLedger
from ingest.model import Batch
from ingest.targets.aito_upload_record import Upload


class TakesUploads(Protocol):
    """A target of file uploads."""

    def take_up(self, number: int, upload: Upload) -> None:
        """The batch of that number goes on where its upload stood."""
        ...

    def landed_before(self, rows: int) -> None:
        """So many rows were taken by processes before this one."""
        ...


class Uploads:
    """The states of a run's uploads."""

    def __init__(self) -> None:
        self._ledger: JournalLedger | None = None

    async def keep(self, batch: Batch, upload: Upload) -> None:
        """Durable on return. Raises IngestError where it can't be recorded."""
        if self._ledger is not None:
            await self._ledger.note_state(batch, upload.as_text())

    def join(self, target: TakesUploads, booking: Booking, ledger: JournalLedger | None) -> None:
        """From now on states go to `ledger`, and `target` knows how far uploads were. Raises
        SettingsError where that can't be read."""
        self._ledger = ledger
        target.landed_before(booking.accounts.accepted)
        for intent in booking.intents:
            if intent.upload is None:
                continue
            try:
                upload = Upload.from_text(intent.upload)
            except (ValueError, TypeError) as exc:
                raise SettingsError(
                    f"batch {intent.number} was perhaps sent, and how far its upload was can't be"
                    f" read in the journal ({intent.where})",
                    "run the version that wrote it; or look at what the table holds, then begin"
                    " anew with --restart",
                ) from exc
            target.take_up(intent.number, upload)
