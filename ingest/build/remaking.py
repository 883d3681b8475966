"""A run's rows made anew from its files, by its own mapping: the same source, the same shaper.

Files are held against what they were first (`changed`): the hash that the run took of each, or for
one that it did not read to its end, size and times in the journal. A file that is another one now
makes no rows here: what became of its records can't be said.

A pass reads all files once, a block at a time; a block in a thread. Memory: one block and its rows.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from anyio import to_thread
from msgspec import Struct, field
from msgspec.structs import replace

from ingest.build.mapping import RunMapping, plans_of
from ingest.build.unchanged import is_same
from ingest.display import encodable
from ingest.errors import SourceError
from ingest.journal import FileRecord
from ingest.model import Layout, Origin, Shaped, Slice
from ingest.operations.verify_claims import Claims, FileClaim
from ingest.operations.verify_expected import Part
from ingest.pack import Numbering
from ingest.protocols import Shaper, Source
from ingest.shape.csv_shape import CsvShaper
from ingest.shape.json_shape import JsonShaper
from ingest.shape.plan import ShapePlan
from ingest.shape.service import ServiceTypes
from ingest.sources.files import FileSource, FileStat, Prepared
from ingest.sources.lines import LineCountingSource

GONE = "the file is not there any more"
CHANGED = "the file changed since"
UNKNOWN = "whether the file is unchanged is not known: the run did not read it to its end"
PIPE = "it came through a pipe, which can't be read again"
MENDED = "the record was mended and replayed: what was sent then is not in the file"
_END = b"\n"


class Remaking(Struct, dict=True):
    """The rows of one run. `claims` are its files; `known` those of them that the journal has.

    `largest_record` is the longest encoded record that fits into a request. After `prepare`,
    `unfit` says of each file that can't be read again why; after a pass, `mended` how many records
    the files have no row for though the run had one. `given` rows were made so far, in all passes.
    """

    mapping: RunMapping
    types: ServiceTypes
    largest_record: int
    claims: Claims
    known: Mapping[str, FileRecord] = field(default_factory=dict)
    plans: dict[Layout, ShapePlan] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    mended: int = 0
    given: int = 0

    async def prepare(self) -> None:
        """Look at the files. Raises SettingsError or SourceError for what no run could read."""
        source, prepared = await self._source()
        try:
            self.plans = plans_of(self.mapping, prepared.layouts, self.types)
            stats = {encodable(stat.shown): stat for stat in source.stats()}
            there = {encodable(file.shown) for file in source.files}
            for shown, claim in self.claims.items():
                if shown not in there:
                    self.unfit[shown] = GONE
                elif shown not in stats:
                    self.unfit[shown] = PIPE
                elif why := await to_thread.run_sync(self._changed, claim, stats[shown]):
                    self.unfit[shown] = why
        finally:
            await source.aclose()

    async def parts(self) -> AsyncGenerator[Part, None]:
        """See `operations.verify_expected.Expected`. Raises SourceError for a file that breaks off
        where it did not."""
        source, prepared = await self._source()
        wanted = {
            file.index: file
            for file in source.files
            if (shown := encodable(file.shown)) in self.claims and shown not in self.unfit
        }
        source.leave_out([file.index for file in source.files if file.index not in wanted])
        kind = JsonShaper if prepared.format == "ndjson" else CsvShaper
        shaper: Shaper = kind(self.plans, _END, self.largest_record)
        numbering, self.mended = Numbering(), 0
        blocks: Source = LineCountingSource(source) if self._asks_line else source
        async with source.opened(), aclosing(blocks.blocks()) as stream:
            try:
                async for block in stream:
                    shaped = await to_thread.run_sync(shaper, block)
                    for part in self._numbered(numbering, shaped, shaper):
                        self.given += len(part.lines)
                        yield part
            except SourceError:
                # A file that is as it was breaks off where it did: its whole records were given.
                return

    def _numbered(self, numbering: Numbering, shaped: Shaped, shaper: Shaper) -> list[Part]:
        numbered = numbering.number(shaped)
        for reject, _ in zip(numbered.rejects, numbered.rejected_in, strict=True):
            claim = self.claims.get(encodable(reject.file))
            self.mended += claim is not None and claim.status(reject.record) == "expected"
        return [_part(one, shaper) for one in numbered.slices]

    async def _source(self) -> tuple[FileSource, Prepared]:
        job = self.mapping.job
        source = FileSource(job.source, job.base, _silent, fingerprint=False)
        return source, await source.prepare(0)

    def _changed(self, claim: FileClaim, stat: FileStat) -> str:
        known = self.known.get(claim.shown)
        if known is not None and known.size_bytes is not None:
            return (
                ""
                if is_same(replace(known, sha256=known.sha256 or claim.sha256), stat)
                else CHANGED
            )
        if claim.sha256 is None:
            return UNKNOWN
        return "" if stat.sha256() == claim.sha256 else CHANGED

    @property
    def _asks_line(self) -> bool:
        return any(f.pseudo == "@line" for plan in self.plans.values() for f in plan.fields)


def _part(one: Slice, shaper: Shaper) -> Part:
    refused = frozenset(one.rejected)
    numbers = [n for n in range(one.first, one.last + 1) if n not in refused]
    lines = bytes(one.view).split(b"\n")[:-1]
    return Part(encodable(one.file.shown), one.first, one.last, numbers, lines, _lines(one, shaper))


def _lines(one: Slice, shaper: Shaper) -> Callable[[int], int | None]:
    origin = one.origin
    if origin is None:
        return lambda _number: None
    return lambda number: _line(origin, number, shaper)


def _line(origin: Origin, number: int, shaper: Shaper) -> int | None:
    block = origin.kept.restored()
    places = shaper.locate(block, origin.segment, [number - origin.first_record + 1])
    return next((place.line + origin.first_line - 1 for place in places), None)


def _silent(_words: str) -> None:
    """What is said of files was said when they were loaded."""
