"""A file upload's states and decisions, as tables and as laws."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.targets.aito_file_answers import Status
from ingest.targets.aito_upload import Course, Do, Rules, State, Upload, advance, begin, doubt
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

RULES = Rules(stall_timeout_s=900, trigger_grace_s=60)
NEW = Upload(100)
BEGUN = Status(False, 0, True)
NOT_BEGUN = Status(False, 0, False)
ENDED = Status(True, 100, True)


def running(completed: int, *rows: object) -> Status:
    """A status that goes on."""
    return Status(False, completed, True, rows)


def follow(upload: Upload, *happened: tuple[float, Event]) -> Course:
    """The course after events at these seconds."""
    course = begin(upload, RULES, 0.0)
    for now_s, event in happened:
        course = advance(course, event, now_s)
    return course


def triggered_at(now_s: float, rows: int | None = 7, event: Event | None = None):
    """The way up to a trigger that goes out at `now_s` and ends with `event`."""
    return (
        (0.0, Initialised("id", "https://s3/x?***", 5.0)),
        (now_s, Stored()),
        (now_s, Triggering(rows)),
        (now_s, event or TriggerTaken()),
    )


@pytest.mark.parametrize(
    ("state", "do"),
    [
        (State.SPOOLED, Do.INIT),
        (State.INITIALISED, Do.INIT),  # its URL was kept nowhere
        (State.UPLOADED, Do.TRIGGER),
        (State.TRIGGERING, Do.LOOK),
        (State.TRIGGERED, Do.LOOK),
        (State.FINISHED, Do.LOOK),
        (State.GIVEN_UP, Do.LOOK),
    ],
)
def test_where_an_upload_is_taken_up(state, do):
    """New, or as a journal gives it back: never with a trigger if one may be out."""
    course = begin(Upload(100, state, "id", triggers=int(do is Do.LOOK)), RULES, 50.0)
    assert (course.do, course.wait_s) == (do, 0.0)


def test_the_straight_way():
    """Init, PUT, trigger, look, finish."""
    way: list[tuple[Event, State, Do]] = [
        (Initialised("id", "place", 5.0), State.INITIALISED, Do.PUT),
        (Stored(), State.UPLOADED, Do.TRIGGER),
        (Triggering(7), State.TRIGGERING, Do.TRIGGER),
        (TriggerTaken(), State.TRIGGERED, Do.LOOK),
        (Seen(running(40)), State.TRIGGERED, Do.LOOK),
        (Seen(ENDED), State.FINISHED, Do.FINISH),
    ]
    course = begin(NEW, RULES, 0.0)
    for event, state, do in way:
        course = advance(course, event, 1.0)
        assert (course.upload.state, course.do) == (state, do)
    assert course.upload == Upload(
        100, State.FINISHED, "id", "place", 5.0, rows_before=7, triggers=1, completed=100
    )


@pytest.mark.parametrize(
    ("failures", "do"),
    [(0, Do.PUT), (1, Do.AGAIN), (2, Do.AGAIN), (3, Do.AGAIN), (4, Do.STOP)],
)
def test_expired_addresses_are_borne_three_times_in_a_row(failures, do):
    """Each gets a new one; the fourth stops the run."""
    upload = NEW
    course = advance(begin(upload, RULES, 0.0), Initialised("id", "p", 1.0), 0.0)
    for _ in range(failures):
        course = advance(begin(upload, RULES, 0.0), Initialised("id", "p", 1.0), 0.0)
        course = advance(course, PutFailed("expired", expired=True), 0.0)
        upload = course.upload
        assert (upload.state, upload.id) == (State.SPOOLED, "")
    assert course.do is do


@pytest.mark.parametrize("between", [PutFailed("SlowDown"), Stored()])
def test_something_else_in_between_ends_the_row(between):
    """Only the same trouble again and again points to the clocks."""
    course = follow(replace(NEW, expired=3), (0, Initialised("id", "p", 1.0)), (0, between))
    assert course.upload.expired == 0
    assert course.do is not Do.STOP


def test_a_refused_trigger_may_be_sent_again():
    """It surely began nothing: the file is up, and only the trigger is repeated."""
    course = follow(NEW, *triggered_at(1.0, event=TriggerRefused("429")))
    assert (course.do, course.upload.state, course.upload.triggers) == (
        Do.AGAIN, State.UPLOADED, 0,
    )  # fmt: skip
    assert begin(course.upload, RULES, 2.0).do is Do.TRIGGER


@pytest.mark.parametrize(
    ("event", "do", "state"),
    [
        (Absent("404"), Do.INIT, State.SPOOLED),
        (Seen(Status(finished=False, completed=0, begun=False)), Do.INIT, State.SPOOLED),
        (Unclear("500"), Do.LOOK, State.UPLOADED),
        (Seen(running(1)), Do.LOOK, State.TRIGGERED),
        (Seen(ENDED), Do.FINISH, State.FINISHED),
    ],
)
def test_a_file_that_was_put_before_and_is_unknown(event, do, state):
    """Only where the status knows of nothing begun is it put again; one that has begun counts as
    triggered."""
    missed = (1.0, Triggering(7)), (1.0, TriggerRefused("404", unknown=True))
    course = follow(replace(NEW, state=State.UPLOADED, id="id"), *missed)
    assert (course.do, course.upload.state, course.upload.triggers) == (
        Do.LOOK, State.UPLOADED, 0,
    )  # fmt: skip
    course = advance(course, event, 2.0)
    assert (course.do, course.upload.state) == (do, state)
    assert course.upload.triggers == (state is State.TRIGGERED)
    if do is Do.INIT:  # and that once: the trigger of the new one is judged as any
        again: list[tuple[float, Event]]
        again = [(3.0, Initialised("new", "p", None)), (3.0, Stored()), *missed]
        for now_s, happened in again:
            course = advance(course, happened, now_s)
        assert (course.do, course.upload.id) == (Do.AGAIN, "new")


def lost(*then: tuple[float, Event], rows: int | None = 7) -> Course:
    """A trigger at second 0 without an answer, and what came after it."""
    return follow(NEW, *triggered_at(0.0, rows, TriggerLost("no answer")), *then)


def test_a_lost_trigger_is_followed_by_a_look():
    """Never by a trigger."""
    course = lost()
    assert (course.do, course.upload.state) == (Do.LOOK, State.TRIGGERING)


@pytest.mark.parametrize("nothing", [Absent("404"), Seen(NOT_BEGUN)])
@pytest.mark.parametrize(("until_s", "do"), [(1, Do.LOOK), (60, Do.LOOK), (61, Do.COUNT)])
def test_only_after_the_grace_the_rows_are_counted(nothing, until_s, do):
    """404, or a status that says it has not begun, for 60 s since the first of them at second 1."""
    assert lost((1.0, nothing), (until_s, nothing)).do is do


def test_the_same_rows_as_before_let_it_be_triggered_once_more():
    """And once only."""
    course = lost((1.0, Absent("404")), (61.0, Absent("404")), (62.0, Counted(7)))
    assert course.do is Do.TRIGGER
    for event in (Triggering(99), TriggerLost("again")):
        course = advance(course, event, 63.0)
    assert (course.do, course.upload.triggers, course.upload.rows_before) == (Do.LOOK, 2, 7)
    for now_s in (64.0, 200.0, 900.0, 962.0):
        course = advance(course, Absent("404"), now_s)
        assert course.do is Do.LOOK
    course = advance(course, Absent("404"), 963.0)
    assert (course.do, course.upload.state) == (Do.GIVE_UP, State.GIVEN_UP)


@pytest.mark.parametrize("rows", [0, 6, 8, 107, None])
def test_other_rows_than_before_hold_the_second_trigger_back(rows):
    """Somebody's rows came, perhaps ours; an unknown number may be asked again."""
    course = lost((1.0, Absent("404")), (61.0, Absent("404")), (62.0, Counted(rows)))
    assert course.do is Do.LOOK
    assert advance(course, Absent("404"), 72.0).do is (Do.COUNT if rows is None else Do.LOOK)
    assert advance(course, Absent("404"), 900.0).do in (Do.GIVE_UP, Do.COUNT)


def test_unknown_rows_before_hold_it_back_too():
    """There is nothing to compare with."""
    course = lost((1.0, Absent("404")), (61.0, Absent("404")), rows=None)
    assert course.do is Do.LOOK


def test_unclear_answers_alone_never_lead_to_a_second_trigger():
    """500 and HTML say nothing of the upload."""
    course = lost(*((float(n), Unclear("500")) for n in range(0, 900, 30)))
    assert course.do is Do.LOOK
    assert advance(course, Unclear("500"), 900.0).do is Do.GIVE_UP


def test_a_status_that_shows_it_begun_settles_a_lost_trigger():
    """From then on it is triggered, and a 404 is only a 404."""
    course = lost((1.0, Absent("404")), (30.0, Seen(BEGUN)))
    assert course.upload.state is State.TRIGGERED
    for now_s in (31.0, 120.0, 500.0, 929.0):
        course = advance(course, Absent("404"), now_s)
        assert course.do is Do.LOOK
    assert advance(course, Absent("404"), 930.0).do is Do.GIVE_UP


def test_a_refusal_of_the_second_trigger_says_nothing_of_the_first():
    """ "Already triggered" may be its words."""
    course = lost((1.0, Absent("404")), (61.0, Absent("404")), (62.0, Counted(7)))
    for event in (Triggering(7), TriggerRefused("already triggered")):
        course = advance(course, event, 63.0)
    assert (course.do, course.upload.state) == (Do.LOOK, State.TRIGGERING)


@pytest.mark.parametrize(
    "event",
    [Absent("404"), Unclear("500"), Seen(running(0)), Seen(running(40)), Seen(running(39)),
     Seen(NOT_BEGUN)],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize(("now_s", "do"), [(909.0, Do.LOOK), (910.0, Do.GIVE_UP)])
def test_nothing_new_is_borne_until_the_stall_timeout(event, now_s, do):
    """404, 500, standing still, going backwards: 900 s since the last advance."""
    course = follow(NEW, *triggered_at(0.0), (10.0, Seen(running(40))), (now_s, event))
    assert course.do is do


@pytest.mark.parametrize("status", [running(41), running(40, {"a": 1})])
def test_any_advance_gives_it_new_time(status):
    """More completed rows than ever, or more failing ones."""
    course = follow(NEW, *triggered_at(0.0), (10.0, Seen(running(40))), (905.0, Seen(status)))
    assert course.do is Do.LOOK
    assert advance(course, Absent("404"), 1804.0).do is Do.LOOK
    assert advance(course, Absent("404"), 1805.0).do is Do.GIVE_UP


def test_going_to_and_fro_is_no_advance():
    """The most ever seen counts."""
    back_and_forth = [(float(10 + n), Seen(running(40 - n % 2))) for n in range(899)]
    course = follow(NEW, *triggered_at(0.0), *back_and_forth)
    assert course.do is Do.LOOK
    assert advance(course, Seen(running(40)), 910.0).do is Do.GIVE_UP
    assert course.upload.completed == 40


def test_pauses_double_to_ten_seconds_and_never_shrink():
    """An advance changes nothing about them."""
    course = follow(NEW, *triggered_at(0.0))
    waits = [course.wait_s]
    for n in range(11):
        course = advance(course, Seen(running(n)), float(n))
        waits.append(course.wait_s)
    doubled = [0.05 * 2**n for n in range(8)]
    assert waits == pytest.approx([*doubled, 10.0, 10.0, 10.0, 10.0])


@pytest.mark.parametrize(("asked_s", "wait_s"), [(0.0, 0.1), (1.0, 1.0), (30.0, 30.0),
                                                 (86_400.0, 60.0)])  # fmt: skip
def test_the_service_may_ask_for_longer_pauses(asked_s, wait_s):
    """Bounded, so that the deadline is kept."""
    course = follow(NEW, *triggered_at(0.0), (0.5, Unclear("429", asked_s)))
    assert course.wait_s == wait_s


def test_one_that_was_given_up_is_looked_at_once():
    """And given up again if it got no further."""
    upload = Upload(100, State.GIVEN_UP, "id", triggers=1, rows_before=7, completed=40)
    for event in (Absent("404"), Unclear("500"), Seen(running(40)), Seen(NOT_BEGUN)):
        assert advance(begin(upload, RULES, 5.0), event, 5.1).do is Do.GIVE_UP
    assert advance(begin(upload, RULES, 5.0), Seen(ENDED), 5.1).do is Do.FINISH
    further = advance(begin(upload, RULES, 5.0), Seen(running(41)), 5.1)
    assert further.do is Do.LOOK
    assert advance(further, Seen(running(41)), 904.0).do is Do.LOOK


@pytest.mark.parametrize("state", State)
def test_json_and_back(state):
    """What a journal keeps; it holds no URL but the place."""
    upload = Upload(100, state, "id", "https://s3/x?***", 1.5, 7, 1, 40, 2, 3, "words")
    text = orjson.dumps(upload.as_json())
    assert Upload.from_json(orjson.loads(text)) == upload


@pytest.mark.parametrize("values", [{}, {"state": "x", "records": 1}, {"state": "spooled"},
                                    {"records": 1, "state": "spooled", "more": 1}])  # fmt: skip
def test_other_json_is_refused(values):
    """A journal of another version, or a broken one."""
    with pytest.raises((ValueError, TypeError)):
        Upload.from_json(values)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (7, 107, "exactly the 100 more"),
        (7, 7, "had 7 rows before and has 7"),
        (7, 47, "had 7 rows before and has 47"),
        (None, 7, "not known"),
        (7, None, "not known"),
    ],
)
def test_a_doubt_says_what_is_known(before, after, said):
    """Completed rows, the table's rows, the last words, a second trigger."""
    upload = Upload(
        100, State.GIVEN_UP, "id", rows_before=before, triggers=2, completed=40, words="404: no"
    )
    words = doubt(upload, after, 900)
    for part in (said, "id", "900 s", "40 of 100", "404: no", "twice"):
        assert part in words
    assert ("exactly" in words) == (after == 107)
    assert "twice" not in doubt(replace(upload, triggers=1), after, 900)


STATUSES = st.builds(
    Status, st.booleans(), st.integers(0, 5), st.booleans(), st.tuples() | st.tuples(st.just({}))
)
AFTER_TRIGGER = st.one_of(
    st.builds(Seen, STATUSES), st.just(Absent("404")), st.just(Unclear("500", 9.0))
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.floats(0, 120), AFTER_TRIGGER), max_size=60),
    st.lists(st.integers(6, 8) | st.none(), min_size=60, max_size=60),
    st.sampled_from([TriggerTaken(), TriggerLost("x"), TriggerRefused("y")]),
)
def test_whatever_happens_it_is_triggered_twice_at_most_and_comes_to_an_end(events, counts, second):
    """A second trigger only after 60 s of absence and the same count; no third; a look each time
    waits at most a minute, so that the end comes within the stall timeout and a minute."""
    course, now_s = lost(), 0.0
    rows = iter(counts)
    for pause_s, event in events:
        now_s += pause_s
        before = course
        course = advance(course, event, now_s)
        if course.do is Do.COUNT:
            assert before.absent_s is not None
            assert now_s - before.absent_s >= 60
            counted = next(rows)
            course = advance(course, Counted(counted), now_s)
            assert (course.do is Do.TRIGGER) == (counted == 7)
        if course.do is Do.TRIGGER:
            assert before.upload.triggers == 1
            assert before.upload.state is State.TRIGGERING
            course = advance(advance(course, Triggering(0), now_s), second, now_s)
        assert course.upload.triggers <= 2
        assert course.upload.rows_before == 7
        if course.do in (Do.FINISH, Do.GIVE_UP):
            return
        assert course.do is Do.LOOK
        assert 0 < course.wait_s <= 60
        assert now_s - course.advanced_s < RULES.stall_timeout_s
