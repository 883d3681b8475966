"""What the tests of the sources share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from threading import Thread
from typing import Any

from ingest.errors import SourceError
from ingest.job import SourceSettings
from ingest.model import Block
from ingest.sources.files import FileSource


def in_parts(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in parts of `size` bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def drained(parts: Iterable[bytes]) -> tuple[bytes, SourceError | None]:
    """All that comes out, and what it ended with."""
    out = bytearray()
    try:
        for part in parts:
            out += part
    except SourceError as exc:
        return bytes(out), exc
    return bytes(out), None


def lines(count: int, start: int = 0) -> bytes:
    """That many different records of two columns."""
    return b"".join(b"%d,name %d\n" % (n, n * 7919 % 1000) for n in range(start, start + count))


def settings(*paths: str | Path, **more: Any) -> SourceSettings:
    """Source settings for these paths."""
    return SourceSettings(paths=tuple(str(path) for path in paths), **more)


def source(base: Path, *paths: str | Path, **more: Any) -> tuple[FileSource, list[str]]:
    """A source of these paths, and the list its notes go to."""
    notes: list[str] = []
    return FileSource(settings(*paths, **more), base, notes.append), notes


async def taken(one: FileSource, sink: list[Block] | None = None) -> list[Block]:
    """All blocks of a source. With `sink` the blocks are in it even if an error follows."""
    found: list[Block] = [] if sink is None else sink
    await one.prepare()
    async with one.opened(), aclosing(one.blocks()) as blocks:
        async for block in blocks:
            found.append(block)  # noqa: PERF401 - kept when an error follows
    return found


def texts_of(blocks: Iterable[Block]) -> dict[str, bytes]:
    """What the segments of each file hold, put together."""
    found: dict[str, bytes] = {}
    for block in blocks:
        for part in block.segments:
            data = block.data[part.start : part.end]
            found[part.file.shown] = found.get(part.file.shown, b"") + data
    return found


def open_below(directory: Path) -> list[str]:
    """The files below `directory` that this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(str(directory)):
            found.append(target)
    return found


def fed_fifo(path: Path, feed: Callable[[int], None]) -> Thread:
    """A FIFO at `path`, and the thread that opens it for writing and runs `feed` on it."""
    os.mkfifo(path)

    def work() -> None:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            feed(descriptor)
        except BrokenPipeError:
            pass
        finally:
            os.close(descriptor)

    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def write_all(data: bytes) -> Callable[[int], None]:
    """Writes `data`, whatever a pipe takes at once."""

    def feed(descriptor: int) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return feed
