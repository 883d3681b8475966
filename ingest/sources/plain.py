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
            for raw in _chunks(descriptor, place, chunk_bytes, shown):
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


def _chunks(descriptor: int, place: Place, chunk_bytes: int, shown: str) -> Iterator[bytes]:
    start, end = 0, None
    if place.window:
        start = place.window.start
        end = start + place.window.length
    at = start
    while end is None or at < end:
        size = chunk_bytes if end is None else min(chunk_bytes, end - at)
        try:
            raw = os.pread(descriptor, size, at)
        except OSError as exc:
            raise unreadable(shown, exc, at - start) from exc
        if not raw:
            return
        at += len(raw)
        yield raw
