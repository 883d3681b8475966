"""The files of a job as a stream of blocks: the `Source` that reads files and standard input.

`prepare` finds the inputs and looks at every head, so that what can be wrong is known before
anything is sent. `blocks`, within `opened`, reads them in order.

Reading runs ahead (`ReadAhead`): besides the unit whose pieces are being taken, the next two are
opened, so that no file's opening is waited for. The tasks belong to `opened`, not to the generator:
a generator may be dropped halfway and never run again, a context may not.

A file that breaks off gives its whole records; its error waits until every other file is read, and
is raised then (several as one).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from msgspec import Struct
from msgspec.structs import replace

from ingest.job import SourceSettings
from ingest.kept import LARGE_RECORD_BYTES
from ingest.model import Block, FileInfo, Format, Layout
from ingest.sources.ahead import ReadAhead
from ingest.sources.discover import Discovery, discover
from ingest.sources.feed import Feed
from ingest.sources.headers import Headers
from ingest.sources.intake import FileFacts
from ingest.sources.outcome import Reading
from ingest.sources.pieces import Joiner, Piece, seal
from ingest.sources.prefix import Prefix, prefix_of
from ingest.sources.preparing import Preparing
from ingest.sources.reader import Reader, Unit

LARGE_BLOCK_BYTES = 384 * 1024  # less than the default: then the bodies are the peak's
SAMPLE_BYTES = 8 * 1024 * 1024


class FileStat(Struct, frozen=True):
    """An input that can be read again, as it lies on the disk: what tells whether it changed.

    Of a zip's member it is the archive's. `sha256` reads all of it, in hex.
    """

    index: int
    shown: str
    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    device: int

    def sha256(self) -> str:
        """The hash of its bytes as they lie there. Blocks."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - the path may be no text
            return hashlib.file_digest(file, "sha256").hexdigest()


class Prepared(Struct, frozen=True):
    """What is known before the first record is read.

    `layouts` names the first file of each layout, the leading one first; `total_bytes` is what lies
    on disk, None where that can't be known; `sample` is empty where there is nothing.
    """

    format: Format
    layouts: Mapping[Layout, str]
    files: tuple[FileInfo, ...]
    total_bytes: int | None
    sample: tuple[Block, ...]


class FileSource:
    """The files that `settings.paths` names, relative to `base`. `note` tells a person something.

    Call `prepare`, then read `blocks` within `opened`; both once. With `fingerprint` every input is
    hashed as it is read (SHA-256, 1.5 GB/s here).
    """

    def __init__(
        self,
        settings: SourceSettings,
        base: Path,
        note: Callable[[str], None],
        *,
        fingerprint: bool = True,
    ) -> None:
        self._settings = settings
        self._base = base
        self._note = note
        self._reading = Reading(settings, Headers(settings), fingerprint)
        self._held: dict[int, Feed] = {}
        self._found = Discovery((), ())
        self._reader = Reader(self._found, self._reading, self._held, note)
        self._tasks: TaskGroup | None = None
        self._ahead: ReadAhead[Unit, Piece] | None = None

    @property
    def files(self) -> tuple[FileInfo, ...]:
        """The inputs, in order; known once prepared."""
        return self._found.files

    @property
    def raw_bytes(self) -> int:
        """Bytes taken from the inputs so far, as they lie there: to be held against the total."""
        return self._reader.raw_bytes

    def files_read(self) -> list[FileFacts]:
        """What was read of each input so far, in order."""
        return self._reader.facts

    def stats(self) -> list[FileStat]:
        """The inputs that can be read again, as they are now; pipes are none. Blocks."""
        found: list[FileStat] = []
        for file, place in zip(self._found.files, self._found.places, strict=True):
            if file.regular:
                seen = os.stat(place.path)  # noqa: PTH116 - the path may be no text
                facts = (seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_dev)
                found.append(FileStat(file.index, file.shown, place.path, *facts))
        return found

    def prefix(self, index: int, size_bytes: int) -> Prefix:
        """What the first bytes of a regular input hold, once prepared. Blocks: reads them."""
        file, place = self._found.files[index], self._found.places[index]
        return prefix_of(file, place, size_bytes, self._reading)

    def leave_out(self, indexes: Collection[int]) -> None:
        """Don't read these inputs. Between `prepare` and `blocks`."""
        self._reader.left_out = frozenset(indexes)

    async def prepare(self, sample_bytes: int = SAMPLE_BYTES) -> Prepared:
        """Find the inputs, look at every head, and read a sample of the first records.

        Raises SettingsError or SourceError for whatever is wrong with them by then. A FIFO that
        leads stays open for `blocks`: leave through `opened`, or call `aclose`.
        """
        try:
            return await self._prepare(sample_bytes)
        except BaseException:
            await self.aclose()
            raise

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold open what reading needs; on leaving, however that comes, every file is closed."""
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as self._tasks:
                try:
                    yield
                except anyio.get_cancelled_exc_class():
                    raise
                except BaseException as exc:  # noqa: BLE001 - raised below, outside of the group,
                    failure = exc  # which would wrap it into an ExceptionGroup
                finally:
                    self._tasks.cancel_scope.cancel()
        finally:
            self._tasks = None
            if self._ahead is not None:
                self._ahead.close()
            await self.aclose()
        if failure is not None:
            raise failure

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """The blocks, in order; only within `opened`. Raises SourceError behind the last one."""
        assert self._tasks is not None, "blocks are read within `opened`"
        reader = self._reader
        self._ahead = ahead = ReadAhead(self._tasks, reader.units(), reader.read)
        joiner = Joiner(self._settings.block_bytes)
        number = 0
        try:
            async for piece in ahead:
                if group := joiner.add(piece):
                    yield await _sealed(number, group)
                    number += 1
            if group := joiner.finish():
                yield await _sealed(number, group)
        finally:
            ahead.close()
        reader.finish()
        if reader.error is not None:
            raise reader.error

    async def aclose(self) -> None:
        """Let go of what `prepare` left open. `opened` does it on leaving."""
        while self._held:
            _, feed = self._held.popitem()
            await feed.aclose()

    async def _prepare(self, sample_bytes: int) -> Prepared:
        found = await to_thread.run_sync(self._discovered)
        self._found = found
        for note in found.notes:
            self._note(note)
        preparing = Preparing(found, self._reading, self._held, self._note)
        lead = await preparing.lead()
        layouts = await preparing.survey(lead)
        sample = await preparing.sample(lead, sample_bytes) if sample_bytes else ()
        if "block_bytes" not in self._settings.model_fields_set and has_large_records(sample):
            self._settings = self._settings.model_copy(update={"block_bytes": LARGE_BLOCK_BYTES})
            self._reading = replace(self._reading, settings=self._settings)
        self._reader = Reader(found, self._reading, self._held, self._note)
        return Prepared(self._format(), layouts, found.files, _total(found.files), sample)

    def _discovered(self) -> Discovery:
        return discover(self._settings, self._base)

    def _format(self) -> Format:
        first = self._reading.headers.first
        if first is not None:
            return first.format
        return "ndjson" if self._settings.format == "ndjson" else "csv"


async def _sealed(number: int, group: Sequence[Piece]) -> Block:
    """The block of a group; putting many pieces together is work for a thread."""
    if len(group) == 1:
        return seal(number, group)
    return await to_thread.run_sync(seal, number, group)


def _total(files: Sequence[FileInfo]) -> int | None:
    sizes = [file.size_bytes for file in files]
    return None if None in sizes else sum(size or 0 for size in sizes)


def has_large_records(sample: Sequence[Block]) -> bool:
    """Whether bodies of these records are full by bytes, so that many of them fill the memory."""
    records = sum(block.data.count(b"\n") for block in sample)
    return sum(len(block.data) for block in sample) > LARGE_RECORD_BYTES * max(records, 1)
