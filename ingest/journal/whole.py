"""Whether a journal's file is as long as it should be. Reads only.

What a cut took away reads as zeros, and a row of zeros is no error to any check of SQLite's. So the
length is held against the head, which says how many pages there are (sqlite.org/fileformat2.html,
"The Database Header"). Pages that lie in the log need not be in the file yet: a process killed
while it brought the log in leaves a short file, and that is no damage.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from ingest.journal.place import damaged, sides

_MAGIC = b"SQLite format 3\0"
_LOG_HEAD_BYTES = 32
_FRAME_HEAD_BYTES = 24


def check_length(path: Path) -> None:
    """Raise SettingsError if pages are missing that no log holds, or if it is no database."""
    with path.open("rb") as file:
        head = file.read(32)
        size_bytes = os.fstat(file.fileno()).st_size
    if len(head) < 32 or not head.startswith(_MAGIC):
        raise damaged(path, "it is no database" if head else "it is empty")
    page_bytes = int.from_bytes(head[16:18]) or 1
    pages = int.from_bytes(head[28:32])
    missing = range(size_bytes // page_bytes + 1, pages + 1)
    if missing and not _pages_in_log(sides(path)[0], page_bytes).issuperset(missing):
        raise damaged(path, f"it has {size_bytes} bytes and should have {page_bytes * pages}")


def _pages_in_log(log: Path, page_bytes: int) -> set[int]:
    """The pages that the log's commits hold. Frames left from before its last restart have other
    salts, and those behind the last commit don't count."""
    try:
        data = log.read_bytes()
    except FileNotFoundError:
        return set()
    salts = data[16:24]
    found: set[int] = set()
    open_: set[int] = set()
    step = _FRAME_HEAD_BYTES + page_bytes
    for start in range(_LOG_HEAD_BYTES, len(data) - step + 1, step):
        page, size_after = struct.unpack_from(">II", data, start)
        if data[start + 8 : start + 16] != salts:
            break
        open_.add(page)
        if size_after:  # a commit
            found |= open_
            open_ = set()
    return found
