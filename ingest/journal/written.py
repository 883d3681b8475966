"""The rejects file read back: which records have their line, and why they were rejected.

The file is the truth for rejected records: a line is in the kernel's hands before the record counts
as rejected. A kill can leave the last line torn; it is cut off, so that the next line does not grow
onto it, and its record is read, and rejected, again. Any other line that can't be read was changed
by somebody: then the file says no more who is settled, and it is refused with the line's number.

A record that stands twice counts once, by its first line.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

import orjson
from msgspec import Struct, field

from ingest.display import encodable
from ingest.errors import SettingsError
from ingest.journal.intervals import IntervalSet

_STEP_BYTES = 64 * 1024
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class WrittenRejects(Struct):
    """What stands in a rejects file: records by the file's name as written there, and reasons.

    `torn_bytes` of an unfinished last line were cut off.
    """

    files: dict[str, IntervalSet] = field(default_factory=dict)
    by_reason: Counter[str] = field(default_factory=Counter)
    torn_bytes: int = 0

    @property
    def records(self) -> int:
        """How many records have a line."""
        return self.by_reason.total()

    def of(self, shown: str) -> IntervalSet:
        """The records of one file; a copy of none if it has none."""
        return self.files.get(encodable(shown), IntervalSet())

    def holds(self, shown: str, record: int) -> bool:
        """Whether this record has its line."""
        return record in self.of(shown)

    def _take(self, shown: str, record: int, reason: str) -> None:
        found = self.files.setdefault(shown, IntervalSet())
        if record not in found:
            found.add(record, record)
            self.by_reason[reason] += 1


def read_back(path: Path) -> WrittenRejects:
    """Read the rejects at `path` (none if there is no file), and cut off a torn last line.

    Memory grows with the stretches of rejected records, not with the lines' length. Raises
    SettingsError naming file and line.
    """
    written = WrittenRejects()
    try:
        handle = os.open(path, _FLAGS)
    except FileNotFoundError:
        return written
    except OSError as exc:
        raise _unreadable(path, exc.strerror or str(exc)) from exc
    try:
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _unreadable(path, "it is no plain file")
            written.torn_bytes = _cut_torn_line(handle)
            for number, line in enumerate(file, 1):
                written._take(*_read(path, number, line))
    except OSError as exc:
        raise _unreadable(path, exc.strerror or str(exc)) from exc
    return written


def _cut_torn_line(handle: int) -> int:
    """Truncate behind the last newline; the bytes that went. The file's position stays."""
    size = os.fstat(handle).st_size
    whole = _end_of_last_line(handle, size)
    if whole < size:
        os.ftruncate(handle, whole)
    return size - whole


def _end_of_last_line(handle: int, size: int) -> int:
    for end in range(size, 0, -_STEP_BYTES):
        start = max(0, end - _STEP_BYTES)
        if (place := os.pread(handle, end - start, start).rfind(b"\n")) >= 0:
            return start + place + 1
    return 0


def _read(path: Path, number: int, line: bytes) -> tuple[str, int, str]:
    try:
        found = orjson.loads(line)
        shown, record, reason = found["file"], found["record"], found["reason"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise _unreadable(path, f"line {number} is no reject") from exc
    if not (isinstance(shown, str) and isinstance(record, int) and isinstance(reason, str)):
        raise _unreadable(path, f"line {number} is no reject")
    return shown, record, reason


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"the rejects of the unfinished run can't be read back: {path}: {why}",
        "put the file back as it was; or begin anew with --restart, after a look at the table",
    )
