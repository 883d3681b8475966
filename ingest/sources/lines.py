"""Line numbers for every segment, for jobs that make a field of `@line`.

A block does not know at which line of its file it begins; most jobs never ask, because rejects get
their lines when blocks come in order again (`pack`). A field that holds the line is encoded before
that, so for such a job the lines are counted here, on the way in: a pass over the bytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from msgspec.structs import replace

from ingest import grammar
from ingest.model import Block, Segment
from ingest.protocols import Source


class LineCountingSource:
    """A source whose segments all have their `first_line`."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold open what the source holds open."""
        async with self._source.opened():
            yield

    async def blocks(self) -> AsyncGenerator[Block, None]:
        """The source's blocks, in order, with lines."""
        line = 1
        async with aclosing(self._source.blocks()) as blocks:
            async for block in blocks:
                segments = []
                for segment in block.segments:
                    first = segment.first_line if segment.first_line is not None else line
                    segments.append(replace(segment, first_line=first))
                    line = first + lines_of(block, segment)
                yield replace(block, segments=tuple(segments))


def lines_of(block: Block, segment: Segment) -> int:
    """Physical lines of a segment, those of which only the head was kept included."""
    skipped = sum(
        cut.skipped_lines for cut in block.oversize if segment.start <= cut.start < segment.end
    )
    return grammar.count_lines(block.data, segment.start, segment.end) + skipped
