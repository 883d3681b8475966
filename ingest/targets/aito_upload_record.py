"""A file upload to aito as a journal keeps it: its state, and all that is needed to go on. Pure.

A signed URL is not part of it: a new one is asked for. Neither is what each status tells anew: how
many rows are done is kept while a process follows the upload, but is no reason for a commit
(`is_further`).
"""

from __future__ import annotations

import enum
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import asdict, replace


class State(enum.Enum):
    """How far an upload is."""

    SPOOLED = "spooled"
    INITIALISED = "initialised"
    UPLOADED = "uploaded"
    TRIGGERING = "triggering"
    TRIGGERED = "triggered"
    FINISHED = "finished"
    GIVEN_UP = "given_up"


class Upload(Struct, frozen=True):
    """One spool on its way. `records` are in it, `id` is the service's, `place` the URL without its
    query, `expires_at` that URL's end (Unix seconds).

    `rows_before` are the table's rows before the trigger, where known; `triggers` were sent that
    may have worked; `completed` and `listed` (failing) rows are the most that a status ever showed;
    `expired` URLs were refused in a row. `words` are the last trouble's.
    """

    records: int
    state: State = State.SPOOLED
    id: str = ""
    place: str = ""
    expires_at: float | None = None
    rows_before: int | None = None
    triggers: int = 0
    completed: int = 0
    listed: int = 0
    expired: int = 0
    words: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a journal."""
        return {**asdict(self), "state": self.state.value}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Upload:
        """What `as_json` gave. Raises ValueError or TypeError for anything else."""
        return cls(**{**values, "state": State(values.get("state"))})

    def as_text(self) -> str:
        """`as_json` as one line."""
        return orjson.dumps(self.as_json()).decode()

    @classmethod
    def from_text(cls, text: str) -> Upload:
        """What `as_text` gave. Raises ValueError or TypeError for anything else."""
        values = orjson.loads(text)
        if not isinstance(values, dict):
            raise TypeError("no JSON object")
        return cls.from_json(values)

    def is_further(self, recorded: Upload) -> bool:
        """Whether a process that goes on from `recorded` would do otherwise than from this."""
        return _lasting(self) != _lasting(recorded)


def _lasting(upload: Upload) -> Upload:
    return replace(upload, completed=0, listed=0, words="")


def doubt(upload: Upload, rows_after: int | None, stall_timeout_s: float) -> str:
    """What is known of an upload that was given up, in words for the report."""
    before = upload.rows_before
    known = "how many rows the table had and has is not known"
    if before is not None and rows_after is not None:
        known = f"the table had {before:,} rows before and has {rows_after:,}"
        if rows_after - before == upload.records:
            known += f": exactly the {upload.records:,} more that were sent, if nobody else writes"
    twice = ", triggered twice" if upload.triggers > 1 else ""
    last = f"; the last words: {upload.words}" if upload.words else ""
    return (
        f"file upload {upload.id}{twice}: no progress for {stall_timeout_s:g} s and no end;"
        f" {upload.completed:,} of {upload.records:,} rows completed as far as was seen;"
        f" {known}{last}"
    )
