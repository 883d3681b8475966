"""aito by files against a fake service and store: the way of a file, and every way it can fail."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from ingest.errors import (
    Ambiguous,
    IngestError,
    NotFound,
    Permanent,
    QuotaExceeded,
    Retryable,
    StoppedByService,
    TargetError,
    Unauthorized,
)
from ingest.events import FileProgress
from ingest.model import Batch, Refusal, Verdict
from ingest.targets.aito_file import AitoFileTarget
from ingest.targets.aito_upload import State, Upload
from tests.fake_server import FakeServer, Line, answer, response
from tests.fakes import JumpingClock
from tests.targets.fake_aito import (
    EXPIRED,
    ID,
    KEY,
    OK,
    SIGNATURE,
    STORED,
    FakeAito,
    going,
    hang_up,
    said,
    spooled_batch,
    status,
    target_at,
    total,
)

pytestmark = pytest.mark.anyio

RECORDS: list[dict[str, Any]] = [{"n": 1, "s": "ü"}, {"n": 2, "s": "x"}, {"n": 3, "s": None}]
MISSING = said({"message": "no such upload", "status": 404}, 404)
NOT_BEGUN = status(0, finished=False, started=None)
PAGE = response(200, b"<html><title>Sign in</title>", "text/html")


@pytest.fixture
def batch(tmp_path):
    """Three records in a spool."""
    return spooled_batch(tmp_path, RECORDS)


@pytest.fixture
def aito():
    """A fake service that takes everything."""
    with FakeAito() as fake:
        yield fake


async def sent(target: AitoFileTarget, batch) -> Verdict:
    """One attempt."""
    async with target.opened():
        return await target.send(batch)


async def failed(target: AitoFileTarget, batch, kind: type[Exception]) -> Any:
    """What one attempt raises; neither key nor signature can be seen in it."""
    with pytest.raises(kind) as caught:
        await sent(target, batch)
    error: BaseException | None = caught.value
    assert not isinstance(error, Permanent) or isinstance(
        error, Unauthorized | NotFound | QuotaExceeded
    )
    while error is not None:
        summary = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = "".join(f"{f.locals}" for f in summary.stack if "/ingest/targets/" in f.filename)
        shown = "".join(summary.format_exception_only()) + repr(error.__dict__) + ours
        assert SIGNATURE not in shown
        assert KEY not in shown
        error = error.__cause__ or error.__context__
    return caught.value


# --- the straight way ---------------------------------------------------------------------------


async def test_a_file_goes_up_is_triggered_and_followed_to_its_end(aito, batch):
    """Count, init, PUT, trigger, look; the very bytes; empty bodies; what each request bears."""
    states: list[tuple[int, Upload]] = []
    progress: list[FileProgress] = []

    async def keep(batch: Batch, upload: Upload) -> None:
        states.append((batch.number, upload))

    aito.look = [going(0), going(2), status(3)]
    clock = JumpingClock()
    target = target_at(aito.base_url, clock, on_state=keep, on_progress=progress.append)
    verdict = await sent(target, batch)
    assert verdict == Verdict(3)
    assert aito.calls() == ["init", "put", "count", "trigger", "look", "look", "look"]
    (put,) = aito.asked("put")
    assert bytes(put.body) == batch.spool.path.read_bytes()
    assert set(put.headers) == {"host", "content-length"}
    for request in aito.requests:
        assert (request.headers.get("x-api-key") == KEY) == (request is not put)
    for request in (*aito.asked("init"), *aito.asked("trigger")):
        assert request.length == 0
    assert [(number, upload.state) for number, upload in states] == [
        (1, State.INITIALISED),
        (1, State.UPLOADED),
        (1, State.TRIGGERING),
        (1, State.TRIGGERED),  # that two rows are in is no reason for a commit
        (1, State.FINISHED),
    ]
    last = states[-1][1]
    assert (last.id, last.records, last.rows_before, last.triggers) == (ID, 3, 10, 1)
    assert last.expires_at == 1_767_226_200.0
    assert SIGNATURE not in repr(states)
    assert progress == [
        FileProgress("uploading", batch.size_bytes, batch.size_bytes),
        FileProgress("processing", 0, 3),
        FileProgress("processing", 2, 3),
        FileProgress("processing", 3, 3),
    ]
    assert clock.slept == [0.05, 0.1, 0.2]


async def test_that_it_is_triggered_is_recorded_before_it_is(aito, batch):
    """A run that is killed in between finds TRIGGERING in its journal."""
    recorded: list[State] = []

    async def keep(_batch: Batch, upload: Upload) -> None:
        if upload.state is State.TRIGGERING:
            assert "trigger" not in aito.calls()
        recorded.append(upload.state)

    await sent(target_at(aito.base_url, on_state=keep), batch)
    assert State.TRIGGERING in recorded


async def test_batches_from_many_tasks(aito, tmp_path):
    """Each has an upload of its own."""
    batches = [spooled_batch(tmp_path, RECORDS, n) for n in range(1, 5)]
    verdicts: list[Verdict] = []
    target = target_at(aito.base_url)

    async def send(batch) -> None:
        verdicts.append(await target.send(batch))

    async with target.opened(), anyio.create_task_group() as tasks:
        for batch in batches:
            tasks.start_soon(send, batch)
    assert verdicts == [Verdict(3)] * 4
    assert len(aito.asked("trigger")) == 4


async def test_a_row_count_that_can_not_be_had_hinders_nothing(aito, batch):
    """It is best effort."""
    aito.count = [said({"message": "down"}, 503)]
    assert await sent(target_at(aito.base_url), batch) == Verdict(3)


async def test_a_batch_without_a_file_is_a_defect(aito, batch):
    """Said as such; nothing is asked."""
    await failed(target_at(aito.base_url), replace(batch, spool=None), TargetError)
    assert not aito.requests


# --- init ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (said({"message": "no"}, 401), Unauthorized),
        (said({"message": "no"}, 403), Unauthorized),
        (said({"message": "No such table: t"}, 404), NotFound),
        (said({"message": "failed to open 't'"}, 400), NotFound),
        (said({"message": "slow"}, 429), Retryable),
        (response(429, b"Quota Exceeded", "text/plain"), QuotaExceeded),
        (said({"message": "down"}, 503), Retryable),
        (said({"message": "?"}, 500), Retryable),
        (hang_up, Retryable),
        (said({"message": "no files"}, 400), TargetError),
        (said({"message": "gone"}, 409), TargetError),
        (said({"message": "too much"}, 413), TargetError),
        (response(307, b"", None, {"Location": "https://other.example/"}), TargetError),
        (PAGE, TargetError),
        (said([ID]), TargetError),
        (said({}), TargetError),
    ],
)
async def test_a_refused_init_sends_nothing(aito, batch, reply, kind):
    """Nothing is applied; what no retry mends stops the run, and takes nothing apart."""
    aito.init = [reply]
    await failed(target_at(aito.base_url), batch, kind)
    assert aito.calls() == ["init"]


async def test_a_pause_that_init_asks_for_is_passed_on(aito, batch):
    """To the governor, for all writers."""
    aito.init = [response(429, b"{}", headers={"Retry-After": "7"})]
    error = await failed(target_at(aito.base_url), batch, Retryable)
    assert error.retry_after_s == 7.0


async def test_nobody_listening_is_retryable(batch):
    """As for any target."""
    with FakeAito() as fake:
        gone = fake.base_url
    await failed(target_at(gone), batch, Retryable)


async def resolving_to_10(_host: str, _port: int) -> Sequence[str]:
    """A name server of the network's own."""
    await anyio.lowlevel.checkpoint()
    return ["10.0.0.1"]


QUERY = f"X-Amz-Signature={SIGNATURE}"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": f"http://10.0.0.1/x?{QUERY}"},
        {"url": f"https://10.0.0.1/x?{QUERY}"},
        {"url": f"https://169.254.169.254/latest?{QUERY}"},
        {"url": f"https://[fd00::1]/x?{QUERY}"},
        {"url": f"https://bucket.example/x?{QUERY}"},
        {"url": f"http://bucket.example/x?{QUERY}"},
        {"url": f"http://8.8.8.8/x?{QUERY}"},
        {"url": f"file:///etc/passwd?{QUERY}"},
        {"url": f"https://user:pw@8.8.8.8/x?{QUERY}"},
        {"url": f"https://8.8.8.8/x?{QUERY}#f"},
        {"url": ""},
        {"method": "POST"},
        {"method": "put"},
        {"id": "../../_delete"},
    ],
    ids=str,
)
async def test_an_address_where_nothing_may_be_sent_stops_the_run(aito, batch, changes):
    """No PUT, no trigger, no connection; a clear error without the signature."""
    aito.init = [said(aito.slot(**changes))]
    target = target_at(aito.base_url, resolve=resolving_to_10)
    error = await failed(target, batch, TargetError)
    assert error.hint
    assert aito.calls() == ["init"]


async def test_loopback_is_no_place_for_a_service_elsewhere(aito, batch, monkeypatch):
    """The API's own address decides; a socket that listens proves it."""
    with FakeServer(answer(200)) as store:
        aito.init = [said(aito.slot(url=f"https://localhost:{store.port}/x?{QUERY}"))]
        target = target_at(aito.base_url)
        public = replace(target.wire.put_rules, loopback=False)
        monkeypatch.setattr(target._requests, "_put_rules", public)
        await failed(target, batch, TargetError)
    assert store.connections == 0


# --- PUT ----------------------------------------------------------------------------------------


async def test_a_put_that_is_redirected_is_not_followed(aito, batch):
    """The other place gets nothing."""
    with FakeServer(answer(200)) as other:
        there = {"Location": f"{other.base_url}/x?{QUERY}"}
        aito.put = [response(307, b"", None, there)]
        error = await failed(target_at(aito.base_url), batch, TargetError)
    assert "not followed" in error.message
    assert other.connections == 0
    assert "trigger" not in aito.calls()


async def test_an_expired_address_is_replaced_by_a_new_one(aito, batch):
    """The same spool goes up again; no key goes to the store."""
    aito.put = [EXPIRED, STORED]
    target = target_at(aito.base_url)
    await failed(target, batch, Retryable)
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls()[:4] == ["init", "put", "init", "put"]
    first, second = aito.asked("put")
    assert bytes(first.body) == bytes(second.body)
    assert "x-api-key" not in first.headers
    assert "x-api-key" not in second.headers


async def test_addresses_that_always_expire_point_to_the_clocks(aito, batch):
    """Three are borne, the fourth stops the run and names the three times."""
    aito.put = [EXPIRED]
    target = target_at(aito.base_url)
    for _ in range(3):
        await failed(target, batch, Retryable)
    error = await failed(target, batch, TargetError)
    for time in ("2026-01-01 00:10:00Z", "2026-01-01 00:15:00Z", "2025-12-31 23:50:00Z"):
        assert time in error.message
    assert "clocks" in error.hint
    assert "trigger" not in aito.calls()


@pytest.mark.parametrize(
    "reply",
    [
        response(503, b"<Error><Code>SlowDown</Code></Error>", "application/xml"),
        response(500, b"<Error><Code>InternalError</Code></Error>", "application/xml"),
        response(400, b"<Error><Code>RequestTimeout</Code></Error>", "application/xml"),
        hang_up,
    ],
)
async def test_a_busy_store_is_retryable(aito, batch, reply):
    """Nothing is processed before the trigger, so the file may be sent again."""
    aito.put = [reply, STORED]
    target = target_at(aito.base_url)
    await failed(target, batch, Retryable)
    assert await sent(target, batch) == Verdict(3)


@pytest.mark.parametrize(
    ("status_", "code", "hint"),
    [
        (403, "SignatureDoesNotMatch", "service"),
        (400, "EntityTooLarge", "limits.spool_bytes"),
        (411, "MissingContentLength", "defect"),
        (501, "NotImplemented", "defect"),
    ],
)
async def test_a_store_that_refuses_for_good_stops_the_run(aito, batch, status_, code, hint):
    """With what to do; the spool is untouched, nothing was applied."""
    xml = f"<Error><Code>{code}</Code><SignatureProvided>{SIGNATURE}</SignatureProvided></Error>"
    aito.put = [response(status_, xml.encode(), "application/xml")]
    error = await failed(target_at(aito.base_url), batch, TargetError)
    assert code in error.message
    assert hint in error.hint
    assert "trigger" not in aito.calls()
    assert batch.spool.path.exists()


# --- trigger ------------------------------------------------------------------------------------

LOST = [hang_up, said({"message": "?"}, 500), PAGE, said({"kind": "error", "data": {}}),
        said({"message": "already started"}, 409), response(200, b"[]")]  # fmt: skip


@pytest.mark.parametrize("reply", LOST)
async def test_a_lost_trigger_that_worked_is_settled_by_the_status(aito, batch, reply):
    """It is asked first, and nothing is triggered again."""
    aito.trigger = [reply]
    if reply is PAGE:  # HTML is a refusal by somebody else: the run stops, nothing was begun
        await failed(target_at(aito.base_url), batch, TargetError)
        return
    assert await sent(target_at(aito.base_url), batch) == Verdict(3)
    assert aito.calls().count("trigger") == 1


@pytest.mark.parametrize("nothing", [MISSING, NOT_BEGUN])
@pytest.mark.parametrize("reply", [hang_up, said({"message": "?"}, 500)])
async def test_a_lost_trigger_that_did_not_work_is_sent_once_more(aito, batch, reply, nothing):
    """After a minute in which the service knows nothing of it and no row came."""
    clock = JumpingClock()
    started = clock.now
    times: list[float] = []

    def triggered(line: Line) -> None:
        times.append(clock.now)
        line.send(OK)

    aito.trigger = [reply, triggered]
    aito.look = [nothing] * 13 + [status(3)]
    assert await sent(target_at(aito.base_url, clock), batch) == Verdict(3)
    assert aito.calls().count("trigger") == 2
    assert aito.calls().count("put") == 1
    assert times[0] - started >= 60
    before_second = aito.calls()[: len(aito.calls()) - aito.calls()[::-1].index("trigger") - 1]
    assert before_second[-2:] == ["look", "count"]


@pytest.mark.parametrize("counts", [[total(10), total(13)], [total(10), total(11)],
                                    [said({}, 500), total(10)]])  # fmt: skip
async def test_a_lost_trigger_is_not_repeated_where_rows_came(aito, batch, counts):
    """Or where their number was not known: ambiguous, and the counts are said, not believed."""
    aito.trigger = [hang_up]
    aito.look = [MISSING]
    aito.count = list(counts)
    error = await failed(target_at(aito.base_url), batch, Ambiguous)
    assert aito.calls().count("trigger") == 1
    assert ("exactly the 3 more" in error.message) == (counts[-1] == total(13))
    assert ID in error.message


async def test_a_trigger_is_never_sent_a_third_time(aito, batch):
    """Whatever the status says, and however often the batch is sent again."""
    aito.trigger = [hang_up]
    aito.look = [MISSING]
    target = target_at(aito.base_url)
    error = await failed(target, batch, Ambiguous)
    assert "triggered twice" in error.message
    for _ in range(2):
        await failed(target, batch, Ambiguous)
    assert aito.calls().count("trigger") == 2
    assert aito.calls().count("put") == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (said({"message": "slow"}, 429), Retryable),
        (said({"message": "down"}, 503), Retryable),
        (said({"message": "no"}, 401), Unauthorized),
        (response(429, b"Quota Exceeded", "text/plain"), QuotaExceeded),
        (said({"message": "no such upload"}, 404), NotFound),
        (said({"message": "bad"}, 400), TargetError),
        (said({"message": "bad"}, 413), TargetError),
    ],
)
async def test_a_refused_trigger_began_nothing(aito, batch, reply, kind):
    """The file is up: only the trigger is sent again."""
    aito.trigger = [reply, OK]
    target = target_at(aito.base_url)
    await failed(target, batch, kind)
    assert "look" not in aito.calls()
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls().count("put") == 1
    assert aito.calls().count("trigger") == 2


# --- status -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "looks",
    [
        [MISSING],
        [said({"message": "?"}, 500)],
        [PAGE],
        [said([1])],
        [said({"message": "no"}, 401)],
        [hang_up],
        [going(2)],
        [going(2), going(1)],
        [NOT_BEGUN],
    ],
)
async def test_polling_ends_as_ambiguous_and_nothing_is_sent_again(aito, batch, looks):
    """404, 500, HTML, never finished, going backwards: 900 s without progress, then it is said."""
    aito.look = list(looks)
    clock = JumpingClock()
    target = target_at(aito.base_url, clock)
    error = await failed(target, batch, Ambiguous)
    assert 900 <= sum(clock.slept) <= 911
    assert "900 s" in error.message
    looked = aito.calls().count("look")
    await failed(target, batch, Ambiguous)  # whoever sends it again
    assert aito.calls().count("look") == looked + 1
    assert aito.calls().count("trigger") == aito.calls().count("put") == 1


async def test_what_is_known_of_one_that_was_given_up_is_said(aito, batch):
    """Completed rows, the counts, the last words."""
    aito.look = [going(2), said({"message": "out of memory"}, 500)]
    aito.count = [total(10), total(12)]
    error = await failed(target_at(aito.base_url), batch, Ambiguous)
    for part in ("2 of 3", "had 10 rows before and has 12", "out of memory"):
        assert part in error.message


async def test_trouble_on_the_way_is_borne(aito, batch):
    """It ends well after all."""
    aito.look = [MISSING, said({}, 500), PAGE, going(2), going(1), hang_up, NOT_BEGUN, status(3)]
    assert await sent(target_at(aito.base_url), batch) == Verdict(3)


async def test_one_that_was_given_up_and_finishes_later_is_settled(aito, batch):
    """The second look agrees with whoever was patient."""
    aito.look = [going(2)]
    target = target_at(aito.base_url)
    await failed(target, batch, Ambiguous)
    aito.look = [status(3)]
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls().count("trigger") == 1


async def test_a_short_stall_timeout_is_kept(aito, batch):
    """A setting."""
    aito.look = [going(2)]
    clock = JumpingClock()
    await failed(target_at(aito.base_url, clock, stall_timeout_s=5.0), batch, Ambiguous)
    assert 5 <= sum(clock.slept) < 16


# --- the verdict --------------------------------------------------------------------------------


async def test_failing_rows_are_named_by_their_place(aito, batch):
    """With the service's words; the rest is accepted."""
    rows = ({"row": {"n": 3}, "message": "s is missing"}, {"n": 1, "s": "ü"})
    aito.look = [status(1, *rows)]
    verdict = await sent(target_at(aito.base_url), batch)
    assert verdict.taken == 1
    assert verdict.doubtful == 0
    assert [refusal.index for refusal in verdict.refused] == [0, 2]
    assert verdict.refused[1] == Refusal(2, "s is missing")
    assert verdict.message == ""


@pytest.mark.parametrize(
    ("answer_", "taken", "refused", "doubtful"),
    [
        (status(1, {"n": 1, "s": "ü"}), 1, [0], 1),
        (status(2), 2, [], 1),
        (status(0), 0, [], 3),
        (status(2, {"not": "ours"}), 2, [], 1),
        (status(2, {"n": 2, "s": "x"}, {"n": 2, "s": "x"}), 0, [1], 2),
    ],
)
async def test_counts_that_do_not_add_up_leave_doubt(
    aito, batch, answer_, taken, refused, doubtful
):
    """The named rows are refused, what is missing besides is doubtful, and it is said."""
    aito.look = [answer_]
    verdict = await sent(target_at(aito.base_url), batch)
    assert (verdict.taken, verdict.doubtful) == (taken, doubtful)
    assert [refusal.index for refusal in verdict.refused] == refused
    assert "nobody knows which" in verdict.message
    assert taken + len(refused) + doubtful == batch.count


async def test_more_completed_than_sent_is_ambiguous(aito, batch):
    """Whatever it counts, it is not this file."""
    aito.look = [status(4)]
    target = target_at(aito.base_url)
    error = await failed(target, batch, Ambiguous)
    assert "4" in error.message
    await failed(target, batch, Ambiguous)
    assert aito.calls().count("trigger") == 1


async def test_a_spool_that_is_gone_leaves_doubt(aito, batch):
    """Which rows failed can't be found out any more."""

    def finish(line: Line) -> None:
        batch.spool.path.unlink()
        line.send(status(2, {"n": 1}))

    aito.look = [finish]
    verdict = await sent(target_at(aito.base_url), batch)
    assert (verdict.taken, verdict.refused, verdict.doubtful) == (2, (), 1)
    assert "can't be read" in verdict.message


async def test_a_first_file_of_which_nothing_landed_is_the_last_one(aito, batch, tmp_path):
    """No single record is at fault; the next file is not sent."""
    aito.look = [status(0, *({"row": row, "message": "no such column"} for row in RECORDS))]
    target = target_at(aito.base_url)
    assert len((await sent(target, batch)).refused) == 3
    asked = len(aito.requests)
    error = await failed(target, spooled_batch(tmp_path, RECORDS, 2), TargetError)
    assert "no such column" in error.message
    assert len(aito.requests) == asked


async def test_later_files_may_fail_whole(aito, batch, tmp_path):
    """Something has landed: the table and the fields fit."""
    target = target_at(aito.base_url)
    aito.look = [status(3), status(0, *RECORDS), status(3)]
    for number in range(1, 4):
        await sent(target, spooled_batch(tmp_path, RECORDS, number))
    assert aito.calls().count("trigger") == 3


# --- the journal --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "triggers", "calls"),
    [
        (State.SPOOLED, 0, ["init", "put", "count", "trigger", "look"]),
        (State.INITIALISED, 0, ["init", "put", "count", "trigger", "look"]),
        (State.UPLOADED, 0, ["count", "trigger", "look"]),
        (State.TRIGGERING, 1, ["look"]),
        (State.TRIGGERED, 1, ["look"]),
        (State.GIVEN_UP, 1, ["look"]),
        (State.FINISHED, 1, ["look"]),
    ],
)
async def test_an_upload_goes_on_where_a_journal_says_it_stood(aito, batch, state, triggers, calls):
    """From the trigger on it is only looked at."""
    target = target_at(aito.base_url)
    target.take_up(batch.number, Upload(3, state, ID, rows_before=10, triggers=triggers))
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls() == calls


@pytest.mark.parametrize("state", [s for s in State if s is not State.SPOOLED])
async def test_a_state_that_can_not_be_recorded(aito, batch, state):
    """Before the trigger it stops the run; after it, the batch is ambiguous, never unsent."""

    async def keep(_batch: Batch, upload: Upload) -> None:
        if upload.state is state:
            raise StoppedByService("disk full", "make room")

    before = state in (State.INITIALISED, State.UPLOADED, State.TRIGGERING)
    aito.look = [going(2)] if state is State.GIVEN_UP else [going(0), status(3)]
    target = target_at(aito.base_url, on_state=keep)
    error = await failed(target, batch, StoppedByService if before else Ambiguous)
    assert "disk full" in error.message
    assert ("trigger" in aito.calls()) != before


async def test_the_second_trigger_that_can_not_be_recorded_is_ambiguous(aito, batch):
    """The first may have worked."""

    async def keep(_batch: Batch, upload: Upload) -> None:
        if upload.triggers == 2:
            raise IngestError("disk full")

    aito.trigger = [hang_up]
    aito.look = [MISSING]
    await failed(target_at(aito.base_url, on_state=keep), batch, Ambiguous)
    assert aito.calls().count("trigger") == 1


FORGOTTEN = [said({"message": "no such upload"}, 404), said({"message": "put it first"}, 400),
             said({"message": "gone"}, 410)]  # fmt: skip


@pytest.mark.parametrize("refusal", FORGOTTEN)
@pytest.mark.parametrize("look", [MISSING, NOT_BEGUN])
async def test_a_file_that_was_put_before_and_is_forgotten_is_put_again(aito, batch, refusal, look):
    """Its trigger is refused, and the status knows of nothing begun."""
    aito.trigger = [refusal, OK]
    aito.look = [look, status(3)]
    target = target_at(aito.base_url)
    target.take_up(batch.number, Upload(3, State.UPLOADED, ID))
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls() == [
        "count", "trigger", "look", "init", "put", "count", "trigger", "look",
    ]  # fmt: skip


@pytest.mark.parametrize("refusal", FORGOTTEN)
async def test_one_that_is_refused_because_it_has_begun_is_followed(aito, batch, refusal):
    """Whatever words that is said in: it is not put again."""
    aito.trigger = [refusal]
    aito.look = [going(2), status(3)]
    target = target_at(aito.base_url)
    target.take_up(batch.number, Upload(3, State.UPLOADED, ID))
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls() == ["count", "trigger", "look", "look"]


async def test_a_file_that_is_refused_after_being_put_again_stops_the_run(aito, batch):
    """It is put again once."""
    aito.trigger = [MISSING]
    aito.look = [MISSING]
    target = target_at(aito.base_url)
    target.take_up(batch.number, Upload(3, State.UPLOADED, ID))
    await failed(target, batch, NotFound)
    assert aito.calls().count("put") == 1


async def test_rows_that_landed_before_count(aito, batch, tmp_path):
    """A run that is taken up: its first file may fail whole, and the next one is sent."""
    aito.look = [status(0, *RECORDS), status(3)]
    target = target_at(aito.base_url)
    target.landed_before(1)
    await sent(target, batch)
    assert await sent(target, spooled_batch(tmp_path, RECORDS, 2)) == Verdict(3)


async def test_one_that_may_be_in_is_looked_at_although_nothing_landed(aito, batch, tmp_path):
    """The next file is not sent, but what an earlier process has triggered is followed."""
    aito.look = [status(0, *RECORDS), status(3)]
    target = target_at(aito.base_url)
    target.take_up(2, Upload(3, State.TRIGGERED, ID, triggers=1))
    await sent(target, batch)
    assert await sent(target, spooled_batch(tmp_path, RECORDS, 2)) == Verdict(3)
    assert aito.calls().count("trigger") == 1


async def test_being_stopped_amid_a_file_leaves_nothing_open(aito, batch):
    """Neither sockets nor the file; afterwards it goes on with a look."""

    def stay(line: Line) -> None:
        line.wait()

    aito.look = [stay]
    target = target_at(aito.base_url)
    with anyio.move_on_after(0.3) as scope:
        await sent(target, batch)
    assert scope.cancelled_caught
    aito.look = [status(3)]
    assert await sent(target, batch) == Verdict(3)
    assert aito.calls().count("trigger") == 1


async def test_it_is_shown_by_host_table_and_way(aito):
    """For people."""
    target = target_at(aito.base_url)
    assert target.shown.startswith("aito 127.0.0.1:")
    assert target.shown.endswith("table t via file")
    assert target.envelope.record_end == b"\n"
