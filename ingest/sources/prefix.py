"""What the first bytes of a plain file hold: their hash, and how many whole records.

Asked where a file has grown: if its first bytes are what it once was, and end where a record ends,
then the records behind them are numbered on from theirs, and only those are new. Nothing is taken
on trust: the records are counted here as this run reads the file (its encoding and its marks, as
its head says now), so a header that is understood otherwise today, or a quote that only the new
bytes close, shows in the count or in the end.

Where it can't be said surely the answer is no: packed files and members of a zip; encodings where
a byte of a line end may be part of another character; ends other than a newline. Blocks: a pass
over the bytes, as fast as the hash where nothing is quoted, as the splitter where something is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import partial

from msgspec import Struct

from ingest import grammar
from ingest.errors import IngestError
from ingest.model import FileInfo, Layout
from ingest.sources.compression import MAGIC_BYTES, codec_of
from ingest.sources.discover import Place
from ingest.sources.encoding import UTF8, Transcoder, detect, named
from ingest.sources.headers import read_head, settle
from ingest.sources.intake import HEAD_BYTES
from ingest.sources.opening import CHUNK_BYTES
from ingest.sources.outcome import Reading

_ASCII = bytes(range(128))
_ALL = bytes(range(256))


class Prefix(Struct, frozen=True):
    """`sha256` in hex; `records` None where they don't surely end with a whole one, and `why`."""

    sha256: str = ""
    records: int | None = None
    why: str = ""


def prefix_of(file: FileInfo, place: Place, size_bytes: int, reading: Reading) -> Prefix:
    """The first `size_bytes` (at least one) of a regular file. Raises nothing for what is wrong."""
    if place.window is not None:
        return Prefix(why="it is packed")
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _Looking(file, place, reading, descriptor).at(size_bytes)
        finally:
            os.close(descriptor)
    except (OSError, IngestError) as exc:  # the run says what is wrong with the file
        return Prefix(why=str(exc))


class _Looking(Struct, frozen=True):
    """One look at one open file."""

    file: FileInfo
    place: Place
    reading: Reading
    descriptor: int

    def at(self, size_bytes: int) -> Prefix:
        """See `prefix_of`."""
        head = os.pread(self.descriptor, HEAD_BYTES, 0)
        if codec_of(head[:MAGIC_BYTES]):
            return Prefix(why="it is packed")
        if os.pread(self.descriptor, 1, size_bytes - 1) != b"\n":
            return Prefix(why="what it was did not end with a newline")
        wanted = named(self.reading.settings.encoding)
        final = len(head) < HEAD_BYTES
        found = detect(head, final=final, wanted=wanted, shown=self.file.shown)
        if not _is_bytewise(found.name):
            return Prefix(why=f"it is {found.name}")
        settings = self.reading.settings
        head_of = partial(read_head, self.file, self.place, settings)
        sniffed = settle(self.file, head_of, self.reading.ask)
        if sniffed is None:
            return Prefix(why="it has no header")
        counting = _Counting(sniffed.layout, sniffed.data_start, settings.max_record_bytes)
        transcoder = Transcoder(found.name, self.file.shown, found.bom_bytes)
        digest, left_out = hashlib.sha256(), found.bom_bytes
        for raw in self._chunks(size_bytes):
            digest.update(raw)
            text, error = transcoder.feed(raw[left_out:])
            left_out = max(0, left_out - len(raw))
            if error is not None:
                raise error
            counting.add(text)
        records = counting.whole
        why = "" if records is not None else "what it was did not end with a whole record"
        return Prefix(digest.hexdigest(), records, why)

    def _chunks(self, size_bytes: int) -> Iterator[bytes]:
        at = 0
        while at < size_bytes:
            raw = os.pread(self.descriptor, min(CHUNK_BYTES, size_bytes - at), at)
            if not raw:
                raise OSError(f"{self.file.shown}: became shorter")
            at += len(raw)
            yield raw


class _Counting:
    """Counts the records of a text that comes in parts; its first `start` bytes hold none."""

    def __init__(self, layout: Layout, start: int, max_record_bytes: int) -> None:
        self._layout = layout
        self._skip = start
        self._most = max_record_bytes
        self._carry = b""
        self._records = 0
        self._lost = False

    @property
    def whole(self) -> int | None:
        """The records so far; None if the text does not end behind a whole one."""
        ended = not self._skip and not self._lost and not self._carry.strip(b"\r\n")
        return self._records if ended else None

    def add(self, text: bytes) -> None:
        """The next part."""
        taken = min(self._skip, len(text))
        self._skip -= taken
        if self._lost:
            return
        data = self._carry + text[taken:]
        found, end = (
            _json_lines(data) if self._layout.format == "ndjson" else self._csv_records(data)
        )
        self._records += found
        self._carry = data[end:]
        # Longer than a record can be, and no end in it: an open quote, or the like.
        self._lost = len(self._carry) > self._most + 2

    def _csv_records(self, data: bytes) -> tuple[int, int]:
        """Whole records in `data`, and where the last of them ends."""
        dialect = self._layout.dialect
        marks = (dialect.quote, dialect.escape, dialect.comment)
        plain = not any(mark and mark.encode() in data for mark in marks)
        if plain and data.count(b"\r") == data.count(b"\r\n") and not grammar.has_blank_line(data):
            return data.count(b"\n"), data.rfind(b"\n") + 1
        records, end = 0, 0
        for one in grammar.split(data, dialect, final=False, max_record_bytes=self._most):
            records, end = records + 1, one.end
        return records, max(end, grammar.border(data[end:], dialect) + end if end else 0)


def _json_lines(data: bytes) -> tuple[int, int]:
    end = data.rfind(b"\n") + 1
    return sum(1 for line in data[:end].split(b"\n") if line and not line.isspace()), end


def _is_bytewise(name: str) -> bool:
    """Whether each byte below 128 is its ASCII character, wherever it stands."""
    if name == UTF8:
        return True
    try:
        one_each = len(_ALL.decode(name, "replace")) == len(_ALL)
        return one_each and _ASCII.decode(name) == _ASCII.decode("ascii")
    except (UnicodeDecodeError, LookupError):
        return False
