"""The engine: every record read has one end, however the run ends."""

from __future__ import annotations

import random
import weakref
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.delivery import DeliveryRules
from ingest.delivery.rules import MOST_UNSETTLED
from ingest.engine import Engine, Pace, Parts, Result, Taken
from ingest.errors import (
    Ambiguous,
    IngestError,
    NotFound,
    Permanent,
    QuotaExceeded,
    RejectLimitPassed,
    Retryable,
    SettingsError,
    SourceError,
    StoppedByService,
    TargetError,
    TooLarge,
    Trouble,
    Unauthorized,
)
from ingest.governor import Governor
from ingest.model import Batch, Block, Limits, Refusal, Verdict
from ingest.pack import MemoryPacking
from ingest.rejects import RejectLimit
from tests.fakes import (
    JumpingClock,
    LineShaper,
    ListSource,
    RejectList,
    ScriptedTarget,
    block,
    records_in,
)

pytestmark = pytest.mark.anyio


def blocks_of(lines: Sequence[str], size: int = 7) -> list[Block]:
    """The lines of one file in blocks of at most `size`."""
    return [block(n, lines[i : i + size]) for n, i in enumerate(range(0, len(lines), size))]


def engine_for(
    source: ListSource,
    target: ScriptedTarget,
    *,
    rejects: RejectList | None = None,
    judge: RejectLimit | None = None,
    pace: Pace | None = None,
    keyed: bool = False,
    budget_s: float = 300.0,
    clock: JumpingClock | None = None,
    packing: MemoryPacking | None = None,
    taken: Taken | None = None,
) -> Engine:
    """An engine with a clock that jumps and a seeded draw."""
    pace = pace or Pace(shapers=2, writers=3)
    parts = Parts(
        source=source,
        shaper=LineShaper(keyed=keyed),
        target=target,
        rejects=rejects or RejectList(),
        judge=judge or RejectLimit(10**6),
        governor=Governor(pace.writers, None, budget_s, random.Random(7).random),
        clock=clock or JumpingClock(),
        packing=packing,
        taken=taken or Taken(),
    )
    return Engine(parts, pace)


async def run(engine: Engine) -> Result:
    """Run to the end, within a time that only a hang would need; the sum must hold."""
    with anyio.fail_after(20):
        result = await engine.run()
    assert result.accounts.balanced, result.accounts
    assert result.accounts.in_flight == 0
    return result


async def test_everything_arrives_once_and_in_full_bodies():
    """25 records in bodies of 10: three requests, every record once."""
    lines = [f"r{n}" for n in range(25)]
    target = ScriptedTarget()
    result = await run(engine_for(ListSource(blocks_of(lines)), target))
    assert sorted(target.table) == sorted(lines)
    assert (result.accounts.accepted, result.accounts.requests_sent) == (25, 3)
    assert result.error is None


async def test_nothing_to_read_sends_nothing():
    """No blocks: no request, no trouble."""
    target = ScriptedTarget()
    result = await run(engine_for(ListSource([]), target))
    assert (target.attempts, result.accounts.read, result.error) == (0, 0, None)


async def test_no_more_than_the_writers_are_in_flight_and_they_are_used():
    """Three writers: three requests at once, never four."""
    three = anyio.Event()

    async def together(batch: Batch, attempt: int) -> Trouble | None:
        if attempt == 3:
            three.set()
        await three.wait()
        await anyio.wait_all_tasks_blocked()
        return None

    target = ScriptedTarget(together, Limits(1, 1000))
    await run(engine_for(ListSource(blocks_of([f"r{n}" for n in range(12)])), target))
    assert target.most_at_once == 3


@pytest.mark.parametrize("writers", [1, 2, 3])
async def test_a_body_that_has_ended_is_held_by_nobody(writers):
    """At most as many bodies are in memory as there are writers, of those that were sent."""
    sent: list[weakref.ref[memoryview]] = []

    def alive() -> int:  # a function of its own: whatever it looks at, it lets go of
        return sum(ref() is not None for ref in sent)

    async def look(batch: Batch, attempt: int) -> None:
        sent.append(weakref.ref(max(batch.body, key=len)))
        await anyio.wait_all_tasks_blocked()
        assert alive() <= writers

    target = ScriptedTarget(look, Limits(10, 1000))
    source = ListSource(blocks_of([f"r{n}" for n in range(300)]))
    result = await run(engine_for(source, target, pace=Pace(shapers=2, writers=writers)))
    assert (result.error, result.accounts.accepted) == (None, 300)


async def test_rejects_keep_their_numbers_and_the_others_land():
    """Record numbers count over block borders; rejected ones are not sent."""
    lines = ["a", "!b", "c", "d", "e", "f", "g", "h", "!i", "j"]
    rejects, target = RejectList(), ScriptedTarget()
    result = await run(engine_for(ListSource(blocks_of(lines)), target, rejects=rejects))
    assert [(r.record, r.line, r.raw) for r in rejects.rejects] == [(2, 2, b"!b"), (9, 9, b"!i")]
    assert sorted(target.table) == [line for line in lines if line[0] != "!"]
    assert (result.accounts.rejected, result.accounts.accepted) == (2, 8)


async def test_a_slow_service_stops_the_reading():
    """While no request ends, only a bounded number of blocks is read, however long the input."""
    gate = anyio.Event()

    async def wait(batch: Batch, attempt: int) -> Trouble | None:
        await gate.wait()
        return None

    source = ListSource(blocks_of([f"r{n}" for n in range(10_000)], size=10))
    engine = engine_for(source, ScriptedTarget(wait))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, engine)
        await anyio.wait_all_tasks_blocked()
        assert source.given <= 3 + 1 + 2 + 2  # in flight, handed over, shaping, waiting
        gate.set()


async def test_a_retryable_trouble_sends_the_same_bytes_again():
    """429 twice: the third attempt has the same body, and the counts say so."""
    seen: list[bytes] = []

    async def twice(batch: Batch, attempt: int) -> Trouble | None:
        seen.append(b"".join(batch.body))
        return Retryable("busy", status=429) if attempt <= 2 else None

    target = ScriptedTarget(twice)
    result = await run(engine_for(ListSource(blocks_of(["a", "b"])), target))
    assert len(set(seen)) == 1
    accounts = result.accounts
    assert (accounts.requests_sent, accounts.requests_retried, accounts.requests_failed) == (
        3,
        2,
        2,
    )
    assert accounts.bytes_sent == 3 * len(seen[0])
    assert accounts.accepted == 2


async def test_an_outage_beyond_the_budget_stops_resumably_with_everything_unsent():
    """Nothing is rejected, nothing is lost count of; exit code 7."""

    async def down(batch: Batch, attempt: int) -> Trouble | None:
        return Retryable("no route")

    lines = [f"r{n}" for n in range(25)]
    result = await run(engine_for(ListSource(blocks_of(lines)), ScriptedTarget(down), budget_s=5))
    assert isinstance(result.error, StoppedByService)
    assert result.error.exit_code == 7
    assert result.accounts.unsent == result.accounts.read > 0


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (Unauthorized("no"), SettingsError),
        (NotFound("no table"), TargetError),
        (QuotaExceeded("used up"), StoppedByService),
    ],
)
async def test_trouble_that_no_record_caused_stops_the_run_and_rejects_nothing(
    trouble: Trouble, kind: type[IngestError]
):
    """Token, table and quota: the run ends at once, every record unsent."""

    async def refuse(batch: Batch, attempt: int) -> Trouble | None:
        return trouble

    result = await run(engine_for(ListSource(blocks_of(["a", "b"])), ScriptedTarget(refuse)))
    assert isinstance(result.error, kind)
    assert (result.accounts.rejected, result.accounts.unsent) == (0, 2)


async def test_a_token_that_worked_and_is_refused_later_is_not_the_records_fault():
    """Exit 7, resumable; what was accepted stays accepted."""

    async def expires(batch: Batch, attempt: int) -> Trouble | None:
        return Unauthorized("expired") if attempt > 1 else None

    lines = [f"r{n}" for n in range(30)]
    target = ScriptedTarget(expires)
    result = await run(engine_for(ListSource(blocks_of(lines)), target, pace=Pace(writers=1)))
    assert isinstance(result.error, StoppedByService)
    assert (result.accounts.accepted, result.accounts.rejected) == (10, 0)


async def test_a_refused_body_is_taken_apart_until_the_bad_records_are_alone():
    """Two bad of 40: exactly those are rejected with the service's words, the others land."""

    async def picky(batch: Batch, attempt: int) -> Trouble | None:
        bad = {"r7", "r33"} & set(records_in(batch))
        return Permanent("value out of range", status=400) if bad else None

    lines = [f"r{n}" for n in range(40)]
    rejects, target = RejectList(), ScriptedTarget(picky)
    result = await run(engine_for(ListSource(blocks_of(lines)), target, rejects=rejects))
    assert sorted((r.record, r.raw, r.stage) for r in rejects.rejects) == [
        (8, b"r7", "send"),
        (34, b"r33", "send"),
    ]
    assert rejects.rejects[0].message == "value out of range"
    assert sorted(target.table) == sorted(set(lines) - {"r7", "r33"})
    assert result.error is None


async def test_a_service_that_refuses_everything_is_left_alone_soon():
    """A systematic refusal stops the run with its words, within 30 requests."""

    async def never(batch: Batch, attempt: int) -> Trouble | None:
        return Permanent("unknown column x", status=400)

    target = ScriptedTarget(never)
    lines = [f"r{n}" for n in range(1000)]
    result = await run(engine_for(ListSource(blocks_of(lines)), target))
    assert isinstance(result.error, TargetError)
    assert "unknown column x" in result.error.message
    assert target.attempts <= 30


@pytest.mark.parametrize("writers", [1, 2, 8])
async def test_a_start_that_is_wholly_bad_is_survived(writers):
    """The first two bodies of 20: the ones behind them are tried, and each record has its end. No
    body flies beside the writers' number, and each is given back."""

    async def picky(batch: Batch, attempt: int) -> Trouble | None:
        bad = any(record.startswith("x") for record in records_in(batch))
        return Permanent("bad value", status=400) if bad else None

    class Released(MemoryPacking):
        async def release(self, batch: Batch) -> None:
            released.append(batch.number)

    released: list[int] = []
    lines = [f"{'x' if n < 40 else 'r'}{n}" for n in range(400)]
    rejects, target = RejectList(), ScriptedTarget(picky, Limits(20, 1000))
    engine = engine_for(
        ListSource(blocks_of(lines, 400)),
        target,
        rejects=rejects,
        pace=Pace(writers=writers),
        packing=Released(target.envelope),
    )
    result = await run(engine)
    assert result.error is None
    assert sorted(target.table) == sorted(lines[40:])
    assert sorted(reject.raw.decode() for reject in rejects.rejects) == sorted(lines[:40])
    assert sorted(released) == list(range(1, 21))
    assert target.most_at_once <= writers
    assert result.accounts.requests_sent - 20 <= 2 * 40


@pytest.mark.parametrize("writers", [1, 4])
async def test_a_body_that_shares_a_key_is_not_taken_over(writers):
    """While the first one is not at its end the next one with its key is held back, as ever; so
    there is nothing to try but the first one's records."""
    flying: list[set[str]] = []

    async def never(batch: Batch, attempt: int) -> Trouble | None:
        keys = {record.partition("=")[0] for record in records_in(batch)}
        assert all(keys.isdisjoint(other) for other in flying)
        flying.append(keys)
        await anyio.lowlevel.checkpoint()
        flying.remove(keys)
        return Permanent("unknown column x", status=400)

    lines = [line for n in range(200) for line in (f"hot={n}", f"k{n}=x")]
    target = ScriptedTarget(never, Limits(40, 5000))
    pace = Pace(writers=writers, rules=DeliveryRules(harmless=True))
    result = await run(engine_for(ListSource(blocks_of(lines, 400)), target, pace=pace, keyed=True))
    assert isinstance(result.error, TargetError)
    assert target.attempts <= 30
    assert (target.table, result.accounts.rejected) == ([], 0)


async def test_a_body_that_is_too_large_for_the_service_is_split():
    """413 above three records: all land, in smaller bodies."""

    async def small(batch: Batch, attempt: int) -> Trouble | None:
        return TooLarge("413", status=413) if batch.count > 3 else None

    lines = [f"r{n}" for n in range(20)]
    target = ScriptedTarget(small)
    result = await run(engine_for(ListSource(blocks_of(lines)), target))
    assert sorted(target.table) == sorted(lines)
    assert result.accounts.rejected == 0


async def test_a_lost_answer_is_sent_once_more_and_named():
    """Insert, settle without a settler: perhaps doubled, counted ambiguous, its spans named."""

    async def lost(batch: Batch, attempt: int) -> Trouble | None:
        return Ambiguous("the answer was lost") if attempt == 1 else None

    result = await run(engine_for(ListSource(blocks_of(["a", "b"])), ScriptedTarget(lost)))
    assert (result.accounts.ambiguous, result.accounts.accepted) == (2, 0)
    (receipt,) = result.ambiguous
    assert receipt.resent
    assert [(s.first, s.last, s.count) for s in receipt.batch.spans] == [(1, 2, 2)]


@pytest.mark.parametrize("lost_answers", [0, 1, 2, MOST_UNSETTLED - 1, MOST_UNSETTLED])
async def test_a_body_goes_again_until_an_answer_comes(lost_answers: int):
    """After two lost answers nobody knows that it is there at all; after too many it is given up,
    and named like any other that may be doubled."""

    async def lost(batch: Batch, attempt: int) -> Trouble | None:
        return Ambiguous("the answer was lost") if attempt <= lost_answers else None

    target = ScriptedTarget(lost)
    result = await run(engine_for(ListSource(blocks_of(["a"])), target))
    assert target.attempts == min(lost_answers + 1, MOST_UNSETTLED)
    assert (result.accounts.accepted, result.accounts.ambiguous) == (
        (0, 1) if lost_answers else (1, 0)
    )
    assert len(result.ambiguous) == (1 if lost_answers else 0)


async def test_a_lost_answer_is_not_sent_again_where_the_job_says_stop():
    """on_ambiguous = "stop": one attempt, perhaps missing."""

    async def lost(batch: Batch, attempt: int) -> Trouble | None:
        return Ambiguous("the answer was lost")

    target = ScriptedTarget(lost)
    rules = DeliveryRules(send_doubtful=False)
    result = await run(engine_for(ListSource(blocks_of(["a"])), target, pace=Pace(rules=rules)))
    assert (target.attempts, result.accounts.ambiguous) == (1, 1)
    assert not result.ambiguous[0].resent


async def test_a_lost_answer_of_an_upsert_is_harmless():
    """The same keys again give the same rows: accepted, not ambiguous."""

    async def lost(batch: Batch, attempt: int) -> Trouble | None:
        return Ambiguous("the answer was lost") if attempt == 1 else None

    target = ScriptedTarget(lost)
    pace = Pace(rules=DeliveryRules(harmless=True))
    source = ListSource(blocks_of(["k1=a", "k2=b"]))
    result = await run(engine_for(source, target, pace=pace, keyed=True))
    assert (result.accounts.accepted, result.accounts.ambiguous) == (2, 0)


async def test_a_service_that_took_fewer_than_it_was_sent_is_doubted():
    """2xx with a smaller count is no acceptance."""

    class Short(ScriptedTarget):
        async def send(self, batch: Batch) -> Verdict:
            await super().send(batch)
            return Verdict(batch.count - 1)

    result = await run(engine_for(ListSource(blocks_of(["a", "b"])), Short()))
    assert (result.accounts.accepted, result.accounts.ambiguous) == (0, 2)


async def test_equal_keys_never_fly_at_once_and_the_last_one_wins():
    """One key, 40 versions among others, 4 writers, every other request refused at first."""
    flying: list[set[str]] = []
    table: dict[str, str] = {}

    async def watch(batch: Batch, attempt: int) -> Trouble | None:
        records = [(r.partition("=")[0], r.partition("=")[2]) for r in records_in(batch)]
        keys = {key for key, _ in records}
        assert len(keys) == len(records)
        assert all(keys.isdisjoint(other) for other in flying)
        flying.append(keys)
        await anyio.lowlevel.checkpoint()
        flying.remove(keys)
        if attempt % 2:
            return Retryable("busy", status=429)
        table.update(records)
        return None

    lines = [line for n in range(40) for line in (f"hot={n}", f"k{n}=x", f"m{n % 5}={n}")]
    target = ScriptedTarget(watch)
    pace = Pace(writers=4, rules=DeliveryRules(harmless=True))
    result = await run(engine_for(ListSource(blocks_of(lines)), target, pace=pace, keyed=True))
    expected = {line.partition("=")[0]: line.partition("=")[2] for line in lines}
    assert table == expected
    assert result.accounts.accepted == 120
    assert result.accounts.superseded > 0


async def test_a_refused_record_leaves_the_one_of_its_key_before_it():
    """k1 good, k1 bad, k1 bad: the service has the good one, and both bad ones are rejects."""

    async def picky(batch: Batch, attempt: int) -> Trouble | None:
        bad = any("bad" in record for record in records_in(batch))
        return Permanent("refused", status=400) if bad else None

    lines = ["k1=good", "k2=x", "k1=bad1", "k3=y", "k1=bad2", "k2=z"]
    target, rejects = ScriptedTarget(picky), RejectList()
    pace = Pace(rules=DeliveryRules(harmless=True))
    source = ListSource(blocks_of(lines))
    result = await run(engine_for(source, target, rejects=rejects, pace=pace, keyed=True))
    assert sorted(target.table) == ["k1=good", "k2=z", "k3=y"]
    assert sorted(reject.raw for reject in rejects.rejects) == [b"k1=bad1", b"k1=bad2"]
    accounts = result.accounts
    assert (accounts.accepted, accounts.rejected, accounts.superseded) == (4, 2, 1)


async def test_draining_finishes_what_is_in_flight_and_counts_the_rest_unsent():
    """An interrupt: the requests under way land, nothing new is sent."""
    gate, arrived = anyio.Event(), anyio.Event()

    async def wait(batch: Batch, attempt: int) -> Trouble | None:
        if attempt == 3:
            arrived.set()
        await gate.wait()
        return None

    target = ScriptedTarget(wait)
    source = ListSource(blocks_of([f"r{n}" for n in range(1000)]))
    engine = engine_for(source, target)
    results: list[Result] = []

    async def go() -> None:
        results.append(await run(engine))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        await arrived.wait()
        engine.drain()
        gate.set()
    accounts = results[0].accounts
    assert (target.attempts, accounts.accepted) == (3, 30)
    assert accounts.unsent == accounts.read - 30
    assert results[0].drained
    assert source.closed


async def stopped_amid(taken: Taken | None = None) -> Result:
    """A run whose three writers hang in a request each, stopped when a body waits for one."""
    arrived = anyio.Event()

    async def hang(batch: Batch, attempt: int) -> Trouble | None:
        if attempt == 3:
            arrived.set()
        await anyio.sleep_forever()
        return None

    source = ListSource(blocks_of([f"r{n}" for n in range(1000)]))
    engine = engine_for(source, ScriptedTarget(hang), taken=taken)
    results: list[Result] = []

    async def go() -> None:
        results.append(await run(engine))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        await arrived.wait()
        with anyio.fail_after(20):
            while not list(engine._handing.waiting):  # shaped in threads: nobody tells when
                await anyio.lowlevel.checkpoint()
        engine.stop()
    return results[0]


async def test_stopping_drops_what_is_in_flight_and_calls_it_ambiguous():
    """A second interrupt: requests under way may have landed, the rest surely not."""
    accounts = (await stopped_amid()).accounts
    assert (accounts.ambiguous, accounts.accepted) == (30, 0)
    assert accounts.unsent == accounts.read - 30


async def test_what_no_writer_took_stays_open_if_it_was_perhaps_sent_before():
    """Three hang, the others wait for a writer; the run before this one had sent some of them."""
    asked: list[int] = []

    def sent_before(batch: Batch) -> float | None:
        asked.append(batch.number)
        return 0.0 if batch.number >= 4 else None

    result = await stopped_amid(Taken(sent_before=sent_before))
    left = sorted(set(asked) - {1, 2, 3})
    assert left
    ended = {one.batch.number: one for one in result.ambiguous}
    assert sorted(ended) == [1, 2, 3, *left]
    assert all(ended[n].is_open and ended[n].attempts == 0 for n in left)
    assert result.accounts.ambiguous == 10 * len(ended)


async def test_draining_wakes_those_who_wait_for_a_next_attempt():
    """A writer in a long pause does not hold up the end; its batch is unsent."""
    waiting = anyio.Event()

    class Patient(JumpingClock):
        async def sleep(self, seconds: float) -> None:
            waiting.set()
            await anyio.sleep_forever()

    async def busy(batch: Batch, attempt: int) -> Trouble | None:
        return Retryable("busy", status=429, retry_after_s=250)

    engine = engine_for(ListSource(blocks_of(["a"])), ScriptedTarget(busy), clock=Patient())
    results: list[Result] = []

    async def go() -> None:
        results.append(await run(engine))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        await waiting.wait()
        engine.drain()
    assert (results[0].accounts.unsent, results[0].accounts.ambiguous) == (1, 0)


@pytest.mark.parametrize("limit", [1, 2, 9, 10, 11, 25, 26])
async def test_a_limit_reads_that_many_records(limit: int):
    """--limit N: the first N records, rejects among them, and no more."""
    lines = [("!" if n % 5 == 3 else "r") + str(n) for n in range(25)]
    target, rejects = ScriptedTarget(), RejectList()
    pace = Pace(limit=limit)
    engine = engine_for(ListSource(blocks_of(lines)), target, rejects=rejects, pace=pace)
    result = await run(engine)
    wanted = lines[:limit]
    assert result.accounts.read == len(wanted)
    assert sorted(target.table) == sorted(line for line in wanted if line[0] == "r")
    assert len(rejects.rejects) == sum(line[0] == "!" for line in wanted)
    assert result.per_file == {0: len(wanted)}


async def test_a_source_that_breaks_off_has_its_records_sent_first():
    """The readable records land, and the run says that its input was damaged."""
    lines = [f"r{n}" for n in range(25)]
    source = ListSource(blocks_of(lines), SourceError("cut short", "mend it"))
    target = ScriptedTarget()
    result = await run(engine_for(source, target))
    assert sorted(target.table) == sorted(lines)
    assert isinstance(result.error, SourceError)


async def test_passing_the_reject_limit_ends_the_run():
    """Strictly more than the limit; what is in flight lands."""
    lines = ["!x"] * 3 + [f"r{n}" for n in range(500)]
    source = ListSource(blocks_of(lines))
    result = await run(engine_for(source, ScriptedTarget(), judge=RejectLimit(2)))
    assert isinstance(result.error, RejectLimitPassed)
    at_limit = await run(
        engine_for(ListSource(blocks_of(lines)), ScriptedTarget(), judge=RejectLimit(3))
    )
    assert at_limit.error is None


async def test_rejects_that_cannot_be_kept_stop_the_run():
    """A full disk under the rejects: the run ends before records are lost without a word."""
    lines = ["!x"] + [f"r{n}" for n in range(500)]
    rejects = RejectList(IngestError("no space left", "make room"))
    source = ListSource(blocks_of(lines))
    with anyio.fail_after(20):
        result = await engine_for(source, ScriptedTarget(), rejects=rejects).run()
    assert result.error is not None
    assert "no space left" in result.error.message
    assert result.accounts.balanced
    assert result.accounts.rejected == 0  # a reject that was not kept is none: unsent


async def test_a_defect_in_a_stage_is_raised_not_swallowed():
    """An exception that is no trouble of ours leaves the engine as it is."""

    async def defect(batch: Batch, attempt: int) -> Trouble | None:
        raise ZeroDivisionError

    engine = engine_for(ListSource(blocks_of(["a"])), ScriptedTarget(defect))
    with pytest.raises(BaseExceptionGroup) as caught, anyio.fail_after(20):
        await engine.run()
    assert caught.group_contains(ZeroDivisionError)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("rrrrr!"), max_size=120),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(0, 2**32),
)
def test_conservation_whatever_the_service_does(
    kinds: list[str], size: int, records: int, seed: int
):
    """Every record read has one end; accepted ones are in the table, once; nothing else is."""
    lines = [f"{kind}{n}" for n, kind in enumerate(kinds)]
    draw = random.Random(seed)

    async def moody(batch: Batch, attempt: int) -> Trouble | None:
        kind = draw.choice([None, None, None, Retryable, Permanent, TooLarge, Ambiguous])
        return kind("moody") if kind else None

    async def go() -> None:
        target, rejects = ScriptedTarget(moody, Limits(records, 1000)), RejectList()
        result = await run(engine_for(ListSource(blocks_of(lines, size)), target, rejects=rejects))
        accounts = result.accounts
        assert accounts.rejected == len(rejects.rejects)
        assert len(set(target.table)) == len(target.table)
        assert accounts.accepted <= len(target.table) <= accounts.accepted + accounts.ambiguous
        if result.error is None:
            assert accounts.read == len(lines)

    anyio.run(go)


async def test_a_body_taken_in_part_is_accounted_for_record_by_record():
    """Three of ten named, two missing without a name: 5 accepted, 3 rejects, 2 ambiguous."""

    class InPart(ScriptedTarget):
        async def send(self, batch: Batch) -> Verdict:
            named = tuple(Refusal(index, f"no {index}") for index in (1, 4, 6))
            return Verdict(5, named, 2, "only 3 are listed")

    rejects = RejectList()
    lines = ["a", "!bad", *"bcdefghij"]
    engine = engine_for(ListSource(blocks_of(lines)), InPart(), rejects=rejects)
    result = await run(engine)
    accounts = result.accounts
    assert (accounts.read, accounts.accepted, accounts.rejected, accounts.ambiguous) == (
        11,
        5,
        4,
        2,
    )
    assert [(r.record, r.message) for r in rejects.rejects if r.stage == "send"] == [
        (3, "no 1"), (6, "no 4"), (8, "no 6")]  # fmt: skip
    assert [receipt.message for receipt in result.ambiguous] == ["only 3 are listed"]


async def test_a_body_taken_in_part_without_saying_which_is_doubted():
    """A verdict whose parts don't add up is no verdict."""

    class Short(ScriptedTarget):
        async def send(self, batch: Batch) -> Verdict:
            return Verdict(batch.count - 2, (Refusal(0, "no"),))

    result = await run(engine_for(ListSource(blocks_of(["a", "b", "c"])), Short()))
    assert (result.accounts.accepted, result.accounts.ambiguous) == (0, 3)
