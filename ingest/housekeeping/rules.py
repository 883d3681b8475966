"""Why an earlier run stays although it is old enough to go. Pure.

Nothing may be lost that somebody may still need: what a later run would take up, rejects that can
be mended and replayed, and whatever belongs to a job that is running. The first two go if they are
asked for, the last never does.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from ingest.housekeeping.listing import State


class Kept(enum.Enum):
    """Why a run stays; the value says it of it."""

    YOUNG = "used meanwhile"
    HELD = "of a job that is running"
    UNFINISHED = "unfinished: without a report that can be read"
    RESUMABLE = "not done: the job's next run takes it up"
    REJECTS = "with rejects, which can still be mended"


class Wanted(Struct, frozen=True):
    """What shall go: runs unused for more than `older_than_s` seconds, of one job or of all."""

    older_than_s: float
    job: str | None = None
    unfinished: bool = False
    with_rejects: bool = False


class Facts(Struct, frozen=True):
    """What decides about a run. `latest` in its job's books; `held`: its job's lock is."""

    age_s: float
    state: State
    latest: bool
    held: bool
    rejects: bool


def why_kept(facts: Facts, wanted: Wanted) -> Kept | None:
    """Why a run stays; None if it may go."""
    if facts.age_s <= wanted.older_than_s:
        return Kept.YOUNG
    if facts.held:
        return Kept.HELD
    if facts.state in ("unfinished", "unreadable"):
        kept = None if wanted.unfinished else Kept.UNFINISHED
    elif facts.state != "done" and facts.latest:
        kept = None if wanted.unfinished else Kept.RESUMABLE
    else:
        kept = None
    return kept or (Kept.REJECTS if facts.rejects and not wanted.with_rejects else None)
