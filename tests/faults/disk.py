"""A small disk of a test's own: a file system in a mount namespace, seen by the commands in it.

The machine's other processes don't see it, and it goes with the namespace. The test reaches its
files through the namespace's root in /proc, to fill the disk and to make room on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """`place` is where commands find it, `view` where the test does; `prefix` starts a command."""

    place: Path
    view: Path
    prefix: tuple[str, ...]

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave no more than so much."""
        with (self.view / "filler").open("ab", buffering=0) as filler:
            while self.free_bytes() > leave_bytes:
                filler.write(bytes(min(PIECE, self.free_bytes() - leave_bytes)))

    def free_bytes(self) -> int:
        """What is left."""
        found = os.statvfs(self.view)
        return found.f_bavail * found.f_frsize

    def make_room(self) -> None:
        """Take the filler away."""
        (self.view / "filler").unlink()


def why_not() -> str | None:
    """Why there can be no such disk here; None where there can."""
    if os.geteuid() != 0:
        return "a mount needs root"
    if missing := [name for name in ("unshare", "nsenter", "mount") if not shutil.which(name)]:
        return f"{', '.join(missing)} (util-linux) not installed"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True, check=False,
    )  # fmt: skip
    return None if tried.returncode == 0 else f"no mount here: {tried.stderr.decode()}"


@contextmanager
def small_disk(place: Path, size_bytes: int) -> Iterator[Disk]:
    """A disk of that size at `place`, for the time of the block."""
    place.mkdir()
    make = f'mount -t tmpfs -o mode=700,size={size_bytes} tmpfs "$1" && echo made && exec cat'
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", make, "sh", place],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as keeper:  # fmt: skip
        assert keeper.stdin
        assert keeper.stdout
        try:
            assert keeper.stdout.readline() == b"made\n"
            root = Path(f"/proc/{keeper.pid}/root")
            prefix = ("nsenter", "-t", str(keeper.pid), "-m")
            yield Disk(place, root / place.relative_to("/"), prefix)
        finally:
            keeper.stdin.close()
            keeper.wait(10)
