"""What a run's slices are packed with: in memory or on the disk, anew or by the recorded cuts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from ingest.build.booking import Booking
from ingest.journal import JournalLedger
from ingest.pack import MemoryPacking
from ingest.pack.recut import RecutPacking
from ingest.protocols import Envelope, Packing


def packing_in_memory(booking: Booking, envelope: Envelope, *, limited: bool) -> Packing:
    """Bodies in memory. `limited`: the input may end before all recorded bodies have come by."""
    anew = MemoryPacking(envelope, booking.first_number)
    return _by_recorded_cuts(anew, booking, envelope, limited=limited)


@asynccontextmanager
async def packing_on_disk(
    booking: Booking, ledger: JournalLedger | None, spool_bytes: int, *, limited: bool
) -> AsyncIterator[Packing]:
    """Bodies as files of at most `spool_bytes` in the run's own directory; those that the books
    have as perhaps sent outlive the block."""
    from ingest.pack.spool import SpoolPacking  # noqa: PLC0415 - only one way needs it
    from ingest.pack.spool_folder import nothing  # noqa: PLC0415 - as above

    anew = SpoolPacking(
        booking.run.spool_dir,
        spool_bytes,
        first_number=booking.first_number,
        needed=ledger.spools_in_doubt if ledger else nothing,
    )
    async with anew.opened():
        packing = _by_recorded_cuts(
            anew, booking, anew.envelope, limited=limited, once_more=anew.once_more
        )
        try:
            yield packing
        finally:
            if isinstance(packing, RecutPacking):
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(packing.discard)


def _by_recorded_cuts(
    anew: Packing,
    booking: Booking,
    envelope: Envelope,
    *,
    limited: bool,
    once_more: Callable[[], Packing] | None = None,
) -> Packing:
    if booking.settled is None:
        return anew
    return RecutPacking(
        anew, booking.intents, booking.settled, envelope, limited=limited, once_more=once_more
    )
