"""A program's records as an input: how they are encoded, when they are asked for, how they end."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import types
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SourceError
from ingest.job import SourceSettings
from ingest.model import Block
from ingest.sources import records
from ingest.sources.records import RECORDS, Records, RecordSource, RecordStream, encoded

AT = dt.datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=dt.UTC)
NAMED = uuid.UUID("12345678-1234-5678-1234-567812345678")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: Decimal


class Price(msgspec.Struct, rename="camel"):
    per_unit: Decimal
    at: dt.date


class Later(dt.datetime):
    """As a data frame's own timestamps: a subclass."""


Pair = collections.namedtuple("Pair", "left right")  # noqa: PYI024 - the untyped kind is meant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), "1.10"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (Decimal("1E+3"), "1E+3"),
        (Decimal("NaN"), "null"),
        (float("inf"), "null"),
        (AT, '"2024-02-29T12:30:15.250000+00:00"'),
        (AT.date(), '"2024-02-29"'),
        (Later(2024, 2, 29), '"2024-02-29T00:00:00"'),
        (NAMED, f'"{NAMED}"'),
        (Colour.RED, '"red"'),
        (Point(1, Decimal("2.50")), '{"x":1,"y":2.50}'),
        (Price(Decimal("2.50"), AT.date()), '{"perUnit":2.50,"at":"2024-02-29"}'),
        (Pair(1, "b"), '[1,"b"]'),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        ("line\nend", '"line\\nend"'),
    ],
)
def test_a_value_is_encoded_as_json_has_it(value, text):
    """Digits as they are, times in ISO 8601, what JSON has not as null."""
    assert encoded({"v": value}) == f'{{"v":{text}}}\n'.encode()


def test_a_data_frames_missing_time_is_null_and_its_numbers_are_numbers():
    """NaT is a datetime by type; numpy's scalars are no Python numbers."""
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    record = {"a": pandas.NaT, "b": numpy.int64(7), "c": pandas.Timestamp("2024-01-02")}
    assert encoded(record) == b'{"a":null,"b":7,"c":"2024-01-02T00:00:00"}\n'


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"a": {1}}, "set has no form in JSON: {'a': {1}}"),
        ({"a": 2**64}, "64-bit"),
        ({1: "a"}, "str"),
        ({"a": "\ud800"}, "surrogates"),
        (Unspeakable(), "its repr raised RuntimeError"),
        ({"a": {"x" * 5000}}, "xxx"),
    ],
)
def test_what_cant_be_encoded_is_a_line_that_is_no_record(record, words):
    """One line, so that it has its number, which says what was wrong, and not at any length."""
    line = encoded(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    said = orjson.loads(line)
    assert isinstance(said, str)
    assert said.startswith("can't be encoded as JSON: ")
    assert words in said
    assert len(said) < records.SHOWN_CHARS + 200


@given(st.dictionaries(st.text(), JSON))
@settings(max_examples=60)
def test_what_json_has_is_encoded_as_one_line_and_means_the_same(record):
    """Whatever is in it, its line end is the only one."""
    line = encoded(record)
    assert line.find(b"\n") == len(line) - 1
    assert orjson.loads(line) == record


# --- the stream -----------------------------------------------------------------------------


class Counted:
    """Records that count how many were asked for; `failing` ends them with an error."""

    def __init__(self, count: int, *, failing: bool = False) -> None:
        self.asked = 0
        self.closed_by: list[int] = []
        self._count = count
        self._failing = failing

    def plain(self) -> Iterator[dict[str, Any]]:
        record = {"n": 0, "text": "x" * 1000}
        try:
            for number in range(self._count):
                self.asked += 1
                record["n"] = number  # the same dict, again and again
                yield record
            if self._failing:
                raise ValueError("it broke")
        finally:
            self.closed_by.append(anyio.get_current_task().id)

    async def asynchronous(self) -> AsyncIterator[dict[str, Any]]:
        with anyio.CancelScope():  # must be left in the task that entered it
            try:
                for number in range(self._count):
                    self.asked += 1
                    await anyio.lowlevel.checkpoint()
                    yield {"n": number, "text": "x" * 1000}
                if self._failing:
                    raise ValueError("it broke")
            finally:
                self.closed_by.append(anyio.get_current_task().id)

    def of(self, kind: str) -> Records:
        return self.plain() if kind == "plain" else self.asynchronous()


both_kinds = pytest.mark.parametrize("kind", ["plain", "async"])


async def blocks_of(stream: RecordStream) -> tuple[list[Block], SourceError | None]:
    """Everything that a source makes of it, and what it broke off with."""
    wanted = SourceSettings(paths=(RECORDS,), format="ndjson", encoding="utf-8")
    source = RecordSource(wanted, stream, lambda _note: None)
    found, error = list[Block](), None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.pump)
        prepared = await source.prepare(0)
        assert (prepared.format, prepared.total_bytes) == ("ndjson", None)
        assert source.stats() == []  # nothing that could be read again
        async with source.opened(), aclosing(source.blocks()) as blocks:
            try:
                async for block in blocks:
                    found.append(block)
            except SourceError as exc:
                error = exc
    stream.close()
    return found, error


def numbers_in(blocks: list[Block]) -> list[int]:
    """The field n of every record."""
    return [orjson.loads(line)["n"] for block in blocks for line in block.data.splitlines()]


@both_kinds
@pytest.mark.anyio
@pytest.mark.parametrize("count", [0, 1, 2, 700])
async def test_records_come_in_order_as_blocks_of_one_input(kind, count):
    """None, one, two, and more than a piece holds."""
    counted = Counted(count)
    stream = RecordStream(counted.of(kind))
    found, error = await blocks_of(stream)
    assert numbers_in(found) == list(range(count))
    assert {segment.file.shown for block in found for segment in block.segments} <= {RECORDS}
    assert (len(counted.closed_by), stream.failure, error) == (1, None, None)


@both_kinds
@pytest.mark.anyio
@pytest.mark.parametrize("count", [0, 1, 300])
async def test_an_iterator_that_raises_gives_its_records_first(kind, count):
    """Then the input breaks off, with what it raised."""
    stream = RecordStream(Counted(count, failing=True).of(kind))
    found, error = await blocks_of(stream)
    assert error is not None
    assert f"ValueError after {count} records: it broke" in error.message
    assert numbers_in(found) == list(range(count))
    assert isinstance(stream.failure, ValueError)


@both_kinds
@pytest.mark.anyio
async def test_nobody_asks_ahead_of_who_reads(kind):
    """One piece is taken and one waits; the iterator is not asked for more. What is left is closed,
    in the task that drove it."""
    counted = Counted(100_000)
    stream = RecordStream(counted.of(kind))
    driver: list[int] = []

    async def pumping() -> None:
        driver.append(anyio.get_current_task().id)
        await stream.pump()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pumping)
        first = await stream.read()
        await anyio.wait_all_tasks_blocked()
        assert counted.asked <= 2 * (records.PIECE_BYTES // 1000 + 1)
        assert len(first) <= records.PIECE_BYTES + 2000
        await stream.aclose()
    stream.close()
    assert counted.closed_by == driver
    assert stream.failure is None


@pytest.mark.anyio
async def test_a_stream_that_was_never_used_is_closed():
    """As where a run did not begin: nothing is left open (a warning is an error here)."""
    stream = RecordStream([{"n": 1}])
    stream.close()
    with pytest.raises(anyio.ClosedResourceError):
        await stream.read()


@pytest.mark.anyio
async def test_what_a_generator_raises_when_it_is_closed_is_told():
    """It is the program's own trouble, and must not be lost."""

    def stubborn() -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield {"text": "x" * 1000}
        finally:
            raise LookupError("while closing")

    stream = RecordStream(stubborn())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.pump)
        await stream.read()
        await stream.aclose()
    stream.close()
    assert isinstance(stream.failure, LookupError)
