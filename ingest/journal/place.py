"""Where the journal lies: a private file on a disk that keeps its word.

Promised before a run begins: the directory is 0700 and the file, its `-wal` and `-shm` are 0600
from their first byte and no links; the file system is one that SQLite's write-ahead log works on.
The log's index is shared memory, which a network file system does not share between hosts
(sqlite.org/wal.html), so one is refused by its name in /proc/self/mountinfo: statfs says nothing
useful for most of FUSE.

A new journal is made beside its place, with its schema, and renamed into it. So a journal that is
there is whole: an empty one, or one without its tables, was cut, and is refused rather than taken
for a job that has not sent anything yet.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from ingest.errors import SettingsError

SIDES = ("-wal", "-shm")
MOUNTINFO = Path("/proc/self/mountinfo")
_KERNEL = (
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs",
    "gfs2",
    "gpfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "pvfs2",
    "smb2",
    "smb3",
    "smbfs",
)
_FUSE = (
    "ceph",
    "ceph-fuse",
    "davfs",
    "davfs2",
    "gcsfuse",
    "glusterfs",
    "goofys",
    "grpcfuse",
    "juicefs",
    "mount-s3",
    "moosefs",
    "nfs",
    "osxfs",
    "rclone",
    "s3fs",
    "seaweedfs",
    "smbnetfs",
    "sshfs",
)
NETWORK_TYPES = frozenset((*_KERNEL, *(f"fuse.{name}" for name in _FUSE)))
_STATE_DIR = "name another place with --state-dir DIR (or INGEST_STATE_DIR)"
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_SPELLED = re.compile(r"\\([0-7]{3})")


def unusable(path: Path, why: str) -> SettingsError:
    """The journal can't be kept at `path`."""
    return SettingsError(f"the journal can't be kept: {path}: {why}", _STATE_DIR)


def damaged(path: Path, why: str) -> SettingsError:
    """The journal at `path` does not say any more what was sent."""
    return SettingsError(
        f"the journal is damaged: {path}: {why}",
        "put it back from a copy; or look at what the table holds, and begin anew with --restart",
    )


def file_system_of(path: Path, mountinfo: str) -> str | None:
    """The type of the file system that holds `path` (absolute, links resolved); None if unknown.

    `mountinfo` is as proc(5) describes it. Of mounts on one point the last hides the others.
    """
    found: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = Path(_SPELLED.sub(lambda m: chr(int(m[1], 8)), fields[4]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (found is None or depth >= found[0]):
            found = depth, right.split(" ")[0]
    return found[1] if found else None


def refuse_network(directory: Path, mountinfo: Path = MOUNTINFO) -> None:
    """Raise SettingsError if `directory` lies on a network file system."""
    try:
        text = os.fsdecode(mountinfo.read_bytes())
    except OSError:
        return  # no Linux, or no /proc: nothing to ask
    kind = file_system_of(directory.resolve(), text)
    if kind in NETWORK_TYPES:
        raise unusable(directory, f"it lies on a network file system ({kind})")


def make_directory(directory: Path) -> None:
    """Make the job's directory, 0700. Raises SettingsError where that can't be done."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    except OSError as exc:
        raise unusable(directory, exc.strerror or str(exc)) from exc


def is_there(path: Path) -> bool:
    """Whether a journal stands at `path`, after making it and its side files private.

    Raises SettingsError for a link, for what is no plain file, and for side files alone.
    """
    there = [one for one in (path, *sides(path)) if _made_private(one)]
    if there and path not in there:
        raise damaged(path, f"only {there[0].name} is left of it")
    return bool(there)


def sides(path: Path) -> list[Path]:
    """The files that SQLite keeps beside a database."""
    return [path.with_name(path.name + side) for side in SIDES]


def create_private(path: Path) -> None:
    """An empty file, 0600, none of which was there before. Raises OSError."""
    for one in (path, *sides(path)):
        one.unlink(missing_ok=True)  # of a making that was killed; the job's lock is held
    os.close(os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600))


def move_into_place(made: Path, path: Path) -> None:
    """Rename `made` to `path`, durably. Raises OSError."""
    _sync(made, os.O_RDONLY)
    made.rename(path)
    for directory in path.parents[:3]:  # down to the state directory: they may be as new
        _sync(directory, os.O_RDONLY | os.O_DIRECTORY)


def set_aside(path: Path) -> Path | None:
    """Move a journal that can't be read out of the way (`--restart`); where to, None if none.

    Raises SettingsError where that can't be done.
    """
    target = next(
        free
        for number in range(1, 10_000)
        if not os.path.lexists(free := path.with_name(f"{path.name}.damaged-{number}"))
    )
    moved = None
    try:
        for one, to in zip((path, *sides(path)), (target, *sides(target)), strict=True):
            if os.path.lexists(one):
                one.rename(to)
                moved = target
    except OSError as exc:
        raise unusable(path, exc.strerror or str(exc)) from exc
    return moved


def _made_private(path: Path) -> bool:
    try:
        handle = os.open(path, _FLAGS)
    except FileNotFoundError:
        return False
    except OSError as exc:
        why = "it is a link" if exc.errno == errno.ELOOP else exc.strerror or str(exc)
        raise unusable(path, why) from exc
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise unusable(path, "it is no plain file")
        os.fchmod(handle, 0o600)
    except OSError as exc:
        raise unusable(path, exc.strerror or str(exc)) from exc
    finally:
        os.close(handle)
    return True


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
