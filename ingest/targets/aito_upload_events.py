"""What may happen to a file upload to aito: the words that `aito_upload` decides by. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.targets.aito_file_answers import Status


@dataclass(frozen=True, slots=True)
class Initialised:
    """The service gave an id and a URL."""

    id: str
    place: str
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The PUT was accepted."""


@dataclass(frozen=True, slots=True)
class PutFailed:
    """The PUT was not accepted and may be repeated; `expired`: only with a new URL."""

    words: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Triggering:
    """The trigger is about to go out; the table has so many rows, if that is known."""

    rows: int | None


@dataclass(frozen=True, slots=True)
class TriggerTaken:
    """The trigger was answered well."""


@dataclass(frozen=True, slots=True)
class TriggerRefused:
    """Surely not begun by this trigger; `unknown`: perhaps because the service has no such file."""

    words: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class TriggerLost:
    """Perhaps begun."""

    words: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A status came."""

    status: Status


@dataclass(frozen=True, slots=True)
class Absent:
    """The service does not know the upload (404)."""

    words: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The status could not be had, or is none."""

    words: str
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Counted:
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
