"""Derived ids: a number for every record that is the same on every run. Pure, and native.

An id is its file's *start* plus the record's number. The start is a hash (BLAKE2b) of the job's
name and the file's path as shown, so it depends on no other file, on no limit and on no earlier
run; a record that is sent again, by a resumed run or a replay, overwrites itself. Ids lie between
10^18 and 2^62: each has 19 digits, so what an id adds to a record is a constant, and a limit can be
asked before the number is known. A file's ids are consecutive: one range, which can be asked for at
the service before anything is sent.

Starts are drawn from S = 3.6 * 10^18 places. Two files that hold a and b records meet with a chance
of (a + b) / S, N files with R records in all with (N - 1) * R / S: for 6,000 files below one in a
million up to 600 million records, whatever their sizes. None meets unseen. `ranges` compares every
two neighbours by the most records that a file may hold, which is more than it does hold: with two
bytes a record, 6,000 files that are refused without need are as rare up to 1.2 GB in all (and one
in 24,000 at 50 GB); whoever knows the shortest record better gives a lower bound. Where the bound
is not known (packed files), 65,536 records are taken for it, which 6,000 files fail with a chance
of 7 in ten million; such a file's range ends before the next one begins, and no record beyond a
range gets an id, whatever the bound was. Nothing is drawn anew: then an id would depend on what
other files there are.

Records are encoded before they are numbered, so the id is put in afterwards, behind the brace that
opens a record. Lines are views of the old buffer, ids a column of integers; the writer of CSV puts
both together, and what stands before an id is the end of the line before. `{}` gets a blank where
the others have a comma, and so the same width.

The package does not import this module: Polars comes along, which must be set up by `ingest.shape`
before, and need not be waited for where nothing is loaded.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from ingest.errors import SettingsError, TargetError
from ingest.model import FileInfo, Slice

FIRST_ID = 10**18
END_ID = 2**62
LARGEST_NUMBER = 2**40  # of a record in its file: more than a terabyte of lines
UNKNOWN_CAPACITY = 2**32  # records to look for at the service where nobody knows how many there are
SMALLEST_ROOM = 2**16
DIGITS = 19
OVERHEAD_BYTES = len('"id":') + DIGITS + len(",")
_SPAN = END_ID - FIRST_ID - LARGEST_NUMBER
_OPENING = b'{"id":'
_EMPTY = r"^[ \t\r]*\}"
_WAY_ON = (
    "give the job another name (then all its ids are others), or load one of them by a job of its"
    " own"
)


class IdRange(Struct, frozen=True):
    """The ids that one file's records may get: `first` to `last`, both included."""

    file: FileInfo
    first: int
    last: int

    @property
    def records(self) -> int:
        """How many records have an id in it."""
        return self.last - self.first + 1


def id_of(job_name: str, shown: str, record: int) -> int:
    """The id of a record (from 1) of the file shown as `shown`."""
    return start_of(job_name, shown) + record


def start_of(job_name: str, shown: str) -> int:
    """What a file's record numbers are added to."""
    name = job_name.encode()
    path = shown.encode(errors="surrogateescape")  # a path need not be UTF-8
    told = b"%d:%s%s" % (len(name), name, path)
    digest = hashlib.blake2b(told, digest_size=16, person=b"ingest ids").digest()
    return FIRST_ID + int.from_bytes(digest) % _SPAN


def most_records(size_bytes: int) -> int:
    """How many records so many bytes, not packed, can hold: each has a character and a line end,
    and the last may lack the latter."""
    return (size_bytes + 1) // 2


def ranges(
    job_name: str, files: Iterable[FileInfo], capacity: Callable[[FileInfo], int | None]
) -> list[IdRange]:
    """The range of each file, in the order of `files`.

    `capacity` gives the most records that a file can hold, None where that can't be known. Raises
    SettingsError where two ranges overlap.
    """
    found: dict[int, IdRange] = {}
    ordered = sorted((start_of(job_name, file.shown), file.index, file) for file in files)
    starts = [start for start, _, _ in ordered[1:]] + [END_ID]
    for place, (start, index, file) in enumerate(ordered):
        room, bound = starts[place] - start, capacity(file)
        if place + 1 < len(ordered) and room < (SMALLEST_ROOM if bound is None else bound):
            _overlapping(file, ordered[place + 1][2])
        records = min(UNKNOWN_CAPACITY, room) if bound is None else bound
        found[index] = IdRange(file, start + 1, start + min(records, LARGEST_NUMBER))
    return [found[index] for index in sorted(found)]


def _overlapping(file: FileInfo, other: FileInfo) -> None:
    if file.shown == other.shown:
        raise SettingsError(
            f"{file.shown} is named twice: both times its records would get the same ids",
            "name it once",
        )
    raise SettingsError(f"the derived ids of {file.shown} and {other.shown} would overlap", _WAY_ON)


class Identifier:
    """Puts ids into numbered slices. Thread-safe: it holds nothing that changes.

    With `ranges` a record beyond the range of its file is refused (by the file's index).
    """

    def __init__(self, job_name: str, ranges: Iterable[IdRange] = ()) -> None:
        self._job_name = job_name
        self._last = {one.file.index: one.last for one in ranges}

    def identified(self, slices: Sequence[Slice]) -> list[Slice]:
        """The slices with an id in front of every record: `{"id":1234567890123456789,...`.

        Slices that follow each other in one buffer do so in a new one. Each record is longer by
        `OVERHEAD_BYTES`. Raises SettingsError for a record that no id is left for, TargetError (a
        defect) where a slice holds other than `count` records.
        """
        found: list[Slice] = []
        run: list[Slice] = []
        for part in slices:
            if run and not _follows(run[-1], part):
                found += self._identified(run)
                run = []
            run.append(part)
        return found + self._identified(run)

    def _identified(self, run: Sequence[Slice]) -> list[Slice]:
        if not any(part.count for part in run):
            return list(run)
        whole = run[0].buffer
        start, end = run[0].start, run[-1].end
        data = whole if end - start == len(whole) else whole[start:end]
        ids = pl.concat([self._ids(part) for part in run if part.count])
        lines = _lines(data)
        size_bytes = len(data) + OVERHEAD_BYTES * len(ids)
        buffer = _joined(ids, lines, size_bytes) if len(lines) == len(ids) else b""
        if len(buffer) != size_bytes:
            raise TargetError(
                f"{run[0].file.shown}: {len(ids)} records were encoded as {len(lines)} lines",
                "this is a defect",
            )
        before = accumulate((part.count for part in run), initial=0)
        return [_moved(part, buffer, start, next(before)) for part in run]

    def _ids(self, part: Slice) -> pl.Series:
        start = start_of(self._job_name, part.file.shown)
        last = self._last.get(part.file.index, start + LARGEST_NUMBER)
        if start + part.last > last:
            raise SettingsError(
                f"{part.file.shown}: from record {last - start + 1:,} on there are no ids left"
                " that surely are no other file's",
                "if the file changed, run again; else " + _WAY_ON,
            )
        ids = pl.int_range(start + part.first, start + part.last + 1, eager=True)
        if not part.rejected:
            return ids
        rejected = pl.Series([start + number for number in part.rejected], dtype=pl.Int64)
        return ids.filter(~ids.is_in(rejected.implode()))


def _follows(part: Slice, other: Slice) -> bool:
    return part.buffer is other.buffer and part.end == other.start


def _moved(part: Slice, buffer: bytes, base: int, before: int) -> Slice:
    """A slice where it lies in the new buffer, which begins with what stood at `base`, so many
    records `before` it."""
    start = part.start - base + OVERHEAD_BYTES * before
    end = start + part.size_bytes + OVERHEAD_BYTES * part.count
    return replace(part, buffer=buffer, start=start, end=end)


def _lines(data: bytes) -> pl.Series:
    """The lines, without their ends, as views. JSON has no raw control character, so that none of
    them is parted."""
    return pl.read_csv(
        data,
        has_header=False,
        separator="\x01",
        quote_char=None,
        schema={"line": pl.String},
    ).to_series()


def _joined(ids: pl.Series, lines: pl.Series, size_bytes: int) -> bytes:
    """The new buffer, which will have `size_bytes`."""
    rest = lines.str.slice(1)
    frame = pl.DataFrame([ids.alias("id"), rest.alias("rest")])
    if not rest.str.starts_with('"').all():  # else none is `{}`, and none begins with a blank
        is_empty = pl.col("rest").str.contains(_EMPTY)
        comma = pl.when(is_empty).then(pl.lit(" ")).otherwise(pl.lit(","))
        frame = frame.select(pl.concat_str(pl.col("id").cast(pl.String), comma, pl.col("rest")))
    out = io.BytesIO()
    out.seek(size_bytes + len(_OPENING) - 1)
    out.write(b"\n")  # all its memory at once
    out.seek(0)
    out.write(_OPENING)
    frame.write_csv(
        out,
        include_header=False,
        quote_style="never",
        line_terminator="\n" + _OPENING.decode(),
        batch_size=2048,
    )
    out.truncate(out.tell() - len(_OPENING))
    return out.getvalue()
