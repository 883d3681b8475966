"""Rejects on disk, and how many of them a run bears.

A reject is never only in memory: when `RejectFile.write` returns, its line has been handed to the
kernel, so that it outlives the process. A power cut is outlived by what `sync` has brought to the
disk: it is called before an outcome is recorded that relies on the lines, which is seldomer than
they are written and in a thread that has to wait for the disk anyway. Of those who wait for their
outcomes together, one sync serves all, and where no line was written there is none.

The records are somebody's data, so the file is 0600 from its first byte and is never opened through
a link. It is created with the first reject: a run without any leaves no file. If the disk is full
and nothing was held back for us (`make_room`), the half-written line is taken back, and the error
stops the run: sending on while rejects are lost would break the promise that none is silent.

The keys are the contract's. `raw` holds the record's own bytes where they are UTF-8, `raw_base64`
where they are not; `raw_truncated` stands there only where the record was too long to be kept.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread
from msgspec import Struct, field

from ingest.display import json_bytes
from ingest.errors import IngestError, RejectLimitPassed
from ingest.model import Reject

_RATIO_FROM = 10_000
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class RejectFile:
    """The file of one run's rejects: a `protocols.RejectSink`, closed by `async with`.

    `by_reason` counts what this object wrote. Writes from several tasks are kept apart. `make_room`
    is asked where the disk is full, from a thread: True if there may be room now.
    """

    def __init__(self, path: Path, make_room: Callable[[], bool] = lambda: False) -> None:
        self.path = path
        self.by_reason: Counter[str] = Counter()
        self._make_room = make_room
        self._handle: int | None = None
        self._lock = anyio.Lock()
        self._opening = threading.Lock()
        self._syncing = threading.Lock()
        self._has_durable_name = False
        # What a killed process left in the kernel's hands counts as settled now.
        self._unsynced = path.exists()

    def __repr__(self) -> str:
        state = "closed" if self._handle is None else "open"
        return f"<RejectFile {self.path} {state}, {self.by_reason.total()} written>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # In the way out of a cancelled run there is no waiting, and a close needs none.
        self.close()

    async def write(self, rejects: Sequence[Reject]) -> None:
        """Append `rejects` in order; returning means they are in the kernel's hands.

        Raises IngestError where they can't be written; then none of them is counted.
        """
        if not rejects:
            return
        async with self._lock:
            # Not abandoned when the caller is cancelled: a line is written whole or not at all.
            await anyio.to_thread.run_sync(self._append, rejects)
            self.by_reason.update(reject.reason for reject in rejects)

    def close(self) -> None:
        """Close the file, if one was opened. A later write opens it again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def sync(self) -> None:
        """Have all lines on the disk that were written before this call; blocking, from any thread.

        Raises IngestError where that can't be done: nothing may be recorded then that relies on it.
        """
        with self._syncing:
            if self._unsynced:
                self._unsynced = False  # what is written from here on may not be in it
                try:
                    self._surely(self._sync)
                except IngestError:
                    self._unsynced = True
                    raise

    def _append(self, rejects: Sequence[Reject]) -> None:
        data = b"".join(lines(rejects))
        self._surely(lambda: _write_whole(self._opened(), data))
        self._unsynced = True

    def _surely(self, work: Callable[[], None]) -> None:
        """Do it, once more where room could be made. Raises IngestError."""
        try:
            try:
                work()
            except OSError as exc:
                if exc.errno not in _NO_ROOM or not self._make_room():
                    raise
                work()
        except OSError as exc:
            place = self.path.parent
            raise IngestError(
                f"rejects can't be written: {self.path}: {exc.strerror or exc}",
                f"make room in {place}, then run the same command again"
                if exc.errno in _NO_ROOM
                else f"see to {place}, which is in the state directory (--state-dir); then run the"
                " same command again",
            ) from exc

    def _opened(self) -> int:
        with self._opening:
            if self._handle is None:
                self._handle = _open_private(self.path)
            return self._handle

    def _sync(self) -> None:
        os.fsync(self._opened())
        if self._has_durable_name:
            return
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._has_durable_name = True


def lines(rejects: Iterable[Reject]) -> Iterable[bytes]:
    """The NDJSON lines of these rejects, each with its newline."""
    for reject in rejects:
        yield json_bytes(as_object(reject)) + b"\n"


def as_object(reject: Reject) -> dict[str, Any]:
    """The contract's object for one reject."""
    found: dict[str, Any] = {
        "file": reject.file,
        "line": reject.line,
        "byte": reject.byte,
        "record": reject.record,
        "column": reject.column,
        "field": reject.field,
        "stage": reject.stage,
        "reason": reject.reason,
        "message": reject.message,
    }
    try:
        found["raw"] = bytes(reject.raw).decode("utf-8")
    except UnicodeDecodeError:
        found["raw_base64"] = base64.b64encode(reject.raw).decode("ascii")
    if reject.raw_truncated:
        found["raw_truncated"] = True
    return found


def _open_private(path: Path) -> int:
    """Open for appending; refuses links and whatever is no plain file. O_NONBLOCK: a FIFO that
    was put there must not hang the run."""
    handle = os.open(path, _FLAGS, 0o600)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no regular file")
    try:
        os.fchmod(handle, 0o600)
    except OSError:
        os.close(handle)
        raise
    return handle


def _write_whole(handle: int, data: bytes) -> None:
    """Write all of `data`, or leave the file as long as it was."""
    before = os.fstat(handle).st_size
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(handle, rest) :]
    except OSError:
        os.ftruncate(handle, before)
        raise


class RejectLimit(Struct, frozen=True):
    """How many rejects a run bears. Passed is strictly more than the limit.

    The ratio is judged from 10,000 records on, so that one bad first line does not stop a load of
    millions, and once more at the end, so that small files are judged too.
    """

    max_count: int
    max_ratio: float = 1.0
    ratio_from: int = field(default=_RATIO_FROM)

    def passed(self, rejected: int, read: int, *, final: bool = False) -> str | None:
        """What was passed, as a sentence; None if nothing was."""
        if rejected > self.max_count:
            return f"{rejected:,} records rejected, more than max_count = {self.max_count:,}"
        # Divided, not multiplied: 3 / 10 is the very float that is written 0.3.
        judged = read > 0 and (final or read >= self.ratio_from)
        if judged and rejected / read > self.max_ratio:
            return (
                f"{rejected:,} of {read:,} records rejected,"
                f" more than max_ratio = {self.max_ratio:g}"
            )
        return None

    def check(self, rejected: int, read: int, *, final: bool = False) -> None:
        """Raise RejectLimitPassed if the limit is passed."""
        if message := self.passed(rejected, read, final=final):
            raise RejectLimitPassed(
                message, "see the rejects; mend the data or the mapping, or raise [rejects]"
            )
