"""Derived ids: the same on every run, in front of every record, in ranges that don't meet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.errors import SettingsError, TargetError
from ingest.model import FileInfo, Limits, Slice
from ingest.pack import MemoryEnvelope, identify, leading_records, record_border, split
from ingest.pack.identify import (
    END_ID,
    FIRST_ID,
    LARGEST_NUMBER,
    OVERHEAD_BYTES,
    SMALLEST_ROOM,
    UNKNOWN_CAPACITY,
    Identifier,
    IdRange,
    id_of,
    most_records,
    ranges,
    start_of,
)
from tests.pack.helpers import numbers_in, packed, records_in

JOB = "stocks"
FIGURE = 2_605_738_683_324_495_367
VALUES = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=4), st.just({"x": ["}", ",}"]}))
PLAIN = st.dictionaries(st.text(max_size=3).map("k{}".format), VALUES, max_size=3).map(orjson.dumps)
SPELT = st.sampled_from(
    [b"{}", b"{ }", b"{\t\r }", b'{ "a":1}', b'{"a" : ",}" }', '{"é":"\u2028"}'.encode()]
)
RECORD = st.one_of(PLAIN, SPELT)


def block_of(parts: Sequence[tuple[int, list[bytes], Sequence[int]]], end: bytes) -> list[Slice]:
    """The slices of one buffer: the first number, the records and the rejected numbers of each."""
    records = [record for _, some, _ in parts for record in some]
    buffer = b"".join(record + end for record in records)
    ends = [0, *accumulate(len(record) + len(end) for record in records)]
    slices: list[Slice] = []
    index = 0
    for number, (first, some, rejected) in enumerate(parts):
        last = first + len(some) + len(rejected) - 1
        file = FileInfo(number, f"data/f{number}.csv")
        start, stop = ends[index], ends[index + len(some)]
        refused = tuple(sorted(rejected))
        slices.append(Slice(file, buffer, start, stop, len(some), first, last, refused))
        index += len(some)
    return slices


@st.composite
def blocks(draw: st.DrawFn, end: bytes = b",\n") -> list[Slice]:
    """Slices of several files in one buffer, rejects among them."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        records = draw(st.lists(RECORD, max_size=7))
        first = draw(st.integers(1, 10**9))
        gaps = draw(st.integers(0, 3))
        places = draw(st.permutations(range(first, first + len(records) + gaps)))
        parts.append((first, records, places[:gaps]))
    return block_of(parts, end)


def cut_up(parts: Sequence[Slice], draw: Callable[..., int]) -> list[Slice]:
    """The same records in other slices."""
    found: list[Slice] = []
    for part in parts:
        head, rest = split(part, draw(st.integers(0, part.count)))
        found += [piece for piece in (head, rest) if piece.count]
    return found


def pairs(parts: Sequence[Slice], end: bytes = b",\n") -> list[tuple[str, int, bytes]]:
    """File, number and bytes of every record."""
    return [
        (part.file.path, number, record)
        for part in parts
        for number, record in zip(numbers_in(part), records_in(part, end), strict=True)
    ]


@given(st.sampled_from([b",\n", b"\n"]), st.data())
@settings(max_examples=150)
def test_every_record_gets_its_id(end: bytes, data: st.DataObject) -> None:
    """In front, of 19 digits, start + number; the rest is as it was, and so are the slices."""
    parts = data.draw(blocks(end))
    found = Identifier(JOB).identified(parts)
    for part, new in zip(parts, found, strict=True):
        assert new.size_bytes == part.size_bytes + OVERHEAD_BYTES * part.count
        assert (new.file, new.count, new.first, new.last) == (
            (part.file, part.count, part.first, part.last)
        )
        assert (new.rejected, new.keys, new.origin) == (part.rejected, part.keys, part.origin)
    for (path, number, record), (_, _, made) in zip(
        pairs(parts, end), pairs(found, end), strict=True
    ):
        wanted = id_of(JOB, path, number)
        assert made[: OVERHEAD_BYTES + 1].rstrip(b", ") == b'{"id":%d' % wanted
        assert made[OVERHEAD_BYTES + 1 :] == record[1:]
        assert orjson.loads(made) == {"id": wanted, **orjson.loads(record)}
        assert next(iter(orjson.loads(made))) == "id"


@given(blocks(), st.data())
@settings(max_examples=100)
def test_slice_and_block_borders_change_nothing(parts: list[Slice], data: st.DataObject) -> None:
    """The same records whether taken whole, cut up, one by one, or with some left out."""
    identifier = Identifier(JOB)
    wanted = pairs(identifier.identified(parts))
    pieces = cut_up(parts, data.draw)
    assert pairs(identifier.identified(pieces)) == wanted
    alone = [new for piece in pieces for new in identifier.identified([piece])]
    assert pairs(alone) == wanted
    kept = [piece for piece in pieces if data.draw(st.booleans())]
    assert pairs(identifier.identified(kept)) == [
        pair for pair in wanted if pair[:2] in {p[:2] for p in pairs(kept)}
    ]


@given(blocks(), st.data())
@settings(max_examples=100)
def test_what_is_identified_is_cut_at_record_borders(
    parts: list[Slice], data: st.DataObject
) -> None:
    """Every cut falls where counting puts it."""
    pieces = cut_up(parts, data.draw)
    skipped = pieces[data.draw(st.integers(0, len(pieces))) :]  # a block's first file is settled
    for part in Identifier(JOB).identified(skipped):
        within = range(part.start, part.end)
        ends = [part.start, *(place + 1 for place in within if part.buffer[place] == ord("\n"))]
        assert len(ends) == part.count + 1
        for count in range(part.count + 1):
            assert record_border(part, count) == ends[count]
            head, rest = split(part, count)
            assert pairs([head, rest]) == pairs([part])
        for size in range(-1, part.size_bytes + 2):
            fitting = bisect_right(ends, part.start + max(size, 0)) - 1
            assert leading_records(part, size) == fitting


@given(blocks(), st.integers(1, 5), st.integers(0, 30))
@settings(max_examples=100)
def test_limits_hold_with_ids(parts: list[Slice], records: int, spare: int) -> None:
    """Whoever takes the overhead off the largest record never meets one that does not fit."""
    largest = max((len(r) for p in parts for r in records_in(p)), default=0) + OVERHEAD_BYTES
    frame = len(b'{"records":[]}')
    envelope = MemoryEnvelope(
        b'{"records":[', b"]}", b",\n", Limits(records, frame + largest + spare)
    )
    assert envelope.largest_record == largest + spare
    batches = packed(envelope, Identifier(JOB).identified(parts))
    sent = [orjson.loads(b"".join(batch.body))["records"] for batch in batches]
    assert all(batch.size_bytes <= envelope.limits.size_bytes for batch in batches)
    assert all(0 < len(some) <= records for some in sent)
    wanted = [id_of(JOB, path, number) for path, number, _ in pairs(parts)]
    assert [record["id"] for some in sent for record in some] == wanted


@pytest.mark.parametrize("count", [0, 1, 2, 257])
def test_so_many_records(count: int) -> None:
    """None, one, two, and more than stand between two marks in earnest."""
    (part,) = block_of([(1, [b'{"a":"%"}'] * count, ())], b",\n")
    found = pairs(Identifier(JOB).identified([part]))
    assert [orjson.loads(record)["id"] for _, _, record in found] == [
        id_of(JOB, part.file.path, number) for number in range(1, count + 1)
    ]


def test_nothing_to_identify() -> None:
    """No slices are no slices."""
    assert Identifier(JOB).identified([]) == []


def test_threads_share_an_identifier() -> None:
    """Blocks that are identified side by side are what they are one by one."""
    identifier = Identifier(JOB)
    many = [block_of([(n * 100 + 1, [b'{"a":%d}' % n] * 100, ())], b",\n") for n in range(20)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(identifier.identified, many))
    assert [pairs(some) for some in found] == [pairs(identifier.identified(some)) for some in many]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_miscounted_slice_is_a_defect(count: int) -> None:
    """Ids that would slip to other records are never sent."""
    (part,) = block_of([(1, [b"{}"] * 3, ())], b",\n")
    with pytest.raises(TargetError, match=r"f0\.csv: . records were encoded as 3 lines"):
        Identifier(JOB).identified([replace(part, count=count, last=count)])


def test_a_record_that_is_parted_is_a_defect() -> None:
    """A control character that JSON forbids would part a line: it is noticed."""
    (part,) = block_of([(1, [b'{"a":"\r"}\r'], ())], b"\n")
    with pytest.raises(TargetError, match="1 records were encoded"):
        Identifier(JOB).identified([part])


def test_an_id_never_changes() -> None:
    """What rows bear that were loaded long ago: these figures are part of the contract."""
    assert id_of("stocks", "data/AAPL.csv", 1) == FIGURE
    assert id_of("stocks", "data/AAPL.csv", 10**6) == FIGURE + 10**6 - 1


@given(st.text(max_size=8), st.text(max_size=8), st.integers(1, LARGEST_NUMBER))
@settings(max_examples=200)
def test_an_id_has_19_digits_and_62_bits(job: str, path: str, record: int) -> None:
    """Whatever job, file and record are called."""
    if not all(ord(c) < 0xD800 or ord(c) > 0xDFFF for c in job + path):
        return
    assert 10**18 <= id_of(job, path, record) < 2**62
    assert len(str(id_of(job, path, record))) == 19


def test_the_last_id_there_is() -> None:
    """The highest start and the highest number stay below 62 bits."""
    highest = FIRST_ID + vars(identify)["_SPAN"] - 1
    assert highest + LARGEST_NUMBER == END_ID - 1 < 2**62


def test_job_and_path_are_told_apart() -> None:
    """Their letters can't be pushed from one to the other; a path need not be UTF-8."""
    names = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), ("a", "\udcff"), ("a", "ÿ")]
    assert len({start_of(job, path) for job, path in names}) == len(names)


@given(st.lists(st.integers(0, 2000), max_size=30))
@settings(max_examples=50)
def test_ids_are_unique_over_files_and_records(sizes: list[int]) -> None:
    """Every file's records have ids of its range alone, and ranges never meet."""
    files = [FileInfo(index, f"f{index}", size) for index, size in enumerate(sizes)]
    found = ranges(JOB, files, lambda file: most_records(file.size_bytes or 0))
    assert [one.file for one in found] == files
    ids: set[int] = set()
    for one, size in zip(found, sizes, strict=True):
        assert one.records == (size + 1) // 2
        mine = {id_of(JOB, one.file.shown, number) for number in range(1, one.records + 1)}
        assert mine == set(range(one.first, one.last + 1))
        ids |= mine
    assert len(ids) == sum(one.records for one in found)


@pytest.mark.parametrize(("data", "records"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2)])
def test_most_records(data: bytes, records: int) -> None:
    """Records of one character, the last one without a line end."""
    assert most_records(len(data)) == records


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Where files start, said by the test."""
    said: dict[str, int] = {}
    monkeypatch.setattr(identify, "start_of", lambda job, shown: said[shown])
    return said


TWO = [FileInfo(0, "b.csv"), FileInfo(1, "a.csv")]


@pytest.mark.parametrize("records", [0, 1, 2, 1000])
def test_ranges_that_touch_and_ranges_that_meet(starts: dict[str, int], records: int) -> None:
    """Just as much room as records is enough; one less is an error that names both files."""
    starts |= {"a.csv": FIRST_ID, "b.csv": FIRST_ID + records}
    second, first = ranges(JOB, TWO, lambda file: records)
    assert first == IdRange(TWO[1], FIRST_ID + 1, FIRST_ID + records)
    assert second.first == first.last + 1
    starts["b.csv"] -= 1
    if records:
        with pytest.raises(SettingsError, match=r"ids of .\.csv and .\.csv would") as caught:
            ranges(JOB, TWO, lambda file: records)
        assert {"a.csv", "b.csv"} < set(str(caught.value).split())
        assert "another name" in caught.value.hint


def test_a_file_of_unknown_size_ends_before_the_next(starts: dict[str, int]) -> None:
    """Its range is as large as may be; too little room is an error at once."""
    starts |= {"a.csv": FIRST_ID, "b.csv": FIRST_ID + SMALLEST_ROOM}
    second, first = ranges(JOB, TWO, lambda file: None)
    assert (first.records, second.records) == (SMALLEST_ROOM, UNKNOWN_CAPACITY)
    assert first.last < second.first
    starts["b.csv"] -= 1
    with pytest.raises(SettingsError, match="overlap"):
        ranges(JOB, TWO, lambda file: None)


def test_a_file_named_twice() -> None:
    """The same path has the same ids: said so."""
    files = [FileInfo(0, "a.csv", 10), FileInfo(1, "a.csv", 10)]
    with pytest.raises(SettingsError, match=r"a\.csv is named twice"):
        ranges(JOB, files, lambda file: 5)


def test_how_rare_an_overlap_is() -> None:
    """The figures of the module's head, for 6,000 files."""
    files, places = 6000, vars(identify)["_SPAN"]
    assert (files - 1) * 600_000_000 / places < 1e-6
    assert (files - 1) * most_records(1_200_000_000) / places < 1e-6
    assert (files - 1) * files * SMALLEST_ROOM / places < 7e-7
    found = ranges(JOB, [FileInfo(n, f"data/{n}.csv.gz") for n in range(files)], lambda file: None)
    assert len(found) == files


def test_no_record_beyond_its_range_gets_an_id() -> None:
    """A file that holds more than was looked for at the service stops there."""
    (part,) = block_of([(1, [b"{}"] * 3, ())], b",\n")
    for records, fits in ((4, True), (3, True), (2, False), (0, False)):
        start = start_of(JOB, part.file.shown)
        identifier = Identifier(JOB, [IdRange(part.file, start + 1, start + records)])
        if fits:
            assert identifier.identified([part])[0].count == 3
            continue
        with pytest.raises(SettingsError, match=rf"f0\.csv: from record {records + 1} on"):
            identifier.identified([part])
