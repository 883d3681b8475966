"""What every file's head says, found out before anything is sent.

The dialect and the columns are found on the first file that holds anything; the others are held
against it. For most of 5,000 files that is one small read: a file that begins with the very bytes
of a header that is known already needs no closer look. Whatever is wrong with a head (two columns
of one name, an array instead of lines) is an error now, and not after half the files were loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial

from msgspec import Struct

from ingest.errors import IngestError, SourceError
from ingest.job import SourceSettings
from ingest.model import FileInfo
from ingest.sources.dialect import Sniffed, check, sniff
from ingest.sources.discover import Place
from ingest.sources.encoding import named
from ingest.sources.intake import HEAD_BYTES, Intake
from ingest.sources.plain import texts

KNOWN_HEADERS = 64
GROWTH = 4


class HeadTooShort(Exception):  # noqa: N818 - no error: more is to be read
    """The head ends before its header does."""


class Head(Struct, frozen=True):
    """The first text of a file; `final` if it is all of it, `error` if it breaks off there."""

    text: bytes
    final: bool
    error: SourceError | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing stands in it that could be a record or a header."""
        return not self.text or self.text.isspace()


class Headers:
    """What heads mean, measured by the first one that is asked for.

    Safe to ask from several threads once the first one is known.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._known: list[tuple[bytes, Sniffed]] = []
        self.first: Sniffed | None = None

    @property
    def longest(self) -> int:
        """The most bytes that `known` wants to see."""
        return max((len(prefix) for prefix, _ in self._known), default=0)

    def known(self, start: bytes) -> Sniffed | None:
        """What a file says that starts with these raw bytes, if its header is known."""
        for prefix, sniffed in self._known:
            if prefix.isascii() and start.startswith(prefix):
                return sniffed
        return None

    def of(self, file: FileInfo, head: Head) -> Sniffed | None:
        """What this file's head says; None: it is empty, or breaks off in its header.

        Raises HeadTooShort where more of it must be seen; SettingsError or SourceError, naming the
        file.
        """
        if head.empty and (head.final or head.error):
            return None
        for prefix, sniffed in self._known:
            if head.text.startswith(prefix):
                return sniffed
        try:
            found = self._look(head)
        except IngestError as exc:
            if head.error:
                return None
            raise type(exc)(f"{file.shown}: {exc.message}", exc.hint) from exc
        if found is None and not head.error:
            raise HeadTooShort
        if found is not None:
            self._keep(head, found)
        return found

    def _look(self, head: Head) -> Sniffed | None:
        if self.first is None:
            return sniff(head.text, self._settings, final=head.final)
        return check(self.first, head.text, self._settings, final=head.final)

    def _keep(self, head: Head, sniffed: Sniffed) -> None:
        """Know this header again, if it is one surely, and surely ends there."""
        self.first = self.first or sniffed
        prefix = head.text[: sniffed.data_start]
        header = self._settings.columns is None and self._settings.header is not False
        if header and prefix.endswith(b"\n") and len(self._known) < KNOWN_HEADERS:
            self._known.append((prefix, sniffed))


def read_head(
    file: FileInfo, place: Place, settings: SourceSettings, size_bytes: int = HEAD_BYTES
) -> Head:
    """The first text of a regular file. Blocks; raises nothing for what is wrong with it."""
    intake = Intake(file.shown, named(settings.encoding), place.window, fingerprint=False)
    parts: list[bytes] = []
    size, final, error = 0, False, None
    try:
        with closing(texts(place, intake, file.shown, chunk_bytes=HEAD_BYTES)) as reading:
            for text in reading:
                parts.append(text)
                size += len(text)
                if size > size_bytes:
                    break
            else:
                final = True
    except SourceError as exc:
        error = exc
    return Head(b"".join(parts)[:size_bytes], final, error)


def settle(
    file: FileInfo,
    head_of: Callable[[int], Head],
    ask: Callable[[FileInfo, Head], Sniffed | None],
) -> Sniffed | None:
    """What a file's head says, `head_of` giving as many bytes of it as are needed (and there)."""
    size_bytes = HEAD_BYTES
    while True:
        head = head_of(size_bytes)
        try:
            return ask(file, head)
        except HeadTooShort:
            if len(head.text) < size_bytes:
                return None
        size_bytes *= GROWTH


def survey(
    headers: Headers, inputs: Iterable[tuple[FileInfo, Place]], settings: SourceSettings
) -> list[tuple[FileInfo, Sniffed]]:
    """What the heads of these regular files say, of those that say anything. Blocks."""
    found = []
    for file, place in inputs:
        sniffed = headers.known(_start(place, headers.longest))
        if sniffed is None:
            sniffed = settle(file, partial(read_head, file, place, settings), headers.of)
        if sniffed is not None:
            found.append((file, sniffed))
    return found


def _start(place: Place, size: int) -> bytes:
    """The first raw bytes of a plain file; nothing where they would not be text."""
    if place.window or not size:
        return b""
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError:
        return b""  # the closer look says what is wrong
