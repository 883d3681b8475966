"""A directory of spools: what a later process needs stays, all else goes."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from ingest.errors import IngestError
from ingest.model import Batch
from ingest.pack.spool import SpoolPacking
from ingest.pack.spool_leftovers import sweep
from tests.pack.spools import lines, lines_of, names_in

pytestmark = pytest.mark.anyio
SPOOLS = [f"spool-{number:06}.ndjson.gz" for number in range(4)]


class Books:
    """Which files are needed, or that nobody can say."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.readable = True

    async def needed(self) -> Collection[str]:
        if not self.readable:
            raise IngestError("the journal can't be read")
        return self.names


def packing(directory: Path, books: Books, **rest: int) -> SpoolPacking:
    """A packing whose spools are small."""
    return SpoolPacking(directory, 200, needed=books.needed, **rest)


async def three(one: SpoolPacking) -> list[Batch]:
    """Three of its spools."""
    return (await one.add(lines(400)))[:3]


@pytest.mark.parametrize("needed", [0, 1, 2])
def test_sweep(tmp_path, needed):
    """Files of ours go but for those that are needed; nothing else is touched."""
    for name in (*SPOOLS, "spool-000001.origins", f"{SPOOLS[1]}.origins-again", "other"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "spool-of-somebody").mkdir()
    sweep(tmp_path, SPOOLS[:needed])
    assert names_in(tmp_path) == sorted([*SPOOLS[:needed], "other", "spool-of-somebody"])
    sweep(tmp_path / "none")


async def test_what_a_killed_process_left(tmp_path):
    """On opening: the spools that are needed stay, and their names are not taken again."""
    for name in (*SPOOLS, "spool-000001.origins"):
        (tmp_path / name).write_bytes(b"x")
    one = packing(tmp_path, Books(SPOOLS[1]), first_number=7)
    async with one.opened():
        assert names_in(tmp_path) == [SPOOLS[1]]
        batches = await three(one)
        assert [batch.number for batch in batches] == [7, 8, 9]
        assert all(batch.spool and batch.spool.path.name != SPOOLS[1] for batch in batches)
    assert names_in(tmp_path) == [SPOOLS[1]]


async def test_what_is_needed_outlives_the_packing(tmp_path):
    """Whole, and without the source of its records; the others are gone."""
    books = Books()
    one = packing(tmp_path, books)
    async with one.opened():
        first, second, third = await three(one)
        assert second.spool
        books.names.add(second.spool.path.name)
        for batch in (first, second):
            await one.release(batch)
        assert second.spool.path.name in names_in(tmp_path)
        assert not second.spool.path.with_name("spool-000002.origins").exists()
        assert third.spool
        assert third.spool.path.exists()
    assert names_in(tmp_path) == [second.spool.path.name]
    assert lines_of(second)


async def test_a_spool_of_an_earlier_process_is_released(tmp_path):
    """Like one of its own, once nobody needs it."""
    books = Books(SPOOLS[1])
    (tmp_path / SPOOLS[1]).write_bytes(b"x")
    one = packing(tmp_path, books)
    async with one.opened():
        (batch, *_) = await three(one)
        assert batch.spool
        old = replace(batch, spool=replace(batch.spool, path=tmp_path / SPOOLS[1]))
        await one.release(old)
        assert (tmp_path / SPOOLS[1]).exists()
        books.names.clear()
        await one.release(old)
        assert not (tmp_path / SPOOLS[1]).exists()
        await one.release(old)


async def test_books_that_can_not_be_asked(tmp_path):
    """On opening that is said. Later nothing is deleted of what may be needed, and the next process
    asks again."""
    books = Books()
    one = packing(tmp_path, books)
    async with one.opened():
        (batch, *_) = await three(one)
        books.readable = False
        await one.release(batch)
        assert batch.spool
        assert batch.spool.path.exists()
    left = names_in(tmp_path)
    assert batch.spool.path.name in left
    assert all(name.endswith(".ndjson.gz") for name in left)
    with pytest.raises(IngestError, match="can't be read"):
        async with packing(tmp_path, books).opened():
            raise AssertionError
    books.readable = True
    async with packing(tmp_path, books).opened():
        await anyio.lowlevel.checkpoint()
    assert names_in(tmp_path) == []
