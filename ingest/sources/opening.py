"""The one place where inputs are opened and their bytes come in.

Files are opened by aiofiles on asyncio and by anyio on trio (aiofiles needs asyncio's loop), and
read `CHUNK_BYTES` at a time: a hop to a thread costs about 0.1 ms, so 1 MiB reads reach 5 to 8 GB/s
here, 2 MiB 10, and more only costs memory. A read of a file can't be taken back, so it is shielded:
a cancelled task waits for the chunk under way and then closes, and no descriptor is closed under a
thread that still uses it.

Pipes, FIFOs, sockets and terminals may never answer; they are waited for in the event loop and read
when there is something, so cancelling never waits for a writer, and no thread is left behind. A
FIFO is opened without waiting for its writer, for the same reason.

What a file was when it was opened is held against what it is at its end (`verdict`): one that
shrank is an error; one that grew, changed, was replaced or deleted is read as it was found through
the handle, and said.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Protocol, cast

import aiofiles
import anyio
from anyio import to_thread
from msgspec import Struct

from ingest.errors import SourceError
from ingest.sources.discover import STDIN, Place

CHUNK_BYTES = 2 * 1024 * 1024
PIPE_BYTES = 1024 * 1024
_FACTS = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns")


class Verdict(Struct, frozen=True):
    """What became of a file while it was read: something to say, something that breaks it."""

    note: str = ""
    error: SourceError | None = None


class Input(Protocol):
    """An opened input. `aclose` is safe at any time, more than once, and under cancellation.

    `prompt`: a read never waits for anybody.
    """

    prompt: bool

    async def read(self) -> bytes:
        """The next bytes, at most `CHUNK_BYTES`, b"" at the end. Raises SourceError."""
        ...

    def verdict(self) -> Verdict:
        """After the end: whether the file is still what was opened. Blocks (three calls)."""
        ...

    async def aclose(self) -> None:
        """Let go of the handle."""
        ...


async def open_input(place: Place, shown: str) -> Input:
    """Open one input. Raises SourceError, saying why it can't be opened."""
    if place.given is not None:
        return place.given
    try:
        if place.path == STDIN:
            return _Stream(0, shown, owned=False)
        found = await to_thread.run_sync(os.stat, place.path)
        if stat.S_ISREG(found.st_mode):
            return await _open_regular(place, shown)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        return _Stream(os.open(place.path, flags), shown, owned=True)
    except OSError as exc:
        raise unreadable(shown, exc, 0) from exc


def unreadable(shown: str, exc: OSError, at_byte: int) -> SourceError:
    """The SourceError for what the system said."""
    where = f"can't be read at byte {at_byte:,}" if at_byte else "can't be opened"
    hint = "check the permissions" if isinstance(exc, PermissionError) else ""
    return SourceError(f"{shown}: {where}: {exc.strerror or exc}", hint)


def verdict(
    opened: os.stat_result, descriptor: int, place: Place, read: int, shown: str
) -> Verdict:
    """Hold the file as it was `opened` against what it is now, after `read` bytes of it."""
    wanted = place.window.length if place.window else opened.st_size
    with suppress(OSError):  # mostly this one question is enough
        found = os.stat(place.path)  # noqa: PTH116 - as it was opened
        if read >= wanted and _FACTS(found) == _FACTS(opened):
            return Verdict()
    now = os.fstat(descriptor)
    if read < wanted:
        return Verdict(
            error=SourceError(
                f"{shown}: shrank while it was read: it had {wanted:,} bytes and ends at {read:,}",
                "records before that were read; load it again when nothing writes to it",
            )
        )
    if now.st_size > opened.st_size and not place.window:
        return Verdict(
            f"{shown}: grew while it was read, from {opened.st_size:,} to {now.st_size:,} bytes:"
            f" read up to byte {read:,}; what comes behind is not loaded"
        )
    if now.st_mtime_ns != opened.st_mtime_ns:
        return Verdict(
            f"{shown}: was written to while it was read: old and new content may be mixed"
        )
    return _of_its_place(place, now, shown)


def _of_its_place(place: Place, now: os.stat_result, shown: str) -> Verdict:
    with suppress(FileNotFoundError, NotADirectoryError):
        if os.path.samestat(os.stat(place.path), now):  # noqa: PTH116 - as it was opened
            return Verdict()
        return Verdict(f"{shown}: was replaced while it was read: the old file was loaded")
    return Verdict(f"{shown}: was deleted while it was read; it was still read to its end")


class _Handle(Protocol):
    """What aiofiles and anyio have in common of an open file."""

    def fileno(self) -> int: ...
    async def read(self, size: int) -> bytes: ...
    async def seek(self, offset: int) -> int: ...


async def _open_handle(path: str) -> tuple[_Handle, Callable[[], Awaitable[object]]]:
    """The file at `path`, opened by the library that fits the running loop, and its close.

    Unbuffered: a read that fails halfway gives what it got, where a buffer would throw it away.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        by_anyio = await anyio.open_file(path, "rb", buffering=0)
        return cast("_Handle", by_anyio), by_anyio.aclose
    by_aiofiles = await aiofiles.open(path, "rb", buffering=0)
    return by_aiofiles, by_aiofiles.close


async def _open_regular(place: Place, shown: str) -> Input:
    with anyio.CancelScope(shield=True):
        handle, close = await _open_handle(place.path)
        try:
            opened = os.fstat(handle.fileno())
            if place.window:
                await handle.seek(place.window.start)
        except BaseException:
            await close()
            raise
    return _Regular(handle, close, opened, place, shown)


class _Regular:
    """A regular file, or a window of one."""

    prompt = True

    def __init__(
        self,
        handle: _Handle,
        close: Callable[[], Awaitable[object]],
        opened: os.stat_result,
        place: Place,
        shown: str,
    ) -> None:
        self._handle = handle
        self._close: Callable[[], Awaitable[object]] | None = close
        self._opened = opened
        self._place = place
        self._shown = shown
        self._read = 0

    async def read(self) -> bytes:
        """See `Input`."""
        size = CHUNK_BYTES
        if self._place.window:
            size = min(size, self._place.window.length - self._read)
        try:
            with anyio.CancelScope(shield=True):
                data = await self._handle.read(size)
        except OSError as exc:
            raise unreadable(self._shown, exc, self._read) from exc
        self._read += len(data)
        return data

    def verdict(self) -> Verdict:
        """See `Input`."""
        return verdict(self._opened, self._handle.fileno(), self._place, self._read, self._shown)

    async def aclose(self) -> None:
        """See `Input`."""
        close, self._close = self._close, None
        if close:
            with anyio.CancelScope(shield=True):
                await close()


class _Stream:
    """Standard input, a FIFO or a device: read once, never again."""

    prompt = False

    def __init__(self, descriptor: int, shown: str, *, owned: bool) -> None:
        self._descriptor: int | None = descriptor
        self._shown = shown
        self._owned = owned
        self._read = 0
        mode = os.fstat(descriptor).st_mode
        self._waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
        if stat.S_ISFIFO(mode):
            with suppress(OSError):  # only a wish: a larger pipe means fewer turns of the loop
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    async def read(self) -> bytes:
        """See `Input`."""
        assert self._descriptor is not None
        try:
            data = await self._take(self._descriptor)
        except OSError as exc:
            raise unreadable(self._shown, exc, self._read) from exc
        self._read += len(data)
        return data

    async def _take(self, descriptor: int) -> bytes:
        if not self._waits:
            with anyio.CancelScope(shield=True):
                return await to_thread.run_sync(partial(os.read, descriptor, CHUNK_BYTES))
        while True:
            await anyio.wait_readable(descriptor)
            try:
                return os.read(descriptor, CHUNK_BYTES)
            except BlockingIOError:
                continue  # somebody else who holds the pipe was quicker

    def verdict(self) -> Verdict:
        """See `Input`: of a stream nothing is known but what came."""
        return Verdict()

    async def aclose(self) -> None:
        """See `Input`."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._owned:
            os.close(descriptor)
