"""Before the first record: which input leads, what all the heads say, and a sample.

The first input that holds anything is the measure of the others. Regular files are looked at here,
in a worker thread, hundreds in one hop; a FIFO or standard input only if it leads, since waiting
for one that is not written to yet would wait for ever. Those stay open (`held`): what was read of
them can't be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice, takewhile

from anyio import to_thread
from msgspec.structs import replace

from ingest.model import Block, FileInfo, Layout
from ingest.sources.dialect import Sniffed
from ingest.sources.discover import Discovery, Place
from ingest.sources.feed import Feed, open_feed
from ingest.sources.headers import GROWTH, Head, HeadTooShort, read_head, settle, survey
from ingest.sources.names import listed
from ingest.sources.outcome import Outcome, Reading
from ingest.sources.pieces import seal_all
from ingest.sources.whole import cut_whole, read_sample

SURVEY_FILES = 500
NOTED_LAYOUTS = 3


class Preparing:
    """Looks at the inputs of `found`; `held` takes the feeds that must stay open."""

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

    async def lead(self) -> int:
        """The index of the first input that holds anything; their number, if none does."""
        headers, settings = self._reading.headers, self._reading.settings
        for file, place in self._inputs():
            if file.regular:
                head_of = partial(read_head, file, place, settings)
                sniffed = await to_thread.run_sync(settle, file, head_of, headers.of)
            else:
                feed = self._held[file.index] = await open_feed(file, place, settings)
                sniffed = await settle_feed(feed, headers.of)
            if headers.first is not None and sniffed is not None:
                for note in sniffed.notes:
                    self._note(f"{file.shown}: {note}")
                return file.index
        return len(self._found.files)

    async def survey(self, lead: int) -> dict[Layout, str]:
        """The layouts of all inputs that can be looked at now, each with its first file."""
        headers, layouts = self._reading.headers, dict[Layout, str]()
        if headers.first is not None:
            layouts[headers.first.layout] = self._found.files[lead].shown
        others = ((file, place) for file, place in self._inputs(lead + 1) if file.regular)
        while part := list(islice(others, SURVEY_FILES)):
            found = await to_thread.run_sync(survey, headers, part, self._reading.settings)
            for file, sniffed in found:
                if sniffed.layout not in layouts:
                    layouts[sniffed.layout] = file.shown
                    self._note_layout(file, sniffed, len(layouts))
        return layouts

    async def sample(self, lead: int, size_bytes: int) -> tuple[Block, ...]:
        """About the first `size_bytes` of the leading layout's records, as blocks."""
        if lead == len(self._found.files):
            return ()
        reading = replace(self._reading, fingerprint=False)
        if feed := self._held.get(lead):
            text, final = await feed.peek(size_bytes)
            outcome = Outcome(feed.file, error=feed.trouble)
            pieces = cut_whole(outcome, text, feed.found, reading, final=final)
            return seal_all(pieces, reading.settings.block_bytes)
        inputs = takewhile(lambda one: one[0].regular, self._inputs(lead))
        return await to_thread.run_sync(read_sample, inputs, reading, size_bytes)

    def _inputs(self, start: int = 0) -> Iterator[tuple[FileInfo, Place]]:
        return zip(self._found.files[start:], self._found.places[start:], strict=True)

    def _note_layout(self, file: FileInfo, found: Sniffed, count: int) -> None:
        first = self._reading.headers.first
        for note in found.notes:
            self._note(f"{file.shown}: {note}")
        if first is not None and count <= NOTED_LAYOUTS + 1:
            self._note(f"{file.shown}: {difference(first.columns, found.columns)}")


async def settle_feed(
    feed: Feed, ask: Callable[[FileInfo, Head], Sniffed | None]
) -> Sniffed | None:
    """What an opened input's head says, more of it being read where that is needed."""
    while True:
        try:
            return ask(feed.file, Head(feed.head, feed.head_is_all, feed.trouble))
        except HeadTooShort:
            await feed.fill_head(len(feed.head) * GROWTH)


def difference(first: Sequence[str], other: Sequence[str]) -> str:
    """How a header differs from the first file's, in words."""
    new = [name for name in other if name not in first]
    gone = [name for name in first if name not in other]
    said = [f"it has {listed(new)}"] if new else []
    said += [f"it has no {listed(gone)}"] if gone else []
    return f"other columns than in the first file: {'; '.join(said) or 'in another order'}"
