"""aito's two ways against the sandbox: what the service makes of what is sent."""

from __future__ import annotations

import pytest

from ingest.errors import NotFound, Permanent, TargetError
from ingest.model import Column, Limits
from ingest.protocols import TableWish
from ingest.targets.aito import LIMITS, AitoSettings, request_headers
from ingest.targets.aito_batch import AitoBatchTarget
from ingest.targets.aito_stream import AitoStreamTarget
from ingest.targets.aito_types import column_type, integer_range
from ingest.wire import Secret, Timeouts, Wire
from tests.batches import made_batch

pytestmark = pytest.mark.anyio

WAYS = {"batch": AitoBatchTarget, "stream": AitoStreamTarget}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Each way in turn."""
    return str(request.param)


def target_at(base_url: str, table: str, way: str = "batch", **settings):
    """A target whose small calls are not repeated."""
    wire = Wire(base_url, request_headers(Secret("sandbox")), Timeouts(calls_s=0))
    return WAYS[way](wire, table, Limits(), AitoSettings(**settings))


async def test_columns_keep_what_they_were_wished_with(sandbox, table):
    """Links, analyzers and required ones, of a table that others link to."""
    columns = (
        Column("id", "Int", required=True),
        Column("words", "Text", properties={"analyzer": "english"}),
        Column("parent", "Int", properties={"link": f"{table}.id"}),
        Column("tags", "String[]"),
    )
    target = target_at(sandbox, table)
    async with target.opened():
        live = await target.ensure(TableWish(table, {}, columns))
    assert live.columns == columns


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize("base", ["", "/db/mine"])
async def test_both_versions_in_any_database(sandbox, table, way, api, base):
    """Made, loaded to the ends of an integer's range, counted, asked and optimized."""
    kind = column_type("integer", api)
    bounds = integer_range(kind)
    assert bounds
    target = target_at(sandbox + base, table, way, api=api, optimize=True)
    async with target.opened():
        assert await target.describe() is None
        await target.ensure(TableWish(table, {}, (Column("n", kind),)))
        verdict = await target.send(made_batch(target.envelope, [{"n": n} for n in bounds]))
        for outside in (bounds[0] - 1, bounds[1] + 1):
            if abs(outside) < 2**63:  # orjson writes no more
                with pytest.raises(Permanent):
                    await target.send(made_batch(target.envelope, [{"n": outside}]))
        assert await target.count() == 2
        assert await target.query("{}") == [{"n": n} for n in bounds]
        assert "merged" in (await target.tidy() or "")
    assert verdict.taken in (2, None)


async def test_a_missing_value_is_null_and_null_is_left_out(sandbox, table, way):
    """Columns are nullable unless wished required."""
    columns = (Column("n", "Int"), Column("s", "String", required=True))
    target = target_at(sandbox, table, way)
    async with target.opened():
        await target.ensure(TableWish(table, {}, columns))
        await target.send(made_batch(target.envelope, [{"s": "a"}, {"n": None, "s": "b"}]))
        with pytest.raises(Permanent):
            await target.send(
                made_batch(target.envelope, [{"n": 1, "s": "c"}, {"n": 1, "s": None}])
            )
        assert await target.query("{}") == [{"s": "a"}, {"s": "b"}]


async def test_a_missing_table_stops_a_run(sandbox, table, way):
    """NotFound with the service's sentence, not its JSON."""
    target = target_at(sandbox, table, way)
    async with target.opened():
        with pytest.raises(NotFound) as caught:
            await target.send(made_batch(target.envelope, [{"n": 1}]))
        with pytest.raises(TargetError, match=table):
            await target.count()
    assert table in caught.value.message
    assert "{" not in caught.value.message


async def test_a_query_takes_conditions(sandbox, table, way):
    """In the service's language; more rows than the own limit are said."""
    target = target_at(sandbox, table, way)
    async with target.opened():
        await target.ensure(TableWish(table, {}, (Column("n", "Int"),)))
        await target.send(made_batch(target.envelope, [{"n": i % 3} for i in range(1_002)]))
        found = await target.query('{"where": {"n": 1}, "limit": 2}')
        assert len(await target.query('{"where": {"n": 1}}')) == 334
        with pytest.raises(TargetError, match="1,002 rows match"):
            await target.query("{}")
    assert found == [{"n": 1}, {"n": 1}]


async def test_full_bodies_are_taken(sandbox, table, way):
    """10,000 records in one request, and a body of 6 MB to the byte."""
    target = target_at(sandbox, table, way)
    frame = {"batch": 2, "stream": 1}[way]  # brackets, or the line's end
    async with target.opened():
        await target.ensure(TableWish(table, {}, (Column("n", "Int"), Column("s", "String"))))
        records = [{"n": i} for i in range(LIMITS.records)]
        await target.send(made_batch(target.envelope, records))
        large = {"s": "x" * (LIMITS.size_bytes - frame - len('{"s":""}'))}
        batch = made_batch(target.envelope, [large])
        assert batch.size_bytes == LIMITS.size_bytes
        await target.send(batch)
        assert await target.count() == LIMITS.records + 1


@pytest.mark.parametrize("api", ["v1", "v2"])
async def test_any_of_some_values_is_counted(sandbox, table, way, api):
    """Each row once, whichever of them it has; a value of another type is refused."""
    target = target_at(sandbox, table, way, api=api)
    rows = [{"s": value} for value in ("%", "\\", "\\", '"', "a")]
    async with target.opened():
        await target.ensure(TableWish(table, {}, (Column("s", "String"),)))
        await target.send(made_batch(target.envelope, rows))
        assert await target.count_any("s", ["\\"]) == 2
        assert await target.count_any("s", ["\\", "%", "x' OR '1'='1"]) == 3
        assert await target.count_any("s", ["b"]) == 0
        with pytest.raises(TargetError):
            await target.count_any("s", ["a", 5])
