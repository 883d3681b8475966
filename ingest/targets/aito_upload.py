"""A file upload to aito as data: the states it goes through, and what is done next. Pure.

::

    SPOOLED ─init▶ INITIALISED ─PUT▶ UPLOADED ─▶ TRIGGERING ─trigger▶ TRIGGERED ─▶ FINISHED
       ▲                │                ▲            │ ▲                  │
       └── expired ─────┘                └─ refused ──┘ └─ once more       └──▶ GIVEN_UP

`Upload` is what a journal keeps (`aito_upload_record`). `advance` decides from an upload's course,
what happened and the time.

Laws:

- *A file is triggered blindly once.* TRIGGERING is recorded before the request goes out. Back from
  it leads only an answer that means "surely not begun" (refused, or no connection). A lost answer
  leads to the status. Only where that knows nothing of the upload (404, or not begun) for
  `trigger_grace_s`, and the table has exactly as many rows as before the trigger, is it triggered
  once more, and never a third time. That it was triggered twice is remembered: a refusal of the
  second trigger ("already") says nothing of the first.
- *A file that was put is not there for ever.* Where an attempt goes on with one that was put before
  and its trigger is refused, the status is asked; if that knows of nothing begun, the file is put
  once more.
- *Polling ends.* It goes on as long as the upload gets further: more completed rows or more failing
  ones than ever before. Going backwards, 404, 500, HTML are borne until `stall_timeout_s` have
  passed without that; then the upload is given up, which is *ambiguous*. One that was given up, or
  that a journal gives back, is looked at again, and followed again if it got further meanwhile.
- *Pauses between polls* double from `FIRST_WAIT_S` to `LONGEST_WAIT_S` and never shrink; the
  service may ask for longer ones, up to `ASKED_WAIT_S`.

The row count is no proof of success, not even where it grew by exactly the number of rows sent:
others may write to the table, and to call lost rows loaded is the one thing this program must not
do. It is told to people, who know who writes there. It does hold a second trigger back, for which
a wrong count costs nothing but doubt.
"""

from __future__ import annotations

import enum

from msgspec import Struct
from msgspec.structs import replace

from ingest.targets.aito_file_answers import Status
from ingest.targets.aito_upload_events import (
    Absent,
    Counted,
    Event,
    Initialised,
    PutFailed,
    Seen,
    Stored,
    Triggering,
    TriggerLost,
    TriggerRefused,
    TriggerTaken,
    Unclear,
)
from ingest.targets.aito_upload_record import State, Upload, doubt

__all__ = ["Course", "Do", "Rules", "State", "Upload", "advance", "begin", "doubt"]

FIRST_WAIT_S = 0.05  # small files are done at once; the doubling soon makes the waits long
LONGEST_WAIT_S = 10.0
ASKED_WAIT_S = 60.0
EXPIRED_IN_A_ROW = 3


class Rules(Struct, frozen=True):
    """Limits in seconds: without any progress; and before a second trigger."""

    stall_timeout_s: float = 900.0
    trigger_grace_s: float = 60.0


class Do(enum.Enum):
    """The next step. AGAIN, STOP, FINISH and GIVE_UP end an attempt: it may be begun anew, the run
    stops, the status says the rest, nobody knows."""

    INIT = "init"
    PUT = "put"
    TRIGGER = "trigger"
    LOOK = "look"
    COUNT = "count"
    AGAIN = "again"
    STOP = "stop"
    FINISH = "finish"
    GIVE_UP = "give_up"


class Course(Struct, frozen=True):
    """An upload under way: what to do next after `wait_s`, and what only this process knows.

    Times are of the monotonic clock: `advanced_s`, when it last got further; `absent_s`, since when
    the service knows nothing of it. `interval_s` is the next pause between polls. `put_before`:
    the file was there when this attempt began; `missed`: its trigger was refused since.
    """

    upload: Upload
    rules: Rules
    do: Do
    wait_s: float
    advanced_s: float
    interval_s: float = FIRST_WAIT_S
    absent_s: float | None = None
    no_more_triggers: bool = False
    put_before: bool = False
    missed: bool = False


_BEGIN = {State.SPOOLED: Do.INIT, State.INITIALISED: Do.INIT, State.UPLOADED: Do.TRIGGER}


def begin(upload: Upload, rules: Rules, now_s: float) -> Course:
    """The course of an upload that is new, or taken up again where it stood."""
    given_up = upload.state is State.GIVEN_UP
    # The time of one that was given up is over: only if it got further is it followed again.
    advanced_s = now_s - rules.stall_timeout_s if given_up else now_s
    return Course(
        upload,
        rules,
        _BEGIN.get(upload.state, Do.LOOK),
        0.0,
        advanced_s,
        no_more_triggers=given_up,
        put_before=upload.state is State.UPLOADED,
    )


def advance(course: Course, event: Event, now_s: float) -> Course:
    """The course after `event`."""
    match event:
        case Initialised() | Stored() | PutFailed():
            return _uploading(course, event)
        case Triggering() | TriggerTaken() | TriggerRefused() | TriggerLost():
            return _triggering(course, event, now_s)
        case Seen(status):
            return _seen(course, status, now_s)
        case Absent(words):
            return _absent(course, words, now_s)
        case Unclear(words, retry_after_s):
            return _look(_noted(course, words), now_s, retry_after_s)
        case Counted(rows):
            return _counted(course, rows, now_s)


def _uploading(course: Course, event: Initialised | Stored | PutFailed) -> Course:
    upload = course.upload
    match event:
        case Initialised(id_, place, expires_at):
            upload = replace(
                upload, state=State.INITIALISED, id=id_, place=place, expires_at=expires_at
            )
            return _next(course, upload, Do.PUT)
        case Stored():
            return _next(course, replace(upload, state=State.UPLOADED, expired=0), Do.TRIGGER)
        case PutFailed(words, expired):
            upload = replace(
                upload,
                state=State.SPOOLED,
                id="",
                expired=upload.expired + 1 if expired else 0,
                words=words,
            )
            return _next(course, upload, Do.STOP if upload.expired > EXPIRED_IN_A_ROW else Do.AGAIN)


def _triggering(
    course: Course, event: Triggering | TriggerTaken | TriggerRefused | TriggerLost, now_s: float
) -> Course:
    upload = course.upload
    match event:
        case Triggering(rows):
            before = rows if not upload.triggers else upload.rows_before
            upload = replace(
                upload, state=State.TRIGGERING, triggers=upload.triggers + 1, rows_before=before
            )
            return replace(_next(course, upload, Do.TRIGGER), advanced_s=now_s, absent_s=None)
        case TriggerTaken():
            upload = replace(upload, state=State.TRIGGERED)
            return _look(replace(course, upload=upload), now_s)
        case TriggerRefused(words, unknown=True) if upload.triggers == 1 and course.put_before:
            upload = replace(upload, state=State.UPLOADED, triggers=0, words=words)
            return _look(replace(course, upload=upload, put_before=False, missed=True), now_s)
        case TriggerRefused(words) if upload.triggers == 1:
            upload = replace(upload, state=State.UPLOADED, triggers=0, words=words)
            return _next(course, upload, Do.AGAIN)
        case TriggerRefused(words) | TriggerLost(words):
            return _look(_noted(course, words), now_s)


def _seen(course: Course, status: Status, now_s: float) -> Course:
    upload = course.upload
    if course.missed and not status.begun:
        return _put_anew(course)
    if status.finished:
        upload = replace(
            upload, state=State.FINISHED, completed=status.completed, listed=len(status.rows)
        )
        return _next(course, upload, Do.FINISH)
    if not status.begun and upload.state is not State.TRIGGERED:
        return _absent(course, "the status says that it was not begun", now_s)
    further = upload.state is State.TRIGGERING or (
        status.completed > upload.completed or len(status.rows) > upload.listed
    )
    upload = replace(
        upload,
        state=State.TRIGGERED if status.begun else upload.state,
        triggers=max(upload.triggers, int(status.begun)),
        completed=max(upload.completed, status.completed),
        listed=max(upload.listed, len(status.rows)),
    )
    advanced_s = now_s if further else course.advanced_s
    return _look(replace(course, upload=upload, advanced_s=advanced_s, absent_s=None), now_s)


def _absent(course: Course, words: str, now_s: float) -> Course:
    if course.missed:
        return _put_anew(course)
    course = _noted(course, words)
    since_s = now_s if course.absent_s is None else course.absent_s
    course = replace(course, absent_s=since_s)
    upload = course.upload
    may_again = (
        upload.state is State.TRIGGERING
        and upload.triggers == 1
        and upload.rows_before is not None
        and not course.no_more_triggers
    )
    if may_again and now_s - since_s >= course.rules.trigger_grace_s:
        return _next(course, upload, Do.COUNT)
    return _look(course, now_s)


def _put_anew(course: Course) -> Course:
    upload = replace(course.upload, state=State.SPOOLED, id="")
    return _next(replace(course, missed=False), upload, Do.INIT)


def _counted(course: Course, rows: int | None, now_s: float) -> Course:
    """The answer to whether the table is as it was before the trigger."""
    if rows is not None and rows == course.upload.rows_before:
        return _next(course, course.upload, Do.TRIGGER)
    return _look(replace(course, no_more_triggers=rows is not None), now_s)


def _look(course: Course, now_s: float, asked_s: float = 0.0) -> Course:
    """Ask for the status after a pause, or give up if it got no further for too long."""
    if now_s - course.advanced_s >= course.rules.stall_timeout_s:
        return _next(course, replace(course.upload, state=State.GIVEN_UP), Do.GIVE_UP)
    wait_s = max(course.interval_s, min(asked_s, ASKED_WAIT_S))
    interval_s = min(2 * course.interval_s, LONGEST_WAIT_S)
    return replace(course, do=Do.LOOK, wait_s=wait_s, interval_s=interval_s)


def _next(course: Course, upload: Upload, do: Do) -> Course:
    return replace(course, upload=upload, do=do, wait_s=0.0)


def _noted(course: Course, words: str) -> Course:
    return replace(course, upload=replace(course.upload, words=words))
