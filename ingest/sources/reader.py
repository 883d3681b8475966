"""Reading the inputs: large ones chunk by chunk, small ones many in one hop to a thread.

`read` takes one unit and sends its pieces in order; several units are read at the same time, by
tasks of their own (`ahead`). Nothing that is wrong with a file is raised here: a file that breaks
off gives its whole records, and its error is kept, so that the others are still read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import anyio
from anyio import to_thread

from ingest.errors import SourceError
from ingest.model import FileInfo
from ingest.sources.discover import Discovery, Place
from ingest.sources.feed import Feed, open_feed
from ingest.sources.intake import FileFacts
from ingest.sources.outcome import SMALL_BYTES, Outcome, Reading
from ingest.sources.pieces import FileCutter, Piece
from ingest.sources.preparing import settle_feed
from ingest.sources.whole import read_many

UNIT_FILES = 160  # about a block of files of 13 KB
UNIT_BYTES = 4 * 1024 * 1024
NOTED_GUESSES = 3
SHOWN_ERRORS = 10

Unit = list[tuple[FileInfo, Place]]
Send = Callable[[list[Piece]], Awaitable[None]]


class Reader:
    """Reads the inputs of `found`; takes over the feeds in `held` that were opened before.

    `raw_bytes` were taken from the inputs so far, as they lie there.
    """

    def __init__(
        self,
        found: Discovery,
        reading: Reading,
        held: dict[int, Feed],
        note: Callable[[str], None],
    ) -> None:
        self._found = found
        self._reading = reading
        self._held = held
        self._note = note
        self._one_at_a_time = anyio.CapacityLimiter(1)  # more only wait for each other's lock
        self._facts: dict[int, FileFacts] = {}
        self._errors: dict[int, SourceError] = {}
        self._guesses = 0
        self.raw_bytes = 0
        self.left_out: frozenset[int] = frozenset()

    @property
    def facts(self) -> list[FileFacts]:
        """What was read of each input so far, in order."""
        return [self._facts[index] for index in sorted(self._facts)]

    @property
    def error(self) -> SourceError | None:
        """What the inputs broke off with so far, as one error."""
        return joined([self._errors[index] for index in sorted(self._errors)])

    def units(self) -> Iterator[Unit]:
        """The inputs, in order, in the portions that one task reads."""
        unit: Unit = []
        size_bytes = 0
        for one in zip(self._found.files, self._found.places, strict=True):
            if one[0].index in self.left_out:
                continue
            small = is_small(one[0])
            size = one[0].size_bytes or 0
            if unit and (not small or len(unit) >= UNIT_FILES or size_bytes + size > UNIT_BYTES):
                yield unit
                unit, size_bytes = [], 0
            if small:
                unit.append(one)
                size_bytes += size
            else:
                yield [one]
        if unit:
            yield unit

    async def read(self, unit: Unit, send: Send) -> None:
        """Read the files of one unit, in order."""
        if not is_small(unit[0][0]):
            await self._read_stream(*unit[0], send)
            return
        while unit:
            outcomes = await to_thread.run_sync(
                read_many, unit, self._reading, limiter=self._one_at_a_time
            )
            rest = unit[len(outcomes) :]
            large = outcomes.pop() if outcomes[-1].too_large else None
            for outcome in outcomes:
                self._account(outcome)
            if pieces := [piece for outcome in outcomes for piece in outcome.pieces]:
                await send(pieces)
            if large:
                await self._read_stream(*unit[len(outcomes)], send)
            unit = rest

    def finish(self) -> None:
        """Say what was counted only, at the end."""
        if (more := self._guesses - NOTED_GUESSES) > 0:
            self._note(f"{more:,} more files: read in an encoding that was detected")

    async def _read_stream(self, file: FileInfo, place: Place, send: Send) -> None:
        """Read one input chunk by chunk."""
        outcome = Outcome(file)
        settings, fingerprint = self._reading.settings, self._reading.fingerprint
        try:
            feed = self._held.pop(file.index, None) or await open_feed(
                file, place, settings, fingerprint=fingerprint
            )
        except SourceError as exc:
            outcome.error = exc
        else:
            try:
                await self._cut_stream(feed, outcome, send)
            finally:
                await feed.aclose()
            outcome.facts = feed.facts(whole=outcome.error is None)
            outcome.notes, outcome.guess = feed.notes, feed.found.note
        self._account(outcome)

    async def _cut_stream(self, feed: Feed, outcome: Outcome, send: Send) -> None:
        """Send the pieces of an opened input; an error goes into `outcome`."""
        counted = 0
        try:
            sniffed = await settle_feed(feed, self._reading.ask)
            cutter = sniffed and FileCutter(feed.file, sniffed, feed.found, self._reading.settings)
        except SourceError as exc:
            outcome.error, cutter = exc, None
            return
        work = cutter.feed if cutter else _nothing
        last = cutter.finish if cutter else list[Piece]
        try:
            while (pieces := await feed.step(work)) is not None:
                self.raw_bytes += feed.raw_bytes - counted
                counted = feed.raw_bytes
                if pieces:
                    await send(pieces)
        except SourceError as exc:
            outcome.error = exc
            last = cutter.break_off if cutter else list[Piece]
        if pieces := await to_thread.run_sync(last):
            await send(pieces)
        self.raw_bytes -= counted  # `_account` adds the whole

    def _account(self, outcome: Outcome) -> None:
        """Keep what is to be told of an input that was read."""
        index = outcome.file.index
        if outcome.facts is not None:
            self._facts[index] = outcome.facts
            self.raw_bytes += outcome.facts.raw_bytes
        if outcome.error is not None:
            self._errors[index] = outcome.error
        for note in outcome.notes:
            self._note(note)
        if outcome.guess:
            self._guesses += 1
            if self._guesses <= NOTED_GUESSES:
                self._note(outcome.guess)


def is_small(file: FileInfo) -> bool:
    """Whether a file is read in one go, together with others."""
    return file.regular and file.size_bytes is not None and file.size_bytes <= SMALL_BYTES


def joined(errors: list[SourceError]) -> SourceError | None:
    """One error for all of them."""
    if len(errors) <= 1:
        return errors[0] if errors else None
    lines = [f"{len(errors):,} inputs could not be read to their end:"]
    lines += [f"  {error.message}" for error in errors[:SHOWN_ERRORS]]
    if len(errors) > SHOWN_ERRORS:
        lines.append(f"  and {len(errors) - SHOWN_ERRORS:,} more")
    return SourceError("\n".join(lines), errors[0].hint)


def _nothing(_text: bytes) -> list[Piece]:
    return []
