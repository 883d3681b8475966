"""Zip archives: every member is an input of its own, read as a window of the archive.

The central directory is read once, by `zipfile`; what travels on is where a member's packed bytes
stand and what must come out of them. So a member is read like any other file (from an offset, for a
length), by many at a time, with the same bounded decompressors, and the archive is never held open.
The order is the archive's own. `__MACOSX/` and directories are no members.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator

from msgspec import Struct

from ingest.errors import SourceError
from ingest.sources.checksum import Checksum, Corrupt
from ingest.sources.compression import Decompressor

LOCAL_HEADER_BYTES = 30
_METHODS = {0: None, 8: "deflate", 12: "bz2", 93: "zstd"}


class Window(Struct, frozen=True):
    """A member's packed bytes, `length` from `start` in the archive, and what they hold.

    `codec` is None for stored bytes. `crc` and `size_bytes` are of the unpacked member.
    """

    start: int
    length: int
    codec: str | None
    crc: int
    size_bytes: int


def members(path: str, shown: str) -> tuple[tuple[str, Window], ...]:
    """The files in the zip archive at `path`, in its own order, each with its place.

    Raises SourceError for an archive that is damaged, encrypted, packed by an unknown method, or in
    truth an office document.
    """
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:  # noqa: PTH123 - undecodable names
            entries = archive.infolist()
            _refuse_documents(entries, shown)
            return tuple(
                (entry.filename, _window(file.fileno(), entry, shown))
                for entry in entries
                if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
            )
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
        raise SourceError(
            f"{shown}: can't be read as a zip archive: {exc}", "copy or download it again"
        ) from exc


def _refuse_documents(entries: list[zipfile.ZipInfo], shown: str) -> None:
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise SourceError(
            f"{shown}: this is an office document, not CSV or NDJSON", "save its sheet as CSV"
        )


def _window(descriptor: int, entry: zipfile.ZipInfo, shown: str) -> Window:
    name = f"{shown}!{entry.filename}"
    if entry.flag_bits & 1:
        raise SourceError(f"{name}: is encrypted", "unpack it and load the plain file")
    if entry.compress_type not in _METHODS:
        raise SourceError(
            f"{name}: is packed by method {entry.compress_type}, which is not supported",
            "unpack it and load the plain file",
        )
    header = os.pread(descriptor, LOCAL_HEADER_BYTES, entry.header_offset)
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile(f"no member at byte {entry.header_offset:,}")
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return Window(
        entry.header_offset + LOCAL_HEADER_BYTES + lengths,
        entry.compress_size,
        _METHODS[entry.compress_type],
        entry.CRC,
        entry.file_size,
    )


class Unzipper:
    """A member's packed bytes to plain ones, with the manners of a `Decompressor`."""

    def __init__(self, window: Window, shown: str) -> None:
        self._window = window
        self._shown = shown
        self._unpack = Decompressor(window.codec, shown) if window.codec else None
        self._sum = Checksum()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes that `data` completes, in pieces. Raises SourceError behind the last."""
        for piece in self._unpack.feed(data) if self._unpack else (data,):
            self._sum.add(piece)
            yield piece

    def finish(self) -> None:
        """Raise SourceError unless the member is whole and its checksum right."""
        if self._unpack and (self._window.size_bytes or self._unpack.fed_bytes):
            self._unpack.finish()
        try:
            self._sum.check(self._window.crc, self._window.size_bytes & 0xFFFFFFFF)
        except Corrupt as exc:
            raise SourceError(
                f"{self._shown}: the zip member is damaged: {exc}", "copy or download it again"
            ) from exc
