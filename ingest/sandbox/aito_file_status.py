"""What the status of a file upload says, from the session's record. Pure.

Documented: `status` with `finished`, `completedCount`, `lastSuccessfulElement`, `startedAt` (as
20180730T172233.473+0300), and `errors` with the message "Last N failing rows" and `rows`, null or
at most 50. Seen: `throughput`, without which the real client polls for ever.

Everything about uploaded files that nobody published stands in this list of guesses:

- `completedCount` counts the rows that landed, without the failing ones.
- N is the number of rows that are listed, so it is never more than 50.
- A failing row is `{"row": ..., "message": ...}`: the element as it stood in the file, or its text
  where it is no JSON or longer than `ROW_BYTES` (then cut). Where the file itself could not be read
  on, `row` is null and the message says why.
- `lastSuccessfulElement` is null before any row landed, and where the last one is longer than
  `LAST_BYTES`.
- `throughput` is rows landed in a second, a number.
- Before the trigger a status is answered too: nothing done, `startedAt` null.
- A trigger is answered with the id; a second one is refused with 400 "already", one before the
  upload with 400; an id that is unknown or another table's is a 404.
- The service takes the uploaded body away when it is triggered: from then on it is not on S3.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

ROWS_LISTED = 50
ROW_BYTES = 16 * 1024  # fifty of them, escaped, and a last one must fit into one row of SQLite
LAST_BYTES = 1_000_000

WAITING, RUNNING, FINISHED = "waiting", "running", "finished"
NO_ROW: Final = b""


class Session(Struct, frozen=True):
    """One file's upload: what was done of it. Times are seconds of the epoch.

    `read` lines were taken from the file, blank ones not counted; `completed` of them landed.
    `failing` are the last failing rows as JSON texts, `last` the last line that landed.
    """

    id: str
    table: str
    api: str
    state: str = WAITING
    started_s: float = 0.0
    ended_s: float = 0.0
    read: int = 0
    completed: int = 0
    failing: tuple[bytes, ...] = ()
    last: bytes = NO_ROW

    def after(self, lines: Sequence[bytes], bad: Sequence[tuple[int, str]]) -> Session:
        """The session once `lines` were tried and those at the indexes in `bad` left out."""
        failed = dict(bad)
        good = next((lines[n] for n in reversed(range(len(lines))) if n not in failed), self.last)
        rows = [failing_row(lines[index], message) for index, message in bad[-ROWS_LISTED:]]
        return replace(
            self.with_failing(rows),
            read=self.read + len(lines),
            completed=self.completed + len(lines) - len(failed),
            last=good if len(good) <= LAST_BYTES else NO_ROW,
        )

    def with_failing(self, rows: Sequence[bytes]) -> Session:
        """The session with more failing rows behind those it has."""
        return replace(self, failing=(*self.failing, *rows)[-ROWS_LISTED:])

    def as_json(self, now_s: float) -> dict[str, Any]:
        """The status object."""
        status = {
            "finished": self.state == FINISHED,
            "completedCount": self.completed,
            "lastSuccessfulElement": orjson.Fragment(self.last) if self.last else None,
            "startedAt": _stamp(self.started_s) if self.state != WAITING else None,
            "throughput": self._throughput(now_s),
        }
        rows = [orjson.Fragment(row) for row in self.failing]
        message = f"Last {len(rows)} failing rows"
        return {"status": status, "errors": {"message": message, "rows": rows or None}}

    def _throughput(self, now_s: float) -> float:
        end_s = self.ended_s if self.state == FINISHED else now_s
        seconds = end_s - self.started_s
        return round(self.completed / seconds, 1) if self.completed and seconds > 0 else 0.0


def failing_row(line: bytes | None, message: str) -> bytes:
    """One entry of the list, as JSON."""
    return orjson.dumps({"row": None if line is None else _element(line), "message": message})


class Backwards:
    """The fault `status-backwards`: after an answer that shows n rows, one that shows fewer.

    Both say that the processing still goes on, as an answer from a place that lags behind would;
    the next one is true again. A hit before anything has landed waits until something has.
    """

    def __init__(self) -> None:
        self._due: set[str] = set()
        self._shown: dict[str, int] = {}

    def shown(self, session: Session, *, hit: bool) -> Session:
        """What a status answer shows of `session`."""
        if hit:
            self._due.add(session.id)
        if session.id in self._shown:
            fewer = self._shown.pop(session.id) // 2
            return replace(session, state=RUNNING, completed=fewer)
        if session.id in self._due and session.completed:
            self._due.remove(session.id)
            self._shown[session.id] = session.completed
            return replace(session, state=RUNNING)
        return session


def _element(line: bytes) -> object:
    """The line's own JSON, digits and all, where it is JSON; else its text."""
    if len(line) <= ROW_BYTES and _is_json(line):
        return orjson.Fragment(line)
    return line[:ROW_BYTES].decode(errors="replace")


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _stamp(moment_s: float) -> str:
    moment = datetime.fromtimestamp(moment_s, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}+0000"
