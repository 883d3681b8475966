"""Settling against a service that loses its answers: real sockets, real commits, real time.

Every attempt's answer is lost in the way that the sandbox was started with. The three settlers wait
at the same time, for the short time of `RULES`.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Awaitable, Callable, Iterator

import anyio
import orjson
import pytest

from ingest.errors import Ambiguous
from ingest.model import Column, Limits
from ingest.protocols import TableWish
from ingest.sandbox import child
from ingest.settling import EvidenceSettler, IdSettler, SettleRules, StampSettler
from ingest.targets import aito, avalanchio
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_stream import AitoStreamTarget
from ingest.targets.avalanchio import AvalanchioTarget
from ingest.wire import Secret, SystemClock, Timeouts, Wire
from tests.batches import made_batch

pytestmark = pytest.mark.anyio

RULES = SettleRules(longest_server_s=0.6)
CLOCK = SystemClock()
TOKEN = Secret("sandbox")
NASTY = ["x' OR '1'='1", "%", "\\", '"', "_", "';--", "", "K1", "k1 ", "ü"]
FATES = {"reset-after-commit:100%": True, "commit-late:300ms:100%": True,
         "reset-before:100%": False}  # fmt: skip
_numbers = itertools.count(1)


@pytest.fixture(params=FATES, scope="module")
def losing(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[tuple[str, bool]]:
    """The base URL of a sandbox that loses every answer, and whether it commits."""
    options = ["--data", str(tmp_path_factory.mktemp("sandbox")), "--fault", request.param]
    process = subprocess.Popen(
        child.command(options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child.environment(),
    )
    assert process.stdin
    assert process.stdout
    try:
        yield str(orjson.loads(process.stdout.readline())["ready"]), FATES[request.param]
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def avalanchio_at(base_url: str) -> AvalanchioTarget:
    """A new table at Avalanchio."""
    wire = Wire(base_url, avalanchio.request_headers(TOKEN), Timeouts(calls_s=0))
    return AvalanchioTarget(wire, f"t{next(_numbers)}")


def aito_at(base_url: str, kind: type[AitoBatchTarget | AitoStreamTarget]) -> AitoBatchTarget:
    """A new table at aito."""
    wire = Wire(base_url, aito.request_headers(TOKEN), Timeouts(calls_s=0))
    return kind(wire, f"t{next(_numbers)}", Limits())  # type: ignore[return-value]  # as good


async def wait_until(instant_s: float) -> bool:
    """As a delivery waits, in a run that goes on."""
    await CLOCK.sleep(instant_s - CLOCK.monotonic())
    return True


def foreign(count: int) -> list[dict[str, object]]:
    """Rows that are not ours, with values that a careless question would match."""
    return [
        {"id": n + 1, "k": NASTY[n % len(NASTY)], "stamp": NASTY[-1 - n % 8]} for n in range(count)
    ]


async def lost(target, batch, settle: Callable[[float], Awaitable[bool | None]]) -> bool | None:
    """Send a batch, lose its answer, settle it."""
    with pytest.raises(Ambiguous):
        await target.send(batch)
    return await settle(CLOCK.monotonic())


async def by_stamp(base_url: str) -> bool | None:
    """Avalanchio with a stamp."""
    target = avalanchio_at(base_url)
    records = [{"stamp": "run:1", "k": f"k{n}"} for n in range(500)]
    async with target.opened():
        await target.ensure(wish(target, "Text"))
        settler = StampSettler(target, "stamp", RULES, CLOCK)
        batch = made_batch(target.envelope, records)
        return await lost(target, batch, lambda s: settler.settle(batch, s, wait_until))


async def by_ids(base_url: str) -> bool | None:
    """Avalanchio with derived ids, of which one in ten was rejected: more than a query's runs."""
    target = avalanchio_at(base_url)
    records = [{"id": 2**61 + n, "k": "k"} for n in range(2000) if n % 10]
    async with target.opened():
        await target.ensure(wish(target, "Text"))
        settler = IdSettler(target, RULES, CLOCK)
        batch = made_batch(target.envelope, records)
        return await lost(target, batch, lambda s: settler.settle(batch, s, wait_until))


async def by_evidence(base_url: str, kind: type[AitoBatchTarget | AitoStreamTarget]) -> bool | None:
    """aito with keys that a careless question would not find, or find too often."""
    target = aito_at(base_url, kind)
    records = [{"k": value, "stamp": "s"} for value in NASTY]
    async with target.opened():
        await target.ensure(wish(target, "String"))
        settler = EvidenceSettler(target, "k", RULES, CLOCK, None)
        batch = made_batch(target.envelope, records)
        assert await settler.prepare(batch)
        return await lost(target, batch, lambda s: settler.settle(batch, s, wait_until))


def wish(target, text: str) -> TableWish:
    """The table, whatever it is called."""
    name = target.shown.split(" table ")[1].split()[0]
    return TableWish(name, {}, (Column("k", text), Column("stamp", text)))


async def test_every_way_finds_out_what_became_of_a_batch(losing):
    """Whole, whole though late, or not at all; all at the same time."""
    base_url, commits = losing
    found: dict[str, bool | None] = {}

    async def settle(name: str, way: Awaitable[bool | None]) -> None:
        found[name] = await way

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(settle, "stamp", by_stamp(base_url))
        tasks.start_soon(settle, "ids", by_ids(base_url))
        tasks.start_soon(settle, "batch", by_evidence(base_url, AitoBatchTarget))
        tasks.start_soon(settle, "stream", by_evidence(base_url, AitoStreamTarget))
    assert found == dict.fromkeys(("stamp", "ids", "batch", "stream"), commits)


async def test_settling_touches_no_row_of_others(losing):
    """A thousand of them are there byte for byte, before and after; none of them is counted."""
    base_url, commits = losing
    target = avalanchio_at(base_url)
    ours = made_batch(target.envelope, [{"id": 2**61 + n, "stamp": "r:1"} for n in range(20)])
    name = target.shown.split()[-1]
    async with target.opened():
        await target.ensure(wish(target, "Text"))
        settler = IdSettler(target, RULES, CLOCK)
        others = made_batch(target.envelope, foreign(1000))
        await lost(target, others, lambda s: settler.settle(others, s, wait_until))
        before = await target.query(f"select * from {name} order by id")
        assert len(before) == (1000 if commits else 0)
        stamps = StampSettler(target, "stamp", RULES, CLOCK)
        result = await lost(target, ours, lambda s: stamps.settle(ours, s, wait_until))
        after = await target.query(f"select * from {name} where id <= 1000 order by id")
    assert result is commits
    assert after == before
