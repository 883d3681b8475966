"""aito's answers about file uploads, read. Pure.

Documented: what init answers (`id`, `url`, `method`, `expires`) and the status' keys. *Guess*, and
only here:

- `expires` bears no zone and is taken as UTC; one that can't be read is as if it were not there,
  for the URL mostly says it itself;
- a status whose upload has begun shows `startedAt`, or a row done; before the trigger it may show
  neither (or be a 404);
- a file that was put long ago may be there no more: then its trigger is refused with one of
  `FILE_UNKNOWN`;
- whether `completedCount` includes the failing rows is not said (`settled`).

A signed URL stands in init's answer: nothing here raises or keeps it in the clear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from ingest.wire import Secret, safe_words

ROWS_LISTED = 50
FILE_UNKNOWN = (400, 404, 410)
_USUAL = re.compile(r"Last \d+ failing rows")


class Slot(Struct, frozen=True):
    """Where a file may be put. `expires_at` is in Unix seconds."""

    id: str
    url: Secret
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """How far the service is. `rows` are the failing ones it lists, of unknown shape, `message`
    what it says of them."""

    finished: bool
    completed: int
    begun: bool
    rows: tuple[Any, ...] = field(default=(), repr=False)
    message: str = ""


class Settled(Struct, frozen=True):
    """What a finished status means: rows that are in, and rows that may be missing; `words` say why
    nobody knows which."""

    taken: int
    doubtful: int
    words: str = ""


def read_slot(answer: Any) -> Slot | str:
    """The slot in init's answer, or what is wrong with it, without the URL."""
    if not isinstance(answer, dict):
        return "it is no JSON object"
    id_, url = answer.get("id"), answer.get("url")
    if not isinstance(id_, str) or not _is_uuid(id_):
        return "its id is no UUID"
    if answer.get("method") != "PUT":
        return f"its method is {str(answer.get('method'))[:20]!r}, not PUT: nothing was sent"
    if not isinstance(url, str):
        return "its url is no text"
    return Slot(id_, Secret(url), read_moment(answer.get("expires")))


def read_moment(text: Any) -> float | None:
    """Unix seconds of a moment like 2018-07-30T14:41:55, UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def read_status(answer: Any) -> Status | None:
    """The status in an answer; None where there is none in it."""
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        return None
    finished, completed = status.get("finished"), _count(status.get("completedCount"))
    if not isinstance(finished, bool) or completed is None:
        return None
    errors = answer.get("errors")
    rows = errors.get("rows") if isinstance(errors, dict) else None
    message = errors.get("message") if isinstance(errors, dict) else None
    listed = tuple(rows) if isinstance(rows, list) else ()
    begun = finished or completed > 0 or bool(listed) or bool(status.get("startedAt"))
    return Status(finished, completed, begun, listed, message if isinstance(message, str) else "")


def settled(sent: int, status: Status, found: int) -> Settled | str:
    """What a finished status says of `sent` rows, `found` of whose listed failures are known by
    their place; a text where nothing can be said.

    Never more rows are called taken than under any reading of `completedCount`:

    - completed + listed = sent: it counts what landed, and every failure is listed;
    - fewer: there are failures that are not listed, nobody knows which rows;
    - more: it must count failing rows, too. If it is all that was sent, and the list is not full,
      the listed are all that failed; a full list leaves the others open.
    """
    completed, listed = status.completed, len(status.rows)
    if completed > sent:
        return f"it says that {completed:,} rows are completed, and only {sent:,} were sent"
    if completed + listed <= sent:
        taken = completed
    elif completed == sent and listed >= ROWS_LISTED:
        taken = 0
    else:
        taken = max(completed - listed, 0)
    doubtful = sent - taken - found
    return Settled(taken, doubtful, _incomplete(sent, status, found, doubtful) if doubtful else "")


def _incomplete(sent: int, status: Status, found: int, doubtful: int) -> str:
    listed = len(status.rows)
    lost = f" ({listed - found:,} of them not found in the file)" if found < listed else ""
    full = listed >= ROWS_LISTED or status.completed + listed < sent
    said = safe_words(status.message)[:300]
    words = f'; it says "{said}"' if said and not _USUAL.fullmatch(said) else ""
    return (
        f"of {sent:,} rows sent aito completed {status.completed:,} and lists {listed:,} failing"
        f" ones{lost}{'; its list is incomplete' if full else ''}{words}:"
        f" {doubtful:,} rows may be missing and nobody knows which"
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
