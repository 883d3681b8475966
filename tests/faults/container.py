"""What `confined` starts in new namespaces, still as root: makes the surroundings, then becomes the
command. The standard library only, since it is started for every command.

The interpreter and the project must be readable for the user, and may lie below a directory that
is root's own (a home directory, pytest's temporary one). Nothing outside is changed for it: within
the private mount namespace each such directory is covered by an empty one that anybody may enter,
and what is needed from below it is mounted there again.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

USER = 1234
HANDLES = 64
HOLD = Path("/mnt")  # an open directory that nothing here lies below; covered, in there only


def _closed_above(place: Path) -> Path | None:
    """The uppermost directory above `place` that a stranger may not enter."""
    above = [*reversed(place.parents)]
    return next((one for one in above if not one.stat().st_mode & 0o001), None)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def _open_up(places: list[Path]) -> None:
    """Make `places` reachable, by covering the closed directories above them."""
    shut = {place: above for place in places if (above := _closed_above(place)) is not None}
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", HOLD)
    for number, place in enumerate(shut):
        (HOLD / str(number)).mkdir()
        _mount("--bind", place, HOLD / str(number))
    for above in sorted(set(shut.values())):
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", above)
    for number, place in enumerate(shut):
        place.mkdir(parents=True, exist_ok=True)
        _mount("--bind", HOLD / str(number), place)


def _become(wanted: dict[str, Any]) -> None:
    folder = Path(wanted["folder"])
    places = [Path(sys.base_prefix), Path(sys.prefix), Path(wanted["root"]), folder]
    _open_up([place.resolve() for place in places])
    work = folder / "work"
    _mount("--bind", work, work)
    _mount("-o", "remount,ro,bind", work)
    os.chdir(work)
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, HANDLES))
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    assert os.getpid() == 1
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": wanted["root"], "LANG": "C"}
    line = [sys.executable, "-P", "-m", "ingest.cli", *wanted["arguments"]]
    os.execve(sys.executable, line, {**env, **wanted["env"]})


if __name__ == "__main__":
    _become(json.loads(sys.argv[1]))
