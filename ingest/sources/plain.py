"""The text of a regular file, read in a worker thread without the event loop.

For heads, samples and small files: what takes less time than the hop to a thread is done with many
others in one hop. The bytes go through the same `Intake` as those of a `Feed` and give the same
text.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

from ingest.errors import SourceError
from ingest.sources.discover import Place
from ingest.sources.intake import Intake
from ingest.sources.opening import CHUNK_BYTES, unreadable, verdict

LITTLE_BYTES = 64 * 1024


def texts(
    place: Place,
    intake: Intake,
    shown: str,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    notes: list[str] | None = None,
) -> Generator[bytes, None, None]:
    """The text of a regular file. Raises SourceError behind the last readable text."""
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise unreadable(shown, exc, 0) from exc
    try:
        opened = os.fstat(descriptor)
        try:
            for raw in _chunks(descriptor, opened.st_size, place, chunk_bytes, shown):
                yield from intake.feed(raw)
        except SourceError:
            yield from intake.break_off()  # what was read before is not lost with it
            raise
        found = verdict(opened, descriptor, place, intake.raw_bytes, shown)
        if found.note and notes is not None:
            notes.append(found.note)
        try:
            yield from intake.finish()
        except SourceError as exc:
            raise found.error or exc from None
        if found.error:
            raise found.error
    finally:
        os.close(descriptor)


def _chunks(
    descriptor: int, size_bytes: int, place: Place, chunk_bytes: int, shown: str
) -> Iterator[bytes]:
    """The bytes of a file that had so many when it was opened. Where these are read it is not asked
    for more: whether it grew meanwhile is asked anyway."""
    start, end = 0, None
    if place.window:
        start = place.window.start
        end = start + place.window.length
    at = start
    while end is None or at < end:
        # Not much more than there is: room for 2 MiB is taken from the system, and given back.
        size = min(chunk_bytes, max(size_bytes - at + 1, LITTLE_BYTES))
        size = size if end is None else min(size, end - at)
        try:
            raw = os.pread(descriptor, size, at)
        except OSError as exc:
            raise unreadable(shown, exc, at - start) from exc
        if not raw:
            return
        at += len(raw)
        yield raw
        if at == size_bytes:
            return
