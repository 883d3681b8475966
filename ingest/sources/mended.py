"""A run's rejects as a source: the records that stand in a rejects file, each at its old place.

A line of that file holds a record's own bytes and where it stood: file, record number, line, byte.
Somebody has mended the bytes, or the job. Each record becomes a segment of its own that keeps its
place, so that whatever depends on the place comes out as for the original record: derived ids,
`@stem`, `@path`, `@line`, and the place that a second reject names.

How a record is read stands in its file: the header of a CSV file, its marks. It is taken from the
files as they are now, by the very preparation of a load (`FileSource.prepare`), with all files of
the job, because the first one is the measure of the others. Of the files themselves nothing else is
read.

One line, one record: bytes that hold none, or more than one (somebody pasted two lines), can't get
the numbers of others, and are rejects themselves (`unfit`), as are those of which the run could
keep the head only. All lines are held in memory; a run bears `[rejects] max_count` of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from pathlib import Path

import anyio
from anyio import to_thread
from msgspec.structs import replace

from ingest import grammar
from ingest.display import encodable, plural
from ingest.errors import SettingsError, SourceError
from ingest.job import SourceSettings
from ingest.model import Block, FileInfo, Layout, Reject, Segment
from ingest.sources.files import SAMPLE_BYTES, FileSource, Prepared
from ingest.sources.headers import read_head, settle
from ingest.sources.reject_lines import Mended


class MendedSource(FileSource):
    """The files of a job, of which only the `mended` records are read.

    Once prepared, `layouts` says how the file of each is spelt now (by its index), and `unfit`
    which of them hold no record that could be read at its place.
    """

    def __init__(
        self,
        settings: SourceSettings,
        base: Path,
        note: Callable[[str], None],
        mended: Sequence[Mended],
    ) -> None:
        super().__init__(settings, base, note, fingerprint=False)
        self._mended = mended
        self._placed: list[tuple[FileInfo, Mended]] = []
        self._given_bytes = 0
        self.layouts: dict[int, Layout] = {}
        self.unfit: list[Reject] = []

    @property
    def used(self) -> list[FileInfo]:
        """The files that records stand in."""
        return [self.files[index] for index in sorted(self.layouts)]

    @property
    def numbers(self) -> list[tuple[FileInfo, int]]:
        """The records that will be given: file and number, in order."""
        return [(file, one.record) for file, one in self._placed]

    @property
    def raw_bytes(self) -> int:
        """Bytes given so far, to be held against the total."""
        return self._given_bytes

    async def prepare(self, sample_bytes: int = SAMPLE_BYTES) -> Prepared:
        """See `FileSource`. Raises SettingsError for a file that the job has not (any more)."""
        prepared = await super().prepare(sample_bytes)
        await self.aclose()
        known = {encodable(file.shown): file for file in self.files}
        placed = [(_known(known, one), one) for one in self._mended]
        placed.sort(key=lambda pair: (pair[0].index, pair[1].record))
        for file, _ in placed:
            if file.index not in self.layouts:
                self.layouts[file.index] = await self._layout_of(file)
        most = self._settings.max_record_bytes
        for file, one in placed:
            if why := _unfit(one, self.layouts[file.index], most):
                self.unfit.append(_reject(one, *why))
            else:
                self._placed.append((file, one))
        return replace(prepared, total_bytes=sum(len(one.raw) for _, one in self._placed))

    async def _layout_of(self, file: FileInfo) -> Layout:
        place = self._found.places[file.index]
        head_of = partial(read_head, file, place, self._settings)
        sniffed = await to_thread.run_sync(settle, file, head_of, self._reading.ask)
        if sniffed is None:
            raise SourceError(
                f"{file.shown}: is empty now: how its records are to be read stood in its header",
                "put the file back",
            )
        return sniffed.layout

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Nothing is held open: the records are in memory."""
        yield

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """The records in the order of files and numbers, each a segment of its own."""
        number = 0
        for layout, group in groupby(self._placed, lambda pair: self.layouts[pair[0].index]):
            for part in _portions(group, self._settings.block_bytes):
                block = _block(number, layout, part)
                self._given_bytes += sum(len(one.raw) for _, one in part)
                number += 1
                yield block
                await anyio.lowlevel.checkpoint()


def _known(known: dict[str, FileInfo], one: Mended) -> FileInfo:
    file = known.get(one.file)
    if file is None:
        raise SettingsError(
            f"{one.file}: is none of the job's files now, and record {one.record} of it was"
            " rejected: how it is to be read stands in its file",
            "put the file back where it was",
        )
    if not file.regular:
        raise SettingsError(
            f"{one.file}: came through a pipe, and how its records are read was said there",
            "write the mended records into a file and load that",
        )
    return file


def _unfit(one: Mended, layout: Layout, max_record_bytes: int) -> tuple[str, str] | None:
    """Why these bytes can't be read as the record that they were: a reason and a sentence."""
    if one.truncated:
        return "raw_truncated", (
            "the run kept the head of this record only: put all of it into raw and take"
            " raw_truncated out"
        )
    if len(one.raw) > max_record_bytes:
        return "record_too_long", "the record is longer than [source] max_record_bytes"
    records = _records_in(one.raw, layout)
    if records == 1:
        return None
    found = plural(records, "record") if records else "no record"
    return "not_one_record", f"raw holds {found}, and this line stands for one: mend it to be one"


def _records_in(raw: bytes, layout: Layout) -> int:
    if layout.format == "ndjson":
        return sum(1 for line in raw.split(b"\n") if line.strip())
    return sum(1 for _ in grammar.split(_ended(raw), layout.dialect, final=True))


def _ended(raw: bytes) -> bytes:
    return raw if raw.endswith(b"\n") else raw + b"\n"


def _reject(one: Mended, reason: str, message: str) -> Reject:
    place = (one.file, one.line, one.byte, one.record)
    return Reject(*place, "parse", reason, message, one.raw, raw_truncated=one.truncated)


def _portions(
    placed: Iterator[tuple[FileInfo, Mended]], block_bytes: int
) -> Iterator[list[tuple[FileInfo, Mended]]]:
    """What makes one block each: as many as fit, one at the least."""
    part: list[tuple[FileInfo, Mended]] = []
    size_bytes = 0
    for pair in placed:
        if part and size_bytes + len(pair[1].raw) > block_bytes:
            yield part
            part, size_bytes = [], 0
        part.append(pair)
        size_bytes += len(pair[1].raw)
    if part:
        yield part


def _block(number: int, layout: Layout, part: Sequence[tuple[FileInfo, Mended]]) -> Block:
    """A block in which nothing is taken for granted: it is read record by record."""
    segments, texts, start = [], [], 0
    for file, one in part:
        text = _ended(one.raw)
        place = Segment(file, start, start + len(text), one.byte, first_line=one.line)
        segments.append(replace(place, first_record=one.record))
        texts.append(text)
        start += len(text)
    return Block(number, b"".join(texts), layout, tuple(segments))
