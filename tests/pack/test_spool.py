"""Slices to spools: the limit, the order, nothing lost, memory and the loop kept free."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import TargetError
from ingest.model import (
    Slice,
    Span,
)
from ingest.pack import Packer, spool, spool_file
from ingest.pack.gzip_stream import Deflated, deflate
from ingest.pack.private_file import PrivateFile
from ingest.pack.spool import SpoolEnvelope, SpoolPacking
from ingest.pack.spool_file import FRAME_BYTES
from tests.pack.helpers import assert_spans, numbers_in, records_in, slice_of, slices
from tests.pack.spools import (
    LIMIT,
    lines,
    noise,
    noisy,
    packed_lines,
    records_of_all,
)


def recut(parts: Sequence[Slice], sizes: Sequence[int]) -> list[Slice]:
    """The same records in slices of these sizes, in turn, none of two files."""
    found: list[Slice] = []
    turn = 0
    for part in parts:
        pairs = list(zip(numbers_in(part), records_in(part, b"\n"), strict=True))
        while pairs:
            size = sizes[turn % len(sizes)]
            head, pairs, turn = pairs[:size], pairs[size:], turn + 1
            numbers = [number for number, _ in head]
            gone = set(range(numbers[0], numbers[-1] + 1)) - set(numbers)
            records = [record for _, record in head]
            found.append(slice_of(records, part.file, numbers[0], sorted(gone), b"\n"))
    return found


@given(
    slices(end=b"\n"),
    st.integers(FRAME_BYTES + 18, 260),
    st.integers(0, 2),
    st.integers(1, 60),
    st.sampled_from(["asyncio", "trio"]),
)
@settings(max_examples=120)
def test_spools_are_within_the_limit_and_nothing_is_lost(
    parts: list[Slice], limit: int, level: int, chunk_bytes: int, backend: str
) -> None:
    """All records in order, counted, with spans that answer for each once; a spool is sealed only
    because a chunk or the next record might not fit; the same slices give the same spools."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "CHUNK_BYTES", chunk_bytes)
        arguments = Path(folder), limit, parts, level
        found = anyio.run(packed_lines, *arguments, backend=backend)
        again = anyio.run(packed_lines, *arguments, backend=backend)
    batches = [batch for batch, _ in found]
    assert [line for _, inside in found for line in inside] == records_of_all(parts)
    assert all(1 <= batch.size_bytes <= limit for batch in batches)
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    assert_spans(batches, parts)
    for batch, (_, following) in zip(batches, found[1:], strict=False):
        least = max(min(chunk_bytes, limit // 8), len(following[0]) + 1)
        assert batch.size_bytes + least + 10 > limit
    assert [batch.digest() for batch, _ in again] == [batch.digest() for batch in batches]


@given(
    slices(end=b"\n"),
    st.integers(60, 200),
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
)
@settings(max_examples=60)
def test_lines_do_not_depend_on_where_slices_end(
    parts: list[Slice], limit: int, sizes: list[int]
) -> None:
    """The same records, cut otherwise, are the same lines in the same order."""
    with tempfile.TemporaryDirectory() as folder:
        found = anyio.run(packed_lines, Path(folder), limit, recut(parts, sizes))
    assert [line for _, inside in found for line in inside] == records_of_all(parts)
    assert_spans([batch for batch, _ in found], parts)


@pytest.mark.anyio
@pytest.mark.parametrize("count", [0, 1, 2, 700])
async def test_so_many_records(tmp_path: Path, count: int) -> None:
    """One spool of all, and none without a record."""
    found = await packed_lines(tmp_path, LIMIT, [lines(count)])
    assert [inside for _, inside in found] == ([records_of_all([lines(count)])] if count else [])
    assert [batch.spans for batch, _ in found] == ([(Span(0, 1, count, count),)] if count else [])


@pytest.mark.anyio
@pytest.mark.parametrize("fitting", [1, 2, 5])
@pytest.mark.parametrize("spare", [-1, 0, 1])
async def test_a_limit_of_so_many_records(tmp_path: Path, fitting: int, spare: int) -> None:
    """Records that don't shrink: exactly as many as the bytes allow, frame and heads included."""
    limit = FRAME_BYTES + 5 + fitting * 101 + spare
    if spare < 0 and fitting == 1:
        with pytest.raises(TargetError, match=r"f0\.csv: record 1 does not fit into any spool"):
            await packed_lines(tmp_path, limit, [noisy(3, 100)])
        return
    found = await packed_lines(tmp_path, limit, [noisy(10, 100)])
    full = fitting if spare >= 0 else fitting - 1
    assert [batch.count for batch, _ in found][:-1] == [full] * ((10 - 1) // full)
    assert max(batch.size_bytes for batch, _ in found) <= limit


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [FRAME_BYTES + 7, 60, 1000, 65_580, 70_000])
async def test_the_largest_record(tmp_path: Path, limit: int) -> None:
    """It fills a spool of its own though it does not shrink; a byte more fits into none."""
    largest = SpoolEnvelope(limit).largest_record
    ((batch, inside),) = await packed_lines(tmp_path, limit, [noisy(1, largest)])
    assert inside == [noise(largest)]
    assert batch.size_bytes <= limit
    with pytest.raises(TargetError, match="does not fit into any spool"):
        await packed_lines(tmp_path, limit, [noisy(1, largest + 1)])


@pytest.mark.parametrize("limit", [0, 1, 2, FRAME_BYTES, FRAME_BYTES + 6])
def test_a_limit_that_allows_nothing(limit: int) -> None:
    """No record is short enough, so the shaper rejects each."""
    assert SpoolEnvelope(limit).largest_record == 0


@pytest.mark.anyio
async def test_what_shrinks_fills_a_spool_nevertheless(tmp_path: Path) -> None:
    """Its size is looked at again and again: far more goes in than the worst case would let."""
    part = lines(40_000)
    found = await packed_lines(tmp_path, 50_000, [part])
    assert found[0][0].spool
    assert found[0][0].spool.plain_bytes > 2 * 50_000
    for batch, _ in found[:-1]:
        assert 50_000 * 7 / 8 - 10 < batch.size_bytes <= 50_000


@pytest.mark.anyio
async def test_chunks_are_compressed_side_by_side_and_written_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is done only after the third was begun, and never more than three are begun."""
    monkeypatch.setattr(spool, "CHUNK_BYTES", 1)
    third, lock, running, most = threading.Event(), threading.Lock(), [0], [0]

    def slow_first(views: Sequence[memoryview], window: int, level: int) -> Deflated:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        if bytes(views[0]) == b'{"n":3}\n':
            third.set()
        assert third.wait(20)
        with lock:
            running[0] -= 1
        return deflate(views, window, level)

    monkeypatch.setattr(spool_file, "deflate", slow_first)
    parts = [lines(1, first) for first in range(1, 10)]
    ((_, inside),) = await packed_lines(tmp_path, LIMIT, parts)
    assert inside == records_of_all(parts)
    assert most == [3]


@pytest.mark.anyio
async def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is packed, three chunks are under way at most."""
    monkeypatch.setattr(spool, "CHUNK_BYTES", 50)
    begun: list[int] = []
    begin = spool_file.SpoolFile.begin

    def counted(self: spool_file.SpoolFile, *rest) -> None:
        begin(self, *rest)
        begun.append(self.under_way)

    monkeypatch.setattr(spool_file.SpoolFile, "begin", counted)
    await packed_lines(tmp_path, LIMIT, [lines(5, first) for first in range(1, 500, 5)])
    assert max(begun) == spool.UNDER_WAY == 3
    assert len(begun) > 20


@pytest.mark.anyio
async def test_the_loop_never_touches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Creating, writing, flushing and removing are done by other threads."""
    seen: dict[str, set[threading.Thread]] = {}
    for name in ("__init__", "write", "keep", "remove"):
        original = vars(PrivateFile)[name]

        def noted(self, *rest, name=name, original=original):
            seen.setdefault(name, set()).add(threading.current_thread())
            return original(self, *rest)

        monkeypatch.setattr(PrivateFile, name, noted)
    await packed_lines(tmp_path, 600, [lines(200)])
    assert set(seen) == {"__init__", "write", "keep", "remove"}
    assert all(threading.current_thread() not in threads for threads in seen.values())


@pytest.mark.anyio
async def test_upserts_are_not_packed(tmp_path: Path) -> None:
    """No service takes them so; build refuses such a job before."""
    packing = SpoolPacking(tmp_path, LIMIT)
    async with packing.opened():
        with pytest.raises(AssertionError, match="upsert"):
            await packing.add(slice_of([b"1"], end=b"\n", keys=["a"]))
        assert packing.pending == 0


def test_no_body_is_opened_in_memory() -> None:
    """Whoever tries has mistaken the way: a defect, said so."""
    envelope = SpoolEnvelope(LIMIT)
    assert (envelope.record_end, envelope.limits.size_bytes) == (b"\n", LIMIT)
    assert envelope.limits.records > 10**12
    with pytest.raises(TargetError, match="can't be opened"):
        Packer(envelope)
    assert SpoolPacking(Path(), LIMIT).envelope == envelope


def test_whoever_does_not_need_it_does_not_load_it() -> None:
    """The command line shows its help without the compressor."""
    words = "import ingest.pack, sys; print([m for m in sys.modules if m.startswith('isal')])"
    shown = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, check=True, text=True
    )
    assert shown.stdout.strip() == "[]"
