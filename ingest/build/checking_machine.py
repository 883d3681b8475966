"""What this machine has for a run: measured here, judged by `operations.check_machine`. Blocks."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path

from ingest.errors import IngestError
from ingest.journal.place import MOUNTINFO, file_system_of, refuse_network
from ingest.journal.room import RESERVE_BYTES
from ingest.operations import check_machine as judge
from ingest.operations.check_finding import Finding
from ingest.state import StateDir

RESERVED_BYTES = 2 * RESERVE_BYTES


def state_directory(state: StateDir, job: str, mountinfo: Path = MOUNTINFO) -> list[Finding]:
    """Whether a run can keep its books there, and whether they last."""
    path = state.path
    exists = os.path.lexists(path)
    there = nearest(path)
    place = judge.Place(
        shown=str(path),
        exists=exists,
        trouble=_trouble(path, there, exists=exists),
        mode=stat.S_IMODE(path.stat().st_mode) if exists and path.is_dir() else 0o700,
        file_system=_file_system(there, mountinfo),
    )
    if not place.trouble:
        kept = state.lock_path(job).parent
        journal = _no_journal(there, mountinfo) or _unwritable(kept)
        place = judge.Place(place.shown, exists, "", journal, place.mode, place.file_system)
    return judge.state_directory(place)


def room(path: Path, needed_bytes: int, what: str) -> list[Finding]:
    """Free space where the state directory is or will be."""
    there = nearest(path)
    return [judge.room(shutil.disk_usage(there).free, needed_bytes, what, str(there))]


def open_files(in_flight: int) -> list[Finding]:
    """This process's limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [judge.open_files(None if soft == resource.RLIM_INFINITY else soft, in_flight)]


def nearest(path: Path) -> Path:
    """The directory itself, or the nearest one above that is there."""
    path = path.absolute()
    return next((one for one in (path, *path.parents) if one.exists()), Path("/"))


def _trouble(path: Path, there: Path, *, exists: bool) -> str:
    """Why nothing can be written there, or ''. Where the directory is there it is tried."""
    try:
        if exists and not path.is_dir():
            return "is no directory" if not path.is_symlink() else "is a link that leads nowhere"
        if not there.is_dir():
            return f"{there} is no directory"
        if not exists:
            writable = os.access(there, os.W_OK | os.X_OK)
            return "" if writable else f"can't be made: {there} can't be written"
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
            file.flush()
    except OSError as exc:
        return f"can't be written: {exc.strerror or exc}"
    return ""


def _unwritable(kept: Path) -> str:
    """Why the job's own directory can't be used, if it is there already."""
    if kept.is_dir() and not os.access(kept, os.W_OK | os.X_OK):
        return f"{kept} can't be written"
    return ""


def _no_journal(there: Path, mountinfo: Path) -> str:
    """Why no journal can be kept here, or ''. A write-ahead log is really made and removed."""
    try:
        refuse_network(there, mountinfo)
    except IngestError as error:
        return error.message
    try:
        with tempfile.TemporaryDirectory(prefix=".ingest-check-", dir=there) as folder:
            connection = sqlite3.connect(Path(folder) / "journal.sqlite")
            try:
                mode = connection.execute("pragma journal_mode = wal").fetchone()[0]
                connection.execute("create table one (n integer)")
                connection.commit()
            finally:
                connection.close()
    except (OSError, sqlite3.Error) as exc:
        return f"no journal can be kept there: {exc}"
    return "" if mode == "wal" else f"no write-ahead log there: SQLite says {mode}"


def _file_system(there: Path, mountinfo: Path) -> str | None:
    try:
        text = os.fsdecode(mountinfo.read_bytes())
    except OSError:
        return None
    return file_system_of(there.resolve(), text)
