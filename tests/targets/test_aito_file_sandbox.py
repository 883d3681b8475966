"""aito by files against the sandbox, whose both halves were written from the other side's page."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import anyio
import orjson
import pytest

from ingest.errors import NotFound, Retryable, Unauthorized
from ingest.model import Column, Verdict
from ingest.pack.spool import SpoolEnvelope
from ingest.protocols import TableWish
from ingest.sandbox import child
from ingest.targets.aito import request_headers
from ingest.targets.aito_file import AitoFileTarget, FileSettings
from ingest.wire import Secret, Senses, Timeouts, Wire
from tests.fakes import JumpingClock
from tests.targets.fake_aito import spooled_batch

pytestmark = pytest.mark.anyio

FAULTS = ("expired-url:first1", "s3-slowdown:first1", "trigger-lost:first1",
          "status-backwards:first1")  # fmt: skip


class HastyClock(JumpingClock):
    """Minutes pass in no time, but a real process gets a moment for its work."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await anyio.sleep(0.02)


@pytest.fixture
def faulty(tmp_path) -> Iterator[str]:
    """A sandbox of its own where every step of the first upload goes wrong once."""
    faults = [part for fault in FAULTS for part in ("--fault", fault)]
    process = subprocess.Popen(
        child.command(["--data", str(tmp_path / "data"), *faults]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child.environment(),
    )
    assert process.stdin
    assert process.stdout
    try:
        yield str(orjson.loads(process.stdout.readline())["ready"])
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def target_at(base_url: str, table: str, key: str = "sandbox") -> AitoFileTarget:
    """A target for a table of the sandbox."""
    senses = Senses(HastyClock())
    wire = Wire(base_url, request_headers(Secret(key)), Timeouts(calls_s=0), senses=senses)
    return AitoFileTarget(wire, table, SpoolEnvelope(10**9), file=FileSettings(senses=senses))


def wish(table: str) -> TableWish:
    """A table with a number and a text."""
    return TableWish(table, {}, (Column("n", "Int"), Column("s", "String")))


def records(count: int) -> list[dict[str, Any]]:
    """Good ones; every third has no text."""
    return [{"n": n, "s": None if n % 3 == 2 else f"ü{n}"} for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 20_000])
async def test_a_file_is_in_the_table(sandbox, table, tmp_path, count):
    """Whole, once."""
    target = target_at(sandbox, table)
    async with target.opened():
        await target.ensure(wish(table))
        assert await target.send(spooled_batch(tmp_path, records(count))) == Verdict(count)
        assert await target.count() == count


@pytest.mark.parametrize("bad", [1, 2, 50])
async def test_bad_rows_are_named_and_the_others_land(sandbox, table, tmp_path, bad):
    """By their places, with the service's words; equal ones too."""
    rows = records(200)
    places = [n * 4 for n in range(bad)]
    for place in places:
        rows[place] = {"n": "no number", "s": f"bad {place % 12}"}
    target = target_at(sandbox, table)
    async with target.opened():
        await target.ensure(wish(table))
        verdict = await target.send(spooled_batch(tmp_path, rows))
        assert await target.count() == 200 - bad
    assert [refusal.index for refusal in verdict.refused] == places
    assert (verdict.taken, verdict.doubtful, verdict.message) == (200 - bad, 0, "")
    assert all("n" in refusal.words for refusal in verdict.refused)


async def test_more_bad_rows_than_are_listed_are_doubtful(sandbox, table, tmp_path):
    """50 are named, the list is said to be incomplete."""
    rows = [*records(100), *({"n": "x", "s": f"{n}"} for n in range(60))]
    target = target_at(sandbox, table)
    async with target.opened():
        await target.ensure(wish(table))
        verdict = await target.send(spooled_batch(tmp_path, rows))
    assert (verdict.taken, len(verdict.refused), verdict.doubtful) == (100, 50, 10)
    assert "incomplete" in verdict.message


async def test_every_step_may_go_wrong_once(faulty, table, tmp_path):
    """Expired, slowed down, trigger lost, going backwards: the rows are in once."""
    target = target_at(faulty, table)
    batch = spooled_batch(tmp_path, records(500))
    attempts = 0
    async with target.opened():
        await target.ensure(wish(table))
        while True:
            attempts += 1
            try:
                verdict = await target.send(batch)
                break
            except Retryable:
                assert attempts < 5
        assert await target.count() == 500
    assert verdict == Verdict(500)
    assert attempts == 3  # the expired address, the slow store


async def test_a_missing_table_and_a_wrong_key(sandbox, table, tmp_path):
    """Said as what they are; nothing is sent."""
    batch = spooled_batch(tmp_path, records(1))
    for key, kind in (("sandbox", NotFound), ("wrong-key-0123456789", Unauthorized)):
        target = target_at(sandbox, table, key)
        async with target.opened():
            with pytest.raises(kind):
                await target.send(batch)
