"""Rows asked back and deleted at both services, against the sandbox; and what can't be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ingest.errors import TargetError
from ingest.protocols import (
    OfIds,
    OfStamps,
    OfTable,
    OfValues,
    Rows,
    Scope,
    Sum,
    TheseIds,
    ThisStamp,
)
from ingest.targets import avalanchio_rows
from ingest.targets.aito_rows import AitoRows, where_of
from ingest.targets.avalanchio_rows import AvalanchioRows, conditions, deletions
from ingest.targets.avalanchio_types import read_rows
from ingest.wire import Secret, Wire
from tests.sandbox.aito_calls import speaking
from tests.sandbox.conftest import Running, running

RUN = "20261121-221500-j_b-4f2a"
OTHER = "20261121-221500-jxb-4f2a"
STAMPS = [f"{RUN}:00000000{n}.000000.000002" for n in (1, 1, 2, 2)]
KEYS = ["x' OR '1'='1", "%", '"', "ü"]

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox; each test has a table of its own."""
    with running(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


def lines() -> list[dict[str, Any]]:
    """Four rows of the run, one of another run, one of nobody."""
    own = [
        {"k": key, "s": stamp, "n": n, "x": n / 4}
        for n, (key, stamp) in enumerate(zip(KEYS, STAMPS, strict=True), 1)
    ]
    others = [{"k": "o", "s": STAMPS[0].replace(RUN, OTHER), "n": 5}, {"k": "p", "x": 1.5}]
    return own + others


def avalanchio_table(server: Running) -> str:
    """Made, with rows whose ids are 1 to 6."""
    kinds = {"k": "Text", "s": "Text", "n": "Bigint", "x": "Double"}
    table = server.make(*({"name": name, "type": kind} for name, kind in kinds.items()))
    rows = [{"id": n, **line} for n, line in enumerate(lines(), 1)]
    assert server.insert(table, *rows).status_code == 200
    return table


def aito_table(server: Running) -> str:
    """Made, with the same rows."""
    kinds = {"k": "String", "s": "String", "n": "Int", "x": "Decimal"}
    with speaking(server) as aito:
        columns = {name: {"type": kind, "nullable": True} for name, kind in kinds.items()}
        table = aito.made(**columns)
        assert aito.batch(table, *lines()).status_code == 200
    return table


@asynccontextmanager
async def opened(server: Running, service: str) -> AsyncIterator[Rows]:
    """The rows of a new table."""
    if service == "aito":
        async with Wire(server.url, {"x-api-key": Secret("sandbox")}) as wire:
            yield AitoRows(wire, aito_table(server))
    else:
        headers = {"Authorization": Secret("sandbox").prefixed("Bearer ")}
        async with Wire(server.url, headers) as wire:
            yield AvalanchioRows(wire, avalanchio_table(server))


@pytest.fixture(params=["avalanchio", "aito"])
def service(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


async def read(rows: Rows, scope: Scope, page_rows: int) -> list[Any]:
    """All rows of a scope, by their `k`."""
    return [row["k"] async for page in rows.pages(scope, ["k"], page_rows) for row in page]


async def test_scopes(server, service):
    """Counted and read, whatever the pages; a run's name with `_` is no pattern."""
    async with opened(server, service) as rows:
        for scope, keys in (
            (OfTable(), [*KEYS, "o", "p"]),
            (OfStamps("s", RUN), KEYS),
            (OfStamps("s", RUN, STAMPS[0]), KEYS[:2]),
            (OfValues("k", tuple(KEYS[:2])), KEYS[:2]),
            (OfValues("k", ("nobody",)), []),
        ):
            assert await rows.count(scope) == len(keys)
            for page_rows in (1, 2, 4, 100):
                assert sorted(await read(rows, scope, page_rows)) == sorted(keys)
        assert len(await rows.at(OfTable(), ["k"], 4, 10)) == 2


async def test_sums(server, service):
    """Nulls don't count; without rows there are none."""
    async with opened(server, service) as rows:
        assert await rows.sums(OfStamps("s", RUN), ["n", "x"]) == {
            "n": Sum(4, 10),
            "x": Sum(4, 2.5),
        }
        assert await rows.sums(OfValues("k", ("nobody",)), ["n"]) == {"n": Sum(0, 0)}
        assert await rows.sums(OfTable(), []) == {}


async def test_stamps(server, service, monkeypatch):
    """Each of the run's, and its rows; no other run's."""
    monkeypatch.setattr(avalanchio_rows, "STAMPS_A_PAGE", 1)
    async with opened(server, service) as rows:
        assert await rows.stamps(OfStamps("s", RUN)) == {STAMPS[0]: 2, STAMPS[2]: 2}


async def test_deleting_by_stamp_and_dropping(server, service):
    """The rows of one body; again is harmless."""
    async with opened(server, service) as rows:
        for _ in range(2):
            await rows.delete(ThisStamp("s", STAMPS[0]))
            assert sorted(await read(rows, OfTable(), 10)) == sorted([*KEYS[2:], "o", "p"])
        await rows.drop()
        with pytest.raises(TargetError):
            await rows.count(OfTable())


async def test_ids(server):
    """Ranges, many of them; deletions of just these."""
    async with opened(server, "avalanchio") as rows:
        scattered = OfIds(tuple((n, n) for n in range(2, 1000, 2)))
        assert await rows.count(scattered) == 3
        assert await read(rows, OfIds(((2, 3), (5, 9))), 2) == [KEYS[1], KEYS[2], "o", "p"]
        await rows.delete(TheseIds((1, 2, 4, 999)))
        assert await read(rows, OfTable(), 10) == [KEYS[2], "o", "p"]


async def test_rows_without_ids_are_never_deleted_by_them(server):
    """Nor asked for."""
    async with opened(server, "aito") as rows:
        with pytest.raises(TargetError, match="no ids"):
            await rows.delete(TheseIds((1,)))
        with pytest.raises(TargetError, match="no ids"):
            where_of(OfIds(((1, 2),)))


async def test_a_table_that_changes_while_it_is_read(server):
    """Places shift: the reading is refused, not patched up."""
    async with opened(server, "aito") as rows:
        pages = rows.pages(OfTable(), ["k"], 2)
        await anext(pages)
        await rows.delete(ThisStamp("s", STAMPS[0]))
        with pytest.raises(TargetError, match="changed while they were read"):
            await anext(pages)


async def test_an_answer_that_is_cut_is_asked_for_in_smaller_pages(server, monkeypatch):
    """Down to one row."""

    def cutting(answer: Any) -> list[dict[str, Any]]:
        rows = read_rows(answer)
        if len(rows) > 1:
            raise TargetError("cut short")
        return rows

    async with opened(server, "avalanchio") as rows:
        monkeypatch.setattr("ingest.targets.avalanchio_rows.read_rows", cutting)
        assert len(await read(rows, OfTable(), 100)) == 6


async def test_what_can_be_asked():
    """A backslash can't stand in SQL safely; in JSON everything can."""
    wire = Wire("http://127.0.0.1:1")
    assert not AvalanchioRows(wire, "t").can_ask("a\\")
    assert AvalanchioRows(wire, "t").can_ask("a'b")
    assert AitoRows(wire, "t").can_ask("a\\")


@pytest.mark.parametrize(("number", "parts"), [(1, 1), (40, 1), (41, 2), (1000, 25)])
async def test_deletions_are_of_bounded_length(number, parts):
    """However scattered the ids; neighbours are one term."""
    found = list(deletions(TheseIds(tuple(10**18 + 2 * n for n in range(number)))))
    assert len(found) == parts
    assert max(map(len, found)) < 1200
    assert list(deletions(TheseIds((3, 1, 2, 7)))) == ["id between 1 and 3 or id = 7"]


async def test_values_are_quoted():
    """By the one function that may."""
    (condition,) = conditions(OfValues("a b", ("x' OR '1'='1", 5)))
    assert condition == "\"a b\" in ('x'' OR ''1''=''1', 5)"
    with pytest.raises(TargetError, match="backslash"):
        list(conditions(OfValues("k", ("\\",))))
