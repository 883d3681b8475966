"""What travels: the values that move between the stages, and nothing that acts.

Forward go blocks, slices and batches; back come receipts and rejects::

    files ─ source ─▶ Block ─ shape ─▶ Shaped ─ pack ─▶ Batch ─ target ─▶ Receipt

Everything here is a frozen value except `Accounts`, which is the run's running total and has one
writer (the engine's loop). A value never holds an open file, a socket or a frame of columns, so
each can be made by hand in a test and read in a debugger.

Record numbers count from 1 in each file, as *read*: unparseable records count, header, comments
and blank lines do not. A block does not know the number of its first record, because blocks are
shaped at the same time: whoever sees the blocks in order (`pack`) adds the base.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import xxhash
from msgspec import Struct, field
from msgspec.structs import replace

Format = Literal["csv", "ndjson"]
XXH3 = "xxh3_128:"


class Dialect(Struct, frozen=True):
    """How a CSV file spells its fields. Every mark is one ASCII character; None: there is none.

    `delimiter` parts fields, `quote` encloses one (doubled inside), `escape` makes the next
    character literal, `comment` at a record's start makes the line no record.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None


class Layout(Struct, frozen=True):
    """How the bytes of a block are read: blocks of one layout may hold records of several files.

    `columns` are a CSV file's column names in file order; empty for NDJSON.
    """

    format: Format
    columns: tuple[str, ...] = ()
    dialect: Dialect = Dialect()


class FileInfo(Struct, frozen=True):
    """One input: its place in the run's order, the path as shown to people, its size on disk.

    `path` is "-" for standard input. `size_bytes` is None where it can't be known beforehand.
    """

    index: int
    path: str
    size_bytes: int | None = None
    regular: bool = True
    member: str | None = None

    @property
    def shown(self) -> str:
        """The name for messages, rejects and `@path`: a zip's member stands behind its archive."""
        return f"{self.path}!{self.member}" if self.member else self.path


class Form(enum.Enum):
    """What the cutter found out about a block's structure, so that nobody looks twice.

    PLAIN    no quote character in it, records end with LF or CRLF. Field counts are unchecked.
    REGULAR  quoted, but every record has exactly the layout's number of fields and every quote
             stands where RFC 4180 wants it: a native reader may be trusted with it.
    ODD      anything else: read it record by record.
    """

    PLAIN = "plain"
    REGULAR = "regular"
    ODD = "odd"


class Segment(Struct, frozen=True):
    """The part of a block that one file contributed: whole records, `data[start:end]`.

    `byte` is the offset of `start` in the file's decompressed original. Where the original was not
    UTF-8, `encoding` names it, so that an offset in the block can be turned back into one there.
    `first_line` (physical, from 1) is known for a file's first segment only, else None: the lines
    of the others are counted when they are shaped. `first_record` is given only where records are
    taken out of the middle of a file; else they follow the segment before.
    """

    file: FileInfo
    start: int
    end: int
    byte: int
    encoding: str = "utf-8"
    first_line: int | None = None
    first_record: int | None = None


class Block(Struct, frozen=True):
    """Whole records as UTF-8 bytes, every record ended by a newline, blank lines and all.

    `oversize` lists the records of which only the head is in `data`.
    """

    number: int
    data: bytes
    layout: Layout
    segments: tuple[Segment, ...]
    form: Form = Form.ODD
    oversize: tuple[Oversize, ...] = ()


class Oversize(Struct, frozen=True):
    """A record that was too long to be held: it stands in `data` as its kept head only.

    `start` is the offset of its kept head in the block's data, `skipped_bytes` what was read and
    thrown away behind that head, `skipped_lines` the line ends among it.
    """

    start: int
    skipped_bytes: int
    skipped_lines: int


Stage = Literal["parse", "map", "coerce", "limit", "send"]


class Reject(Struct, frozen=True):
    """One record's trouble, as data. `reason` is a short fixed word, `message` a sentence.

    `line` (physical, from 1), `byte` (from 0, in the decompressed original) and `record` (from 1)
    name the place where the record starts. `column` is the source's name, `field` the target's.
    """

    file: str
    line: int
    byte: int
    record: int
    stage: Stage
    reason: str
    message: str
    raw: bytes
    column: str | None = None
    field: str | None = None
    raw_truncated: bool = False


class Slice(Struct, frozen=True):
    """Records of one file, encoded once, each ended by the envelope's `record_end`.

    `buffer[start:end]` holds `count` records. They are the records `first` to `last` of the file,
    without those numbered in `rejected` (sorted). `keys`, in an upsert, is one text a record.
    `origin` leads back to the source's bytes, so that a record refused later is shown as it came.
    """

    file: FileInfo
    buffer: bytes
    start: int
    end: int
    count: int
    first: int
    last: int
    rejected: tuple[int, ...] = ()
    keys: tuple[str, ...] | None = None
    origin: Origin | None = None

    @property
    def size_bytes(self) -> int:
        """Encoded bytes, the separators behind each record included."""
        return self.end - self.start

    @property
    def view(self) -> memoryview:
        """The encoded records without a copy."""
        return memoryview(self.buffer)[self.start : self.end]

    def placed(self, origin: Origin | None = None) -> Slice:
        """Its place alone, without bytes; `origin` leads to the source's, if anything shall."""
        return replace(self, buffer=b"", start=0, end=0, origin=origin)


class Restorable(Protocol):
    """What can give a block back (`kept.Kept`)."""

    def restored(self) -> Block:
        """The block, with its bytes."""
        ...


class Origin(Struct, frozen=True):
    """Where a slice's records came from: the block, the segment in it, and the segment's bases.

    `kept` gives the block back, with its bytes.
    """

    kept: Restorable
    segment: int
    first_record: int
    first_line: int


class Place(Struct, frozen=True):
    """Where one record stands: `record` and `line` from 1 within its segment, `byte` absolute.

    `raw` is the record's own bytes without its line end.
    """

    record: int
    line: int
    byte: int
    raw: bytes


class ShapedSegment(Struct, frozen=True):
    """What shaping one segment gave. Places in `rejects` are relative to the segment's start.

    `records` were found, `lines` physical lines passed; `buffer[start:end]` holds the encoded good
    ones. A reject's `record` and `line` count from 1 within the segment, `byte` is absolute.
    """

    start: int
    end: int
    records: int
    lines: int
    rejects: tuple[Reject, ...] = ()
    keys: tuple[str, ...] | None = None


class Shaped(Struct, frozen=True):
    """A block after shaping: one encoded buffer, and what each segment has of it, in order."""

    block: Block
    buffer: bytes
    segments: tuple[ShapedSegment, ...]
    kept: Restorable


class Span(Struct, frozen=True):
    """Consecutive records of one file that one batch answers for.

    `first` and `last` are record numbers, both included; the batch answers for `count` of them.
    The others were rejected before. In an upsert some of the `count` may not stand in the body,
    because a later record of the same key supersedes them (`Batch.superseded`).
    """

    file: int
    first: int
    last: int
    count: int


class Spool(Struct, frozen=True):
    """A sealed body on the disk: gzip NDJSON, one record a line.

    `size_bytes` is the file's length, `plain_bytes` what it unpacks to, `sha256` (hex) the file's,
    `plain_crc32` that of what it unpacks to, where it is known: packed anew, the same records may
    make other bytes.
    """

    path: Path
    size_bytes: int
    plain_bytes: int
    sha256: str
    plain_crc32: int | None = None


class Batch(Struct, frozen=True):
    """One sealed body. A retry sends these very bytes again.

    `body` is the pieces in order, framing included; together they are `size_bytes` long. `count`
    records are in it. `dropped`, in input order, stood in its spans but lost to a later one of
    their key; they are kept in case that one is refused.

    Where the body lies on the disk, `spool` says so, `body` is empty, and `slices` hold places
    without bytes (their `buffer` is empty).

    The parts of a batch that was taken apart share its number: `offset` records stood before this
    one in the whole body, and `part` is its place in the tree of halves (1 the whole, 2p and 2p + 1
    the halves of p).
    """

    number: int
    body: tuple[memoryview, ...]
    size_bytes: int
    count: int
    spans: tuple[Span, ...]
    slices: tuple[Slice, ...] = ()
    keys: frozenset[str] = frozenset()
    dropped: tuple[Slice, ...] = ()
    spool: Spool | None = None
    offset: int = 0
    part: int = 1

    @property
    def superseded(self) -> int:
        """Records in the spans that a later one of their key replaced."""
        return sum(part.count for part in self.dropped)

    @property
    def records(self) -> int:
        """Records this batch answers for in the accounts."""
        return self.count + self.superseded

    def pieces(self, size_bytes: int = 256 * 1024) -> Iterator[memoryview]:
        """The body in pieces of at most `size_bytes`, without copying."""
        for part in self.body:
            for start in range(0, len(part), size_bytes):
                yield part[start : start + size_bytes]

    def digest(self, like: str = XXH3) -> str:
        """What a journal keeps to know the same bytes again: the kind and the hash in hex.

        It tells a body that was made again from the recorded one, against no adversary: so XXH3
        with 128 bits, a fortieth of SHA-256's time. `like` a recorded digest it is one of that
        kind, to be compared with it; bare hex is SHA-256, as of a spool's file.
        """
        if self.spool is not None:
            return self.spool.sha256
        kind = XXH3 if like.startswith(XXH3) else ""
        found = xxhash.xxh3_128() if kind else hashlib.sha256()
        for part in self.body:
            found.update(part)
        return kind + found.hexdigest()


class Refusal(Struct, frozen=True):
    """A record that a service left out of a body it took: its place in it (from 0), the words."""

    index: int
    words: str


class Verdict(Struct, frozen=True):
    """What a service says of a body that it took, whole or in part.

    `taken` is the number of records it says it took, None where it is silent. `refused` are the
    records that it named as failed; of the others `doubtful` many may be missing, and `message`
    says why nobody knows which.
    """

    taken: int | None = None
    refused: tuple[Refusal, ...] = ()
    doubtful: int = 0
    message: str = ""


class Outcome(enum.Enum):
    """How a batch ended. Exactly one of them holds for every batch that was handed to a writer."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AMBIGUOUS = "ambiguous"
    UNSENT = "unsent"


class Receipt(Struct, frozen=True):
    """What became of one batch, after all its attempts.

    `attempts` requests carried it, `failed` of them did not end in acceptance, `latency_s` is that
    of the last one. `message` holds the service's words (bounded, stripped) where it refused.
    A body that was accepted in part has a `verdict` with refused or doubtful records. `is_open`:
    the run ended while its fate was open; a run that is taken up finds it out.
    """

    batch: Batch
    outcome: Outcome
    attempts: int
    failed: int
    latency_s: float = 0.0
    message: str = ""
    status: int | None = None
    resent: bool = False
    verdict: Verdict = field(default_factory=Verdict)
    is_open: bool = False

    def placed(self) -> Receipt:
        """To be kept for the report: what became of which records, without their bytes."""
        slices, dropped = (
            tuple(replace(part.placed(), keys=None) for part in parts)
            for parts in (self.batch.slices, self.batch.dropped)
        )
        bare = replace(self.batch, body=(), keys=frozenset(), slices=slices, dropped=dropped)
        return replace(self, batch=bare)


class Column(Struct, frozen=True):
    """One column of a live table. `type` is the service's own word; `properties` are the rest."""

    name: str
    type: str
    required: bool = False
    unique: bool = False
    indexed: bool = False
    properties: dict[str, Any] = field(default_factory=dict)


class Schema(Struct, frozen=True):
    """A live table as the service describes it."""

    table: str
    columns: tuple[Column, ...]
    properties: dict[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


class Limits(Struct, frozen=True):
    """What one request may hold: records, and bytes of the uncompressed body with its framing."""

    records: int = 10_000
    size_bytes: int = 6_000_000


class Accounts(Struct):
    """The run's totals. `read` is always the sum of the five ends plus what is still under way.

    `isolated` counts bodies that were refused and taken apart, `superseded` the accepted records
    that a later one of their key replaced.
    """

    read: int = 0
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    ambiguous: int = 0
    unsent: int = 0
    superseded: int = 0
    bytes_read: int = 0
    bytes_sent: int = 0
    requests_sent: int = 0
    requests_retried: int = 0
    requests_failed: int = 0
    isolated: int = 0
    in_flight: int = 0

    @property
    def settled(self) -> int:
        """Records that reached one of the five ends."""
        return self.accepted + self.rejected + self.skipped + self.ambiguous + self.unsent

    @property
    def balanced(self) -> bool:
        """True if every record read reached exactly one end. False after a run is a failed run."""
        return self.read == self.settled


def spans_of(slices: Sequence[Slice]) -> tuple[Span, ...]:
    """The spans that these slices cover; neighbours of one file are joined."""
    spans: list[Span] = []
    for part in slices:
        previous = spans[-1] if spans else None
        if previous and previous.file == part.file.index and previous.last + 1 == part.first:
            count = previous.count + part.count
            spans[-1] = Span(previous.file, previous.first, part.last, count)
        else:
            spans.append(Span(part.file.index, part.first, part.last, part.count))
    return tuple(spans)
