"""What the machine has to give: a private place that lasts, room, open files, a clock. Pure.

What was measured is handed in; here it is judged. A state directory on *overlay* is a container's
own layer and one on *tmpfs* is memory: both are gone with it, and the journal with them, so that a
run killed there is not taken up. On Linux outside of a container overlay means a live system, which
forgets as well.
"""

from __future__ import annotations

from msgspec import Struct

from ingest.display import count, size
from ingest.operations.check_finding import Finding

NOT_LASTING = {
    "overlay": "a container's own layer",
    "aufs": "a container's own layer",
    "tmpfs": "memory",
    "ramfs": "memory",
}
SPARE_FILES = 32  # libraries, journal, rejects, inputs that are read ahead
CLOCK_S = 10.0
CLOCK_WRONG_S = 300.0
ELSEWHERE = "name another one with --state-dir DIR (or INGEST_STATE_DIR)"


class Place(Struct, frozen=True):
    """The state directory as it was found. `trouble` says why nothing can be written there (or in
    the nearest directory above, if it is not there yet); `journal` why no journal can be kept."""

    shown: str
    exists: bool
    trouble: str = ""
    journal: str = ""
    mode: int = 0o700
    file_system: str | None = None


def state_directory(place: Place) -> list[Finding]:
    """Writable, private, fit for a journal, lasting."""
    name = "state directory"
    if place.trouble:
        return [Finding(name, "mend", f"{place.shown}: {place.trouble}", ELSEWHERE)]
    if place.journal:
        return [Finding(name, "mend", f"{place.shown}: {place.journal}", ELSEWHERE)]
    there = "is there and writable" if place.exists else "will be made, private"
    found = [Finding(name, "ok", f"{place.shown}: {there}")]
    if place.mode & 0o077:
        mode = f"{place.shown}: others may look into it (mode {place.mode & 0o777:04o})"
        found.append(Finding(name, "warn", mode, f"chmod 700 {place.shown}"))
    kind = place.file_system
    if kind in NOT_LASTING:
        said = f"{place.shown}: lies on {kind}, {NOT_LASTING[kind]}: it does not outlive that"
        mend = "mount a volume and name it with --state-dir DIR, so that a killed run is taken up"
        found.append(Finding("lasting", "warn", said, mend))
    elif kind is not None:
        found.append(Finding("lasting", "ok", f"{place.shown}: lies on {kind}"))
    return found


def room(free_bytes: int, needed_bytes: int, what: str, where: str) -> Finding:
    """Whether what is needed on the disk is free."""
    said = f"{size(free_bytes)} free at {where}, {size(needed_bytes)} needed for {what}"
    if free_bytes >= needed_bytes:
        return Finding("disk", "ok", said)
    mend = "make room, or lower limits.spool_bytes" if "spool" in what else "make room"
    return Finding("disk", "mend", said, mend)


def open_files(limit: int | None, in_flight: int) -> Finding:
    """`limit` is the process's soft limit, None for none."""
    needed = in_flight + 2 + SPARE_FILES
    if limit is None:
        return Finding("open files", "ok", "not limited")
    said = f"ulimit -n is {count(limit)}, about {count(needed)} needed for {in_flight} in flight"
    if limit >= needed:
        return Finding("open files", "ok", said)
    return Finding("open files", "mend", said, f"ulimit -n {needed}, or lower limits.in_flight")


def clock(ahead_s: float) -> Finding:
    """`ahead_s`: how far the service's clock is ahead of this machine's."""
    if abs(ahead_s) <= CLOCK_S:
        return Finding("clock", "ok", "agrees with the service's within 10 s")
    way = "behind" if ahead_s > 0 else "ahead of"
    said = f"this machine's clock is {abs(ahead_s):,.0f} s {way} the service's"
    if abs(ahead_s) <= CLOCK_WRONG_S:
        return Finding("clock", "warn", said, "set it (NTP): tokens and signed URLs end by it")
    return Finding("clock", "mend", said, "set it (NTP): tokens and signed URLs end by it")
