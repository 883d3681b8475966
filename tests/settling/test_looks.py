"""Looking again: nothing is settled as absent before its time, and no late commit is missed."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import StoppedByService, TargetError
from ingest.settling.looks import CountMismatch, Look, Patience, answered, judged, watched
from tests.fakes import JumpingClock
from tests.settling.fakes import Run

pytestmark = pytest.mark.anyio
SPANS_S = st.floats(0, 300, allow_nan=False)


class Scene:
    """A clock, and looks that are written down: `shows` says what one at an instant shows."""

    def __init__(self, shows, longest_s: float = 60.0, ago_s: float = 0.0) -> None:
        self.clock = JumpingClock()
        self.run = Run(self.clock)
        self.start_s = self.clock.now
        self.due_s = self.start_s - ago_s + longest_s
        self.looked_s: list[float] = []
        self.shows = shows

    async def look(self) -> Look:
        self.looked_s.append(self.clock.now - self.start_s)
        found = self.shows(self.looked_s[-1])
        return found if isinstance(found, Look) else found[len(self.looked_s) - 1]

    async def watched(self) -> Look:
        return await watched(self.look, Patience(self.due_s, self.clock, self.run.wait_until))


async def test_what_is_there_is_seen_at_once():
    """One look, no wait."""
    for seen in (Look.WHOLE, Look.EXCESS, Look.UNKNOWN):
        scene = Scene(lambda _, seen=seen: seen)
        assert await scene.watched() is seen
        assert scene.looked_s == [0]
        assert scene.clock.slept == []


async def test_looks_grow_apart_up_to_the_servers_time():
    """Seven in a minute, the last when it has passed."""
    scene = Scene(lambda _: Look.ABSENT)
    assert await scene.watched() is Look.ABSENT
    assert scene.looked_s == [0, 1, 3, 7, 15, 31, 60]


@given(SPANS_S, SPANS_S)
@settings(max_examples=60, deadline=None)
async def test_absence_needs_two_looks_and_the_time(longest_s, ago_s):
    """However long it is, and however long ago the attempt was."""
    scene = Scene(lambda _: Look.ABSENT, longest_s, ago_s)
    assert await scene.watched() is Look.ABSENT
    assert len(scene.looked_s) >= 2
    assert scene.start_s + scene.looked_s[-1] >= scene.due_s
    assert sum(scene.clock.slept) <= max(0.0, longest_s - ago_s) + 1e-6


async def test_after_the_time_the_second_look_comes_at_once():
    """A client that was killed long ago has waited enough."""
    scene = Scene(lambda _: Look.ABSENT, 60.0, 3600.0)
    assert await scene.watched() is Look.ABSENT
    assert scene.looked_s == [0, 0]


@given(st.floats(0, 60, allow_nan=False), st.sampled_from([Look.ABSENT, Look.TORN]))
@settings(max_examples=60, deadline=None)
async def test_a_commit_within_the_time_is_never_missed(at_s, before):
    """And is seen soon: after at most twice as long, and a second."""
    scene = Scene(lambda now_s: Look.WHOLE if now_s >= at_s else before)
    assert await scene.watched() is Look.WHOLE
    assert scene.looked_s[-1] <= 2 * at_s + 1


async def test_a_part_that_stays_is_told_after_the_time():
    """Not before: it may be a commit under way."""
    scene = Scene(lambda now_s: Look.TORN if now_s else Look.ABSENT)
    assert await scene.watched() is Look.TORN
    assert scene.looked_s[-1] == 60


async def test_records_that_went_again_settle_nothing():
    """A look that showed some and a later one that shows none don't agree."""
    looks = [Look.ABSENT, Look.TORN, Look.ABSENT, Look.ABSENT]
    scene = Scene(lambda _: looks, 7.0)
    assert await scene.watched() is Look.UNKNOWN


async def test_trouble_in_a_later_look_settles_nothing():
    """The client has retried it already."""
    scene = Scene(lambda now_s: Look.UNKNOWN if now_s >= 3 else Look.ABSENT)
    assert await scene.watched() is Look.UNKNOWN
    assert scene.looked_s == [0, 1, 3]


@pytest.mark.parametrize("looks", [1, 2, 3])
async def test_a_run_that_is_ended_waits_no_longer(looks):
    """Whenever that is; what was not settled then is not settled."""
    scene = Scene(lambda _: Look.ABSENT)

    def shows(_now_s: float) -> Look:
        scene.run.ending = len(scene.looked_s) == looks
        return Look.ABSENT

    scene.shows = shows
    assert await scene.watched() is Look.UNKNOWN
    assert len(scene.looked_s) == looks
    assert len(scene.clock.slept) == looks - 1


async def test_a_wait_can_be_cancelled():
    """It holds nothing, and nothing of it goes on."""
    scene = Scene(lambda _: Look.ABSENT)
    forever, waiting = anyio.Event(), anyio.Event()

    async def wait_until(_instant_s: float) -> bool:
        waiting.set()
        await forever.wait()
        raise AssertionError("it was cancelled")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched, scene.look, Patience(scene.due_s, scene.clock, wait_until))
        await waiting.wait()
        tasks.cancel_scope.cancel()
    assert scene.looked_s == [0]


async def test_others_go_on_while_one_waits():
    """A wait is its own task's alone."""
    late, quick = Scene(lambda _: Look.ABSENT, 0.5), Scene(lambda _: Look.WHOLE)
    waiting, released = anyio.Event(), anyio.Event()
    ends: list[Look] = []

    async def wait_until(instant_s: float) -> bool:
        waiting.set()
        await released.wait()
        return await late.run.wait_until(instant_s)

    async def waits() -> None:
        ends.append(await watched(late.look, Patience(late.due_s, late.clock, wait_until)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits)
        await waiting.wait()
        ends.append(await quick.watched())
        assert ends == [Look.WHOLE]
        released.set()
    assert ends == [Look.WHOLE, Look.ABSENT]


@pytest.mark.parametrize(
    ("found", "expected", "seen"),
    [(0, 1, Look.ABSENT), (1, 1, Look.WHOLE), (2, 1, Look.EXCESS), (0, 500, Look.ABSENT),
     (1, 500, Look.TORN), (499, 500, Look.TORN), (500, 500, Look.WHOLE), (501, 500, Look.EXCESS),
     (-1, 500, Look.TORN)],
)  # fmt: skip
def test_a_count_is_judged_by_the_batchs(found, expected, seen):
    """None, some, all, more; rows that went missing are no absence."""
    assert judged(found, expected) is seen


async def test_a_question_without_an_answer_is_none_and_said():
    """In the error's words."""
    notes: list[str] = []

    async def failing() -> int:
        raise StoppedByService("the service is down")

    async def well() -> int:
        return 3

    assert await answered(well(), notes.append) == 3
    assert notes == []
    assert await answered(failing(), notes.append) is None
    assert len(notes) == 1
    assert "the service is down" in notes[0]


def test_a_mismatch_stops_the_run_as_not_verified():
    """Exit code 6, and no retry."""
    error = CountMismatch("x")
    assert isinstance(error, TargetError)
    assert (error.exit_code, error.retryable) == (6, False)
