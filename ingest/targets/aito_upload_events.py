"""What may happen to a file upload to aito: the words that `aito_upload` decides by. Data only."""

from __future__ import annotations

from msgspec import Struct

from ingest.targets.aito_file_answers import Status


class Initialised(Struct, frozen=True):
    """The service gave an id and a URL."""

    id: str
    place: str
    expires_at: float | None


class Stored(Struct, frozen=True):
    """The PUT was accepted."""


class PutFailed(Struct, frozen=True):
    """The PUT was not accepted and may be repeated; `expired`: only with a new URL."""

    words: str
    expired: bool = False


class Triggering(Struct, frozen=True):
    """The trigger is about to go out; the table has so many rows, if that is known."""

    rows: int | None


class TriggerTaken(Struct, frozen=True):
    """The trigger was answered well."""


class TriggerRefused(Struct, frozen=True):
    """Surely not begun by this trigger; `unknown`: perhaps because the service has no such file."""

    words: str
    unknown: bool = False


class TriggerLost(Struct, frozen=True):
    """Perhaps begun."""

    words: str


class Seen(Struct, frozen=True):
    """A status came."""

    status: Status


class Absent(Struct, frozen=True):
    """The service does not know the upload (404)."""

    words: str


class Unclear(Struct, frozen=True):
    """The status could not be had, or is none."""

    words: str
    retry_after_s: float = 0.0


class Counted(Struct, frozen=True):
    """The table's rows now; None: it could not be asked."""

    rows: int | None


Event = (
    Initialised
    | Stored
    | PutFailed
    | Triggering
    | TriggerTaken
    | TriggerRefused
    | TriggerLost
    | Seen
    | Absent
    | Unclear
    | Counted
)
