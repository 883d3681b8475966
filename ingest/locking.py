"""One run of a job at a time, held by the kernel.

A lock is `flock` on an open file (flock(2)): it goes with the process however that ends, SIGKILL
and a container's death included, and it does not care that all containers are pid 1. What stands
*in* the file is for people: who holds it, since when. It is never trusted, and a file without a
lock on it means nothing; so it is never removed either, because a lock on a removed file keeps
nobody out.

The lock is on the open file, so the descriptor must not travel into children: O_CLOEXEC.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from ingest.display import json_bytes, safe
from ingest.errors import JobHeld, SettingsError

POLL_S = 0.02
_NOTE_BYTES = 4096
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_STATE_DIR = "name another place with --state-dir DIR (or INGEST_STATE_DIR)"


class Holder(Struct, frozen=True):
    """Who holds a lock, for people: the run's id, the host's name, when it was taken (ISO 8601)."""

    run: str = ""
    host: str = ""
    started: str = ""


def anybody(_: Holder) -> bool:
    """Every holder is worth waiting for."""
    return True


def keeps_it(holder: Holder) -> bool:
    """Whether a holder has it for as long as a run lasts: it says since when. What is noted decides
    nothing but how patiently one asks again."""
    return bool(holder.started)


class JobLock:
    """The lock of one job: the file at `path`, made (0600, in a 0700 directory) where missing.

    `monotonic` and `sleep` are for waiting; `sleep` blocks the calling thread.
    """

    def __init__(
        self,
        path: Path,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._monotonic = monotonic
        self._sleep = sleep
        self._handle: int | None = None

    def __repr__(self) -> str:
        return f"<JobLock {self.path} {'free' if self._handle is None else 'held here'}>"

    @contextmanager
    def held(
        self,
        holder: Holder | None = None,
        *,
        wait_s: float = 0.0,
        wait_for: Callable[[Holder], bool] = anybody,
    ) -> Iterator[None]:
        """Hold the lock. Raises JobHeld if another has it: at once, or after `wait_s` seconds if
        `wait_for` says of that holder that it is worth it; SettingsError where there can be no
        lock."""
        handle = self._handle = self._opened()
        try:
            self._take(handle, wait_s, wait_for)
            self.note(holder or Holder())
            try:
                yield
            finally:
                os.ftruncate(handle, 0)
        finally:
            self._handle = None
            os.close(handle)

    def note(self, holder: Holder) -> None:
        """Write down who holds it (again, once the run has its id). Only while held."""
        assert self._handle is not None
        text = json_bytes({"run": holder.run, "host": holder.host, "started": holder.started})
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, text[:_NOTE_BYTES] + b"\n", 0)
        except OSError:
            return  # a full disk keeps nobody from holding a lock

    def _opened(self) -> int:
        try:
            for directory in (self.path.parent.parent, self.path.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # parents by the umask
            handle = os.open(self.path, _FLAGS, 0o600)
        except OSError as exc:
            raise self._unusable(exc) from exc
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise self._unusable(OSError(errno.EINVAL, "is no plain file"))
        return handle

    def _take(self, handle: int, wait_s: float, wait_for: Callable[[Holder], bool]) -> None:
        until = self._monotonic() + wait_s
        while not self._try(handle):
            left_s = until - self._monotonic()
            found = _noted(os.pread(handle, _NOTE_BYTES + 1, 0))
            if left_s <= 0 or not wait_for(found):
                raise self._held_by_another(found)
            self._sleep(min(POLL_S, left_s))

    def _try(self, handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:  # a file system without locks
            raise self._unusable(exc) from exc
        return True

    def _held_by_another(self, found: Holder) -> JobHeld:
        facts = (f"run {found.run}", f"on {found.host}", f"since {found.started}")
        known = ", ".join(
            fact
            for fact, value in zip(facts, (found.run, found.host, found.started), strict=True)
            if value
        )
        return JobHeld(
            f"another run holds this job{f' ({known})' if known else ''}: {self.path}",
            "wait until it has ended, or end it; the lock goes with its process",
        )

    def _unusable(self, exc: OSError) -> SettingsError:
        return SettingsError(
            f"the job's lock can't be had: {self.path}: {exc.strerror or exc}", _STATE_DIR
        )


def _noted(text: bytes) -> Holder:
    """What the holder wrote, fit to be shown; nothing where it makes no sense."""
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Holder()
    if not isinstance(found, dict):
        return Holder()
    words = (safe(str(found.get(key, "")), max_chars=100) for key in ("run", "host", "started"))
    return Holder(*words)
