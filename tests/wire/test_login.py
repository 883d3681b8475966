"""A token that is refused while a run goes on, and one that comes to its end."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from email.utils import formatdate

import anyio
import anyio.lowlevel
import orjson
import pytest

from ingest.errors import (
    IngestError,
    Retryable,
    SettingsError,
    StoppedByService,
    Unauthorized,
)
from ingest.wire import CallError, HeaderValues, Login, Secret, Senses, TokenSource, Wire
from ingest.wire.login import LONGEST_SLEEP_S, RENEWAL_S
from tests.batches import sized_batch
from tests.fake_server import FakeServer, Line, response
from tests.jwt import jwt
from tests.wire.scripts import OK, Clock

pytestmark = pytest.mark.anyio

OLD, NEW, NEWER = "old-0123456789", "new-0123456789", "newer-0123456789"
REFUSED = response(403, b'{"message":"Invalid or expired token"}')
LACKING = response(403, b'{"message":"no permission to write"}')
NOW = 1_000_000.0
SAME = jwt(NOW + 1_000)


class Service:
    """A fake service that lets in who bears one of `good`."""

    def __init__(self, *good: str, refusal: bytes = REFUSED, answer: bytes = OK) -> None:
        self.good = set(good)
        self.refusal = refusal
        self.answer = answer
        self.borne: list[str] = []

    def __call__(self, line: Line) -> None:
        while (request := line.read()) is not None:
            token = request.headers["authorization"].removeprefix("Bearer ")
            self.borne.append(token)
            line.send(self.answer if token in self.good else self.refusal)


class Place:
    """Where tokens come from: gives these in turn, the last again and again. An error is raised."""

    def __init__(self, *tokens: str | IngestError) -> None:
        self.tokens = list(tokens)
        self.asked = 0
        self.begun = anyio.Event()
        self.gate: anyio.Event | None = None

    async def ask(self) -> HeaderValues:
        self.asked += 1
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        found = self.tokens[min(self.asked, len(self.tokens)) - 1]
        if isinstance(found, IngestError):
            raise found
        return bearer(found)


def bearer(token: str) -> dict[str, str | Secret]:
    """The header of a token."""
    return {"Authorization": Secret(token).prefixed("Bearer ")}


class Notes(list[str]):
    """What a person was told; never a token."""

    def __call__(self, message: str) -> None:
        assert not [token for token in (OLD, NEW, NEWER) if token in message]
        self.append(message)


def login_of(
    place: Place | None, clock: Clock | None = None, token: str = OLD
) -> tuple[Login, Notes]:
    """A login that asks there."""
    notes = Notes()
    source = TokenSource("the file", place.ask if place else None)
    senses = Senses(clock or Clock(), lambda: NOW, lambda: 0.5)
    return Login(bearer(token), source, senses, notes), notes


def wire_of(server: FakeServer, login: Login, clock: Clock | None = None) -> Wire:
    """A wire that shows it."""
    return Wire(server.base_url, login, senses=Senses(clock or Clock(), lambda: NOW, lambda: 0.5))


async def refusal_of(wire: Wire) -> Unauthorized | Retryable:
    """What a batch ends with."""
    with pytest.raises((Unauthorized, Retryable)) as caught:
        await wire.post_batch("/b", sized_batch(100))
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert OLD not in shown
    assert NEW not in shown
    return caught.value  # type: ignore[return-value] # one of the two


async def test_another_token_is_surely_not_applied_and_goes_on():
    """The batch is Retryable with the service's words; the next request bears the new one."""
    service, place = Service(OLD), Place(NEW)
    login, notes = login_of(place)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = {NEW}
            trouble = await refusal_of(wire)
            await wire.post_batch("/b", sized_batch(100))
    assert type(trouble) is Retryable
    assert (trouble.status, "expired token" in trouble.message) == (403, True)
    assert service.borne == [OLD, OLD, NEW]
    assert "asking the file" in notes[0]
    assert "in use now" in notes[1]


@pytest.mark.parametrize("writers", [1, 2, 8])
async def test_the_token_is_asked_for_once_for_all_who_were_refused(writers):
    """One question, and every refused request is told to go again."""
    service, place = Service(OLD), Place(NEW)
    login, _ = login_of(place)
    kinds = []
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = {NEW}

            async def write() -> None:
                kinds.append(type(await refusal_of(wire)))
                await wire.post_batch("/b", sized_batch(100))

            # All are sent before any is answered: nobody reads until everybody has begun.
            place.gate = anyio.Event()
            async with anyio.create_task_group() as tasks:
                for _ in range(writers):
                    tasks.start_soon(write)
                while service.borne.count(OLD) <= writers:  # noqa: ASYNC110 - it is in threads
                    await anyio.sleep(0.001)
                place.gate.set()
    assert kinds == [Retryable] * writers
    assert place.asked == 1
    assert service.borne == [OLD] * (writers + 1) + [NEW] * writers


async def test_nobody_begins_a_request_while_a_token_is_asked_for():
    """Batches and small calls wait, and bear the new one then."""
    service, place = Service(OLD), Place(NEW)
    login, _ = login_of(place)
    place.gate = anyio.Event()
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = {NEW}
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(refusal_of, wire)
                await place.begun.wait()
                tasks.start_soon(wire.post_batch, "/b", sized_batch(100))
                tasks.start_soon(wire.call, "GET", "/c")
                tasks.start_soon(wire.once, "POST", "/d")
                await anyio.wait_all_tasks_blocked()
                assert service.borne == [OLD, OLD]
                place.gate.set()
    assert service.borne == [OLD, OLD, NEW, NEW, NEW]


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (None, "Invalid or expired token"),
        (OLD, "(the file gives no other token)"),
        (SettingsError("it ended with code 1"), "(no other token: it ended with code 1)"),
        (NEW, "(and the one before it was refused, too)"),
    ],
)
async def test_a_refusal_stands_where_no_other_token_comes(gives, words):
    """None, the same, a question that fails, and one that is refused as well."""
    place = Place(gives) if gives else None
    service = Service(OLD)
    login, _ = login_of(place)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = set()
            first = await refusal_of(wire)
            trouble = await refusal_of(wire)
    assert type(first) is (Retryable if gives == NEW else Unauthorized)
    assert type(trouble) is Unauthorized
    assert trouble.message.endswith(words)
    assert place is None or place.asked == 1


@pytest.mark.parametrize(("passed_s", "asked"), [(0, 1), (RENEWAL_S - 1, 1), (RENEWAL_S, 2)])
async def test_after_a_refusal_it_is_asked_at_most_once_a_minute(passed_s, asked):
    """So a service that refuses every token comes to an end, and one that rotates does not."""
    clock, service, place = Clock(), Service(OLD), Place(NEW, NEWER)
    login, _ = login_of(place, clock)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = {NEW}
            await refusal_of(wire)
            await wire.post_batch("/b", sized_batch(100))
            service.good = {NEWER}
            clock.now += passed_s
            trouble = await refusal_of(wire)
    assert type(trouble) is (Retryable if asked == 2 else Unauthorized)
    assert place.asked == asked


async def test_a_token_that_never_worked_is_not_renewed():
    """It is wrong, and said to be so at once."""
    place = Place(NEW)
    login, notes = login_of(place)
    with FakeServer(Service(NEW)) as server:
        async with wire_of(server, login) as wire:
            assert type(await refusal_of(wire)) is Unauthorized
            with pytest.raises(SettingsError):
                await wire.call("GET", "/c")
    assert (place.asked, notes) == (0, [])


@pytest.mark.parametrize("status", [404, 400, 409, 503, 500])
async def test_what_shows_that_a_token_works(status):
    """An answer that only somebody who was let in gets; a busy service's is none."""
    service, place = Service(OLD, answer=response(status, b'{"message":"no"}')), Place(NEW)
    login, _ = login_of(place)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            with pytest.raises(Exception, match="no"):
                await wire.once("GET", "/c")
    assert login.worked is (status < 500)


async def test_missing_rights_are_said_and_no_reason_to_ask():
    """The token is known; another one of the same place lacks them, too."""
    service, place = Service(OLD, refusal=LACKING), Place(NEW)
    login, _ = login_of(place)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.call("GET", "/c")
            service.good = set()
            trouble = await refusal_of(wire)
            with pytest.raises(SettingsError, match="lacks the rights for this: no perm") as caught:
                await wire.call("PUT", "/t")
    assert type(trouble) is Unauthorized
    assert trouble.message == "it lacks the rights for this: no permission to write"
    assert "rights" in caught.value.hint
    assert place.asked == 0


@pytest.mark.parametrize(
    ("refusal", "before", "kind"),
    [
        (REFUSED, "nothing", SettingsError),
        (LACKING, "nothing", SettingsError),
        (REFUSED, "a call", StoppedByService),
        (LACKING, "a call", SettingsError),
        (response(403), "a call", SettingsError),
        (REFUSED, "a batch", StoppedByService),
        (LACKING, "a batch", StoppedByService),
        (response(403), "a batch", StoppedByService),
    ],
)
async def test_a_refused_call_is_a_matter_of_settings_or_of_later(refusal, before, kind):
    """2 while nothing was taken and the token is wrong or lacks rights; 7 for one that worked."""
    service = Service(OLD, refusal=refusal)
    login, _ = login_of(None)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            if before == "a call":
                await wire.call("GET", "/c")
            if before == "a batch":
                await wire.post_batch("/b", sized_batch(100))
            service.good = set()
            with pytest.raises(kind) as caught:
                await wire.call("GET", "/c")
    assert not isinstance(caught.value, CallError)
    assert caught.value.hint


@pytest.mark.parametrize("calls_s", [0, 60])
async def test_a_call_goes_on_with_another_token(calls_s):
    """By itself, and whatever time the question took."""
    clock, service, place = Clock(), Service(OLD), Place(NEW)
    login, _ = login_of(place, clock)
    with FakeServer(service) as server:
        async with wire_of(server, login, clock) as wire:
            await wire.call("GET", "/c")
            service.good = {NEW}
            assert await wire.call("POST", "/c", json={}) == {"count": 1}
    assert service.borne == [OLD, OLD, NEW]
    assert clock.slept == []


async def test_old_and_new_tokens_are_blotted_out_of_words():
    """A service that echoes either does not publish it."""
    said = orjson.dumps({"message": f"neither Bearer {OLD} nor {NEW} is valid"})
    service, place = Service(OLD), Place(NEW)
    login, _ = login_of(place)
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = set()
            await refusal_of(wire)
            service.refusal = response(403, said)
            trouble = await refusal_of(wire)
    assert trouble.message.startswith("neither *** nor *** is valid")
    assert OLD not in repr(vars(login)) + repr(vars(wire))
    assert NEW not in repr(vars(login)) + repr(vars(wire))


async def test_a_question_that_is_cut_short_lets_the_others_on():
    """The run is stopped while a token is asked for: nothing waits for ever."""
    service, place = Service(OLD), Place(NEW)
    login, _ = login_of(place)
    place.gate = anyio.Event()
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = set()
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(refusal_of, wire)
                    await place.begun.wait()
                    scope.cancel()
            with anyio.fail_after(5):
                assert await login.ready() == 0


# --- the end that is known ------------------------------------------------------------------


class Stepping(Clock):
    """A clock that stops the watch after so many sleeps."""

    def __init__(self, sleeps: int, on_sleep: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.sleeps = sleeps
        self.on_sleep = on_sleep

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == self.sleeps:
            await anyio.sleep_forever()
        await super().sleep(seconds)
        self.on_sleep()


async def watched(login: Login) -> list[IngestError]:
    """What the watch tells, until it ends or waits for ever."""
    told: list[IngestError] = []
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(login.watch, told.append)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    return told


@pytest.mark.parametrize(("left_s", "at_s"), [(10, 9), (600, 540), (3_000, 2_940)])
async def test_a_run_ends_before_a_token_that_has_no_other(left_s, at_s):
    """A minute before or a tenth of its life; the message has the moment and the way on."""
    clock = Stepping(3)
    login, _ = login_of(None, clock, jwt(NOW + left_s))
    (error,) = await watched(login)
    assert isinstance(error, StoppedByService)
    assert (error.exit_code, error.retryable) == (7, True)
    assert "(the file) expires at 1970-01-12 1" in error.message
    assert "same command" in error.hint
    assert clock.now == pytest.approx(at_s)


async def test_a_token_without_an_end_is_waited_for_in_vain():
    """In sleeps that no event loop stumbles over."""
    clock = Stepping(3)
    login, _ = login_of(Place(NEW), clock)
    assert await watched(login) == []
    assert clock.slept == [LONGEST_SLEEP_S] * 3


async def test_a_token_is_renewed_ahead_of_its_end():
    """Each by its own end, without a request having been refused."""
    clock = Stepping(2)
    first, second, third = (jwt(NOW + end) for end in (600, 1_540, 9_000))
    place = Place(second, third)
    login, notes = login_of(place, clock, first)
    seen: list[dict[float, int]] = []
    clock.on_sleep = lambda: seen.append({clock.now: place.asked})
    assert await watched(login) == []
    # The second one is reckoned at 540 with the wall clock of the test, which stands still.
    assert seen[0] == {540: 0}
    assert place.asked == 2
    assert login.number == 2
    assert login.revealed() == {"Authorization": f"Bearer {third}"}
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("gives", "asked"),
    [
        ((SAME,), 3),
        ((SettingsError("it is away"),), 3),
        ((SAME, NEW), 2),
        ((SAME, SettingsError("it is away"), NEW), 3),
    ],
)
async def test_a_place_that_gives_the_old_token_is_asked_again_nearer_the_end(gives, asked):
    """A minute before, half of it, a quarter: programs that cache give a new one late."""
    token, place = SAME, Place(*gives)
    clock = Stepping(3)
    login, _ = login_of(place, clock, token)
    told = await watched(login)
    renewed = NEW in place.tokens
    assert place.asked == asked
    assert bool(told) is not renewed
    assert clock.slept[:asked] == pytest.approx([940, 30, 15][:asked])
    if told:
        last = place.tokens[-1]
        assert ("gives no other" if last == token else "it is away") in told[0].message


@pytest.mark.parametrize("ahead_s", [-3_600, -11, 0, 9, 11, 500, 3_600])
async def test_the_end_is_reckoned_by_the_services_clock(ahead_s):
    """Where the clocks differ by more than some seconds, and that is said; not where the token,
    which just worked, would have ended by it."""
    date = {"Date": formatdate(NOW + ahead_s, usegmt=True)}
    login, notes = login_of(None, Clock(), jwt(NOW + 1_000))
    assert login.deadline
    with FakeServer(Service(jwt(NOW + 1_000), answer=response(200, b"{}", headers=date))) as server:
        async with wire_of(server, login) as wire:
            await wire.call("GET", "/a")
            await wire.call("GET", "/b")
    corrected = abs(ahead_s) > 10 and ahead_s < 1_000
    assert login.deadline.at_s == 1_000 - (ahead_s if corrected else 0)
    assert len(notes) == corrected
    if corrected:
        assert f"{abs(ahead_s)} s {'behind' if ahead_s > 0 else 'ahead of'}" in notes[0]


@pytest.mark.parametrize(
    "headers", [{}, {"Date": "yesterday"}, {"Date": formatdate(NOW + 500), "Age": "3"}]
)
async def test_a_date_that_tells_nothing_changes_nothing(headers):
    """None, garbage, and that of a stored answer."""
    login, notes = login_of(None, Clock(), jwt(NOW + 1_000))
    answer = response(200, b"{}", headers=headers)
    with FakeServer(Service(jwt(NOW + 1_000), answer=answer)) as server:
        async with wire_of(server, login) as wire:
            await wire.call("GET", "/a")
    assert login.deadline
    assert (login.deadline.at_s, notes) == (1_000, [])


async def test_a_token_that_replaced_a_refused_one_is_watched_at_once():
    """The watch slept for one without an end; it does not oversleep that of the new one."""
    service, place = Service(OLD), Place(jwt(NOW + 100))
    login, _ = login_of(place)
    told: list[IngestError] = []
    with FakeServer(service) as server:
        async with wire_of(server, login) as wire:
            await wire.post_batch("/b", sized_batch(100))
            service.good = set()
            async with anyio.create_task_group() as tasks:
                sleeping = SleepingClock()
                login._senses = Senses(sleeping, lambda: NOW)
                tasks.start_soon(login.watch, told.append)
                await anyio.wait_all_tasks_blocked()
                assert sleeping.slept == [LONGEST_SLEEP_S]
                await refusal_of(wire)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
    assert sleeping.slept[1] == pytest.approx(90)


class SleepingClock(Clock):
    """A clock that stands still; whoever sleeps is woken from outside or never."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("left_s", "gives", "words"),
    [(100, None, "the run ends before that"), (100, NEW, "asked for again before"),
     (3_600, None, "expires at"), (3_601, None, ""), (None, None, "")],
)  # fmt: skip
async def test_an_end_that_is_near_is_said_at_the_start(left_s, gives, words):
    """With what will come of it; nothing where it is far or not known."""
    token = OLD if left_s is None else jwt(NOW + left_s)
    login, _ = login_of(Place(gives) if gives else None, Clock(), token)
    said = login.outlook(3_600)
    assert words in said
    assert bool(said) == bool(words)
    assert token not in said
