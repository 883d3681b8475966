"""What every target owes the engine (`protocols.Target`), asked of each in the same words.

A new target is one line in `SERVICES`: how to make it for a table of the sandbox, the columns of
that table in the service's words (`n` an integer, `s` a string), a query for its rows, and how a
body comes to it. One that takes a body in part says so: it names bad records instead of refusing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import (
    IngestError,
    NotFound,
    Permanent,
    Retryable,
    TargetError,
    Trouble,
    Unauthorized,
)
from ingest.model import Batch, Column, Limits
from ingest.pack.spool import SpoolEnvelope
from ingest.protocols import TableWish, Target
from ingest.targets import aito, avalanchio
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_file import AitoFileTarget
from ingest.targets.aito_stream import AitoStreamTarget
from ingest.targets.avalanchio import AvalanchioTarget
from ingest.wire import Secret, Timeouts, Wire
from tests.batches import made_batch
from tests.targets.fake_aito import spooled_batch

pytestmark = pytest.mark.anyio

# What a careless question would take for more than it is.
BYSTANDERS = ("x' OR '1'='1", "%", "_", "\\", '"', "'", "';--", *("", " ", "a", "A", "a ", "null"))
SPOOL_BYTES = 1_000_000
Record = dict[str, Any]
WRONG_TOKEN = "wrong-token-0123456789"


_tables = count(1)


@dataclass(frozen=True, slots=True)
class Service:
    """How to make a target, its words for two types, and the query for a table's rows."""

    make: Callable[[str, Secret, str, Limits], Target]
    integer: str
    string: str
    rows_query: Callable[[str, tuple[str, ...]], str]
    in_files: bool = False

    def body(self, target: Target, folder: Path, records: list[Record], number: int = 0) -> Batch:
        """A batch of these records, as the target wants it."""
        if self.in_files:
            return spooled_batch(folder, records, number)
        return made_batch(target.envelope, records, number)

    def wish(self, table: str, *names: str) -> TableWish:
        """A table with these columns: `n...` integers, the others strings."""
        kinds = [self.integer if name.startswith("n") else self.string for name in names]
        return TableWish(table, {}, tuple(map(Column, names, kinds)))


def avalanchio_batch(base_url: str, token: Secret, table: str, limits: Limits) -> Target:
    """Avalanchio by batches."""
    wire = Wire(base_url, avalanchio.request_headers(token), Timeouts(calls_s=0))
    return AvalanchioTarget(wire, table, limits)


def aito_batch(base_url: str, token: Secret, table: str, limits: Limits) -> Target:
    """aito by batches."""
    wire = Wire(base_url, aito.request_headers(token), Timeouts(calls_s=0))
    return AitoBatchTarget(wire, table, limits)


def aito_stream(base_url: str, token: Secret, table: str, limits: Limits) -> Target:
    """aito by streams."""
    wire = Wire(base_url, aito.request_headers(token), Timeouts(calls_s=0))
    return AitoStreamTarget(wire, table, limits)


def aito_file(base_url: str, token: Secret, table: str, _: Limits) -> Target:
    """aito by files; a job's limits of a request don't apply to them."""
    wire = Wire(base_url, aito.request_headers(token), Timeouts(calls_s=0))
    return AitoFileTarget(wire, table, SpoolEnvelope(SPOOL_BYTES))


def sql(table: str, names: tuple[str, ...]) -> str:
    """A SELECT."""
    return f"select {', '.join(names)} from {table}"


def from_table(table: str, names: tuple[str, ...]) -> str:
    """aito's query: whole rows."""
    return orjson.dumps({"from": table, "limit": 10}).decode()


SERVICES = {
    "avalanchio": Service(avalanchio_batch, "Bigint", "Text", sql),
    "aito by batch": Service(aito_batch, "Int", "String", from_table),
    "aito by stream": Service(aito_stream, "Int", "String", from_table),
    "aito by file": Service(aito_file, "Int", "String", from_table, in_files=True),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    """Each service in turn."""
    return SERVICES[request.param]


@pytest.fixture
def target(service: Service, sandbox: str, table: str) -> Target:
    """A target for a table that is not there yet."""
    return service.make(sandbox, Secret("sandbox"), table, Limits())


async def test_a_table_that_is_not_there_is_none(target):
    """Neither an error nor an empty schema."""
    async with target.opened():
        assert await target.describe() is None


async def test_a_table_is_made_as_wished(service, target, table):
    """And described afterwards as it was made."""
    async with target.opened():
        made = await target.ensure(service.wish(table, "n", "s"))
        live = await target.describe()
    assert made == live
    assert live.table == table
    assert [live.column(name).type for name in ("n", "s")] == [service.integer, service.string]


async def test_ensuring_twice_changes_nothing(service, target, table):
    """The second run of a job finds the table of the first."""
    async with target.opened():
        first = await target.ensure(service.wish(table, "n", "s"))
        assert await target.ensure(service.wish(table, "n", "s")) == first


async def test_a_table_is_widened_and_keeps_what_it_has(service, target, table, tmp_path):
    """Columns are added; those the wish leaves out stay, with their rows."""
    async with target.opened():
        await target.ensure(service.wish(table, "n"))
        await target.send(service.body(target, tmp_path, [{"n": 1}]))
        wide = await target.ensure(service.wish(table, "s", "t"))
        assert await target.count() == 1
    assert all(wide.column(name) for name in ("n", "s", "t"))


async def test_a_type_that_differs_is_left_as_it_is(service, target, table):
    """The meeting of job and table is somebody else's question."""
    async with target.opened():
        await target.ensure(service.wish(table, "n"))
        wish = TableWish(table, {}, (Column("n", service.string),))
        live = await target.ensure(wish)
    assert live.column("n").type == service.integer


@pytest.mark.parametrize("records", [1, 2, 500])
async def test_a_sent_batch_is_in_the_table(service, target, table, records, tmp_path):
    """Once, whole; the number taken is the batch's, or not said."""
    batch = service.body(target, tmp_path, [{"n": i, "s": f"ü{i}"} for i in range(records)])
    async with target.opened():
        await target.ensure(service.wish(table, "n", "s"))
        assert await target.count() == 0
        assert (await target.send(batch)).taken in (records, None)
        assert await target.count() == records


async def test_rows_come_back(service, target, table, tmp_path):
    """As objects by column name."""
    async with target.opened():
        await target.ensure(service.wish(table, "n", "s"))
        await target.send(service.body(target, tmp_path, [{"n": 7, "s": "it's"}]))
        rows = await target.query(service.rows_query(table, ("n", "s")))
    assert rows == [{"n": 7, "s": "it's"}]


async def test_many_writers_may_send_at_once(service, target, table, tmp_path):
    """Eight batches from eight tasks."""
    batches = [service.body(target, tmp_path, [{"n": i}] * 10, i) for i in range(8)]
    async with target.opened():
        await target.ensure(service.wish(table, "n"))
        async with anyio.create_task_group() as tasks:
            for batch in batches:
                tasks.start_soon(target.send, batch)
        assert await target.count() == 80


@given(
    values=st.lists(
        st.sampled_from(BYSTANDERS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        min_size=1,
        max_size=8,
    )
)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_rows_are_counted_by_exactly_their_value(service, sandbox, values, tmp_path):
    """Or the question is refused, and then asking changes nothing either."""
    target = service.make(sandbox, Secret("sandbox"), f"counted_{next(_tables)}", Limits())
    rows = [{"n": n, "s": value} for n, value in enumerate(values)]
    counts = Counter(values)
    async with target.opened():
        await target.ensure(service.wish(target.shown.split(" table ")[1].split()[0], "n", "s"))
        await target.send(service.body(target, tmp_path, rows))
        for value in {*values, *BYSTANDERS}:
            try:
                assert await target.count_where("s", value) == counts[value]
            except TargetError:
                assert "\\" in value or "\0" in value
        assert await target.count_where("n", len(rows) - 1) == 1
        assert await target.count_where("n", len(rows)) == 0
        assert await target.count() == len(rows)


async def test_a_count_of_what_is_not_there_is_an_error(service, target, table):
    """Neither a table nor a column that is missing counts as no rows."""
    async with target.opened():
        with pytest.raises(IngestError):
            await target.count_where("s", "x")
        await target.ensure(service.wish(table, "n"))
        with pytest.raises(IngestError):
            await target.count_where("s", "x")


async def test_a_bad_record_refuses_its_batch_for_good(service, target, table, tmp_path):
    """Permanent with the service's words, and nothing of it landed."""
    batch = service.body(target, tmp_path, [{"n": 1}, {"n": "no number"}])
    async with target.opened():
        await target.ensure(service.wish(table, "n"))
        if service.in_files:  # taken in part: the bad record is named, the other one landed
            verdict = await target.send(batch)
            assert (verdict.taken, [r.index for r in verdict.refused]) == (1, [1])
            assert verdict.refused[0].words
            return
        with pytest.raises(Permanent) as caught:
            await target.send(batch)
        assert await target.count() == 0
    assert caught.value.status in (400, 422)
    assert caught.value.message


async def test_sending_to_a_missing_table_is_for_good(service, target, tmp_path):
    """NotFound, where the service has a status for it, else Permanent."""
    batch = service.body(target, tmp_path, [{"n": 1}])
    async with target.opened():
        with pytest.raises(Permanent) as caught:
            await target.send(batch)
    assert isinstance(caught.value, NotFound) or caught.value.status == 400


async def test_a_wrong_token_is_refused_and_never_shown(service, sandbox, table, tmp_path):
    """Sending raises Unauthorized; the other calls say what to do."""
    target = service.make(sandbox, Secret(WRONG_TOKEN), table, Limits())
    batch = service.body(target, tmp_path, [{"n": 1}])
    async with target.opened():
        with pytest.raises(Unauthorized) as sending:
            await target.send(batch)
        with pytest.raises(IngestError) as asking:
            await target.describe()
    assert asking.value.hint
    shown = f"{sending.value} {asking.value} {asking.value.hint} {target.shown} {target!r}"
    assert WRONG_TOKEN not in shown


async def test_an_unreachable_service_is_retryable_and_said(service, table, tmp_path):
    """Sending: surely not applied. The other calls give up with an error for people."""
    target = service.make("http://127.0.0.1:1", Secret("sandbox"), table, Limits())
    batch = service.body(target, tmp_path, [{"n": 1}])
    async with target.opened():
        with pytest.raises(Retryable):
            await target.send(batch)
        with pytest.raises(IngestError) as caught:
            await target.ensure(service.wish(table, "n"))
    assert caught.value.retryable
    assert "127.0.0.1:1" in caught.value.message


async def test_a_target_can_be_opened_again(service, target, table):
    """The connections belong to the block, not to the object."""
    async with target.opened():
        await target.ensure(service.wish(table, "n"))
    async with target.opened():
        assert await target.describe() is not None


async def test_nothing_but_trouble_is_raised_by_sending(service, target, tmp_path):
    """Whatever the service says. A file, which is never taken apart, may also stop the run."""
    raised = (Trouble, IngestError) if service.in_files else Trouble
    async with target.opened():
        for record in ({}, {"unknown": 1}, {"n": None}):
            with pytest.raises(raised):
                await target.send(service.body(target, tmp_path, [record]))


@pytest.mark.parametrize(
    ("given", "expected"),
    [(Limits(1, 100), Limits(1, 100)), (Limits(2, 200), Limits(2, 200)), (Limits(), None),
     (Limits(10**9, 10**12), None)],
)  # fmt: skip
def test_limits_may_only_be_lowered(service, table, given, expected):
    """A job that asks for more than the service takes gets what the service takes."""
    limits = service.make("http://127.0.0.1:1", Secret("x"), table, given).envelope.limits
    if service.in_files:
        expected = Limits(sys.maxsize, SPOOL_BYTES)  # the job's other limit
    assert limits == (expected or Limits(10_000, 6_000_000))


def test_records_end_in_a_newline(target):
    """The packer finds records by it."""
    assert target.envelope.record_end.endswith(b"\n")


def test_a_target_is_shown_by_host_and_table(target, sandbox, table):
    """For people, without a credential."""
    assert sandbox.removeprefix("http://") in target.shown
    assert table in target.shown
