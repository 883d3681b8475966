"""One opened input as a stream of UTF-8 text, its head known before anything is read of it.

A `Feed` ties an `Input` (which awaits) to an `Intake` (which computes). Each step is one hop to a
worker thread that hashes, unpacks, transcodes *and* does the caller's work on the text (cutting),
because a hop costs 0.1 ms while 2 MiB of work cost several. Meanwhile the next bytes are read,
unless somebody may have to be waited for. Little bytes, as they come through a pipe, are dealt with
in the loop: for them the hop would cost more than the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import anyio
from anyio import to_thread

from ingest.errors import SourceError
from ingest.job import SourceSettings
from ingest.model import FileInfo
from ingest.sources.discover import Place
from ingest.sources.encoding import Encoding, named
from ingest.sources.intake import HEAD_BYTES, FileFacts, Intake
from ingest.sources.opening import Input, open_input

INLINE_BYTES = 64 * 1024
T = TypeVar("T")


class Feed:
    """The text of one input. Made by `open_feed`; close it with `aclose`, in every case.

    `head` is the first up to 256 KiB of text (or as much as `fill_head` was asked for), which
    `read` gives again; `head_is_all` says that there is no more. `notes` grows while reading,
    `trouble` is what the input broke off with.
    """

    def __init__(self, file: FileInfo, source: Input, intake: Intake) -> None:
        self.file = file
        self.head = b""
        self.head_is_all = False
        self.found = Encoding("utf-8")
        self.notes: list[str] = []
        self._source = source
        self._intake = intake
        self._ready: deque[bytes] = deque()
        self._pieces: Iterator[bytes] | None = None
        self._little = False
        self._last = False
        self._fetched: bytes | SourceError | None = None
        self.trouble: SourceError | None = None

    @property
    def encoding(self) -> str:
        """The encoding's codec name; "utf-8" for nearly all."""
        return self.found.name

    @property
    def bom_bytes(self) -> int:
        """The length of the byte order mark that was left out."""
        return self.found.bom_bytes

    async def read(self) -> bytes:
        """The next text, b"" at the end. Raises SourceError behind the last readable text."""
        return await self.step(_same) or b""

    async def step(self, work: Callable[[bytes], T]) -> T | None:
        """What `work` makes of the next text, in a worker thread; None at the end."""
        while self._ready:
            text = self._ready.popleft()
            if text:
                return await _hop(partial(work, text), inline=len(text) <= INLINE_BYTES)
        return await self._next(work, ahead=self._source.prompt)

    async def _next(self, work: Callable[[bytes], T], *, ahead: bool = False) -> T | None:
        while not self.trouble:
            if self._pieces is None:
                if self._last:
                    return None
                await self._take()
            call = partial(self._advance, work)
            if self._little:
                done, result = call()
            elif ahead and self._fetched is None and not self._last:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._fetch)  # the next bytes, meanwhile
                    done, result = await to_thread.run_sync(call)
            else:
                done, result = await to_thread.run_sync(call)
            if done:
                self._little |= not self._intake.packed  # what came in is as good as used up
                return result
        raise self.trouble

    async def _fetch(self) -> None:
        try:
            self._fetched = await self._source.read()
        except SourceError as exc:  # told when it is its turn
            self._fetched = exc

    def facts(self, *, whole: bool) -> FileFacts:
        """What was read so far; `whole`: the input was read to its end without trouble."""
        return self._intake.facts(self.file, whole=whole)

    @property
    def raw_bytes(self) -> int:
        """Bytes taken from the input so far, as they lie there."""
        return self._intake.raw_bytes

    async def aclose(self) -> None:
        """Close the input. Safe at any time and more than once."""
        await self._source.aclose()

    async def fill_head(self, size_bytes: int = HEAD_BYTES) -> None:
        """Make `head` the first `size_bytes`, or all there is. Only before reading."""
        self.head, self.head_is_all = await self.peek(size_bytes)
        self.found = self._intake.encoding or self.found

    async def peek(self, size_bytes: int) -> tuple[bytes, bool]:
        """The first `size_bytes` of text, and whether there is no more. Only before reading."""
        size = sum(map(len, self._ready))
        ended = False
        try:
            while size <= size_bytes and not ended:
                text = await self._next(_same)
                ended = text is None
                self._ready.append(text or b"")
                size += len(text or b"")
        except SourceError as exc:
            self.trouble = exc  # raised in its turn, behind the text that was readable
        return b"".join(self._ready)[:size_bytes], ended and size <= size_bytes

    async def _take(self) -> None:
        """The next raw bytes, or the end."""
        if self._fetched is None:
            await self._fetch()
        raw, self._fetched = self._fetched, None
        assert raw is not None
        if isinstance(raw, SourceError):
            self._pieces = self._broken_off(raw)
            return
        self._little = 0 < len(raw) <= INLINE_BYTES and not self._intake.packed
        self._last = not raw
        self._pieces = self._intake.feed(raw) if raw else self._end()

    def _end(self) -> Iterator[bytes]:
        """The last text, and the verdict: a file that shrank explains why its end is no end."""
        verdict = self._source.verdict()
        if verdict.note:
            self.notes.append(verdict.note)
        try:
            yield from self._intake.finish()
        except SourceError as exc:
            raise verdict.error or exc from None
        if verdict.error:
            raise verdict.error

    def _broken_off(self, error: SourceError) -> Iterator[bytes]:
        """Nothing more can be read: what was read before is not lost with it."""
        yield from self._intake.break_off()
        raise error

    def _advance(self, work: Callable[[bytes], T]) -> tuple[bool, T | None]:
        """Work on the next piece, if the raw bytes at hand make one."""
        try:
            text = next(self._pieces, None) if self._pieces is not None else None
            result = None if text is None else work(text)
        except SourceError as exc:
            self.trouble = exc
            return False, None
        if text is None:
            self._pieces = None
        return text is not None, result


async def _hop(call: Callable[[], T], *, inline: bool) -> T:
    return call() if inline else await to_thread.run_sync(call)


def _same(text: bytes) -> bytes:
    return text


async def open_feed(
    file: FileInfo, place: Place, settings: SourceSettings, *, fingerprint: bool = True
) -> Feed:
    """Open an input and read its head. Raises SourceError where it can't be opened."""
    intake = Intake(file.shown, named(settings.encoding), place.window, fingerprint=fingerprint)
    source = await open_input(place, file.shown)
    feed = Feed(file, source, intake)
    try:
        await feed.fill_head()
    except BaseException:
        await source.aclose()
        raise
    return feed
