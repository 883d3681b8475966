"""Compressed bytes to plain ones, incrementally, with bounded memory and every damage named.

What a file is compressed with is read off its first bytes, never off its name. A `Decompressor` is
pure: bytes are fed in any cut, pieces of at most `PIECE_BYTES` come out, and what was readable
comes out before the `SourceError` that names the place of the damage. Of a *corrupt* stretch up to
one piece before the damage is lost with it (no library hands out a half-made piece); a file cut
short, a wrong checksum and bytes behind the end lose nothing.

Zeros behind the last gzip member are padding (tapes, tar), as for gzip(1); anything else is garbage
and said.

A bomb is bounded twice: pieces keep memory flat whatever the ratio is, and beyond
`FREE_BYTES` more than `MAX_RATIO` to one is an error, so that no small file runs for days.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator
from typing import Protocol

from isal import igzip_lib

from ingest.errors import SourceError
from ingest.sources.checksum import Corrupt
from ingest.sources.gzip_member import GzipMember

PIECE_BYTES = 1024 * 1024
FREE_BYTES = 64 * 1024 * 1024
MAX_RATIO = 1000
MAGIC_BYTES = 16

_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60)))
_BZ2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # a block's magic, and that of an empty file's end
_REFUSED = (
    (b"\xfd7zXZ\x00", "xz-compressed", "unpack it with `xz -d`"),
    (b"\x04\x22\x4d\x18", "lz4-compressed", "unpack it with `lz4 -d`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x1f\x9d", "compressed by compress(1)", "unpack it with `gzip -d`"),
    (b"PAR1", "a Parquet file", "export it as CSV or NDJSON"),
    (b"SQLite format 3\x00", "an SQLite database", "export its table as CSV"),
    (b"%PDF-", "a PDF document", "give the data as CSV or NDJSON"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save its sheet as CSV"),
    (b"\x00\x05\x16\x07", "AppleDouble litter (a `._` file of macOS)", "name the file beside it"),
)
_REFUSED_MAGICS = tuple(magic for magic, _, _ in _REFUSED)
_ISAL: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment] # the stub has an instance
_DAMAGES = (Corrupt, _ISAL, OSError, ValueError)  # what the libraries raise


class Stream(Protocol):
    """One compressed stream in the manner of `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool:
        """The stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Nothing more comes out until more is fed."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was fed beyond the stream's end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Feed `data` (b"" to go on), get at most about `max_length` bytes."""
        ...


def codec_of(head: bytes) -> str | None:
    """What the first `MAGIC_BYTES` bytes say: "gzip", "zstd", "bz2", "zip", or None for plain."""
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    if head.startswith(_ZSTD_MAGICS):
        return "zstd"
    if head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in _BZ2_BLOCKS:
        return "bz2"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    return None


def is_packed(head: bytes) -> bool:
    """Whether the first bytes are those of anything but text, to be unpacked or refused."""
    return codec_of(head) is not None or head.startswith(_REFUSED_MAGICS)


def refuse(head: bytes, shown: str) -> None:
    """Raise SourceError if the first bytes are of a format that is no text and not unpacked."""
    if not head.startswith(_REFUSED_MAGICS):
        return
    for magic, what, way in _REFUSED:
        if head.startswith(magic):
            raise SourceError(f"{shown}: this is {what}, not CSV or NDJSON", way)


class Decompressor:
    """Streams of one codec, one behind the other. `shown` names the file in errors.

    Exhaust what `feed` returns before feeding again. After a SourceError nothing more is given.
    """

    def __init__(self, codec: str, shown: str) -> None:
        self._codec = codec
        self._new, self._padding = _CODECS[codec]
        self._shown = shown
        self._stream: Stream | None = None
        self._between = b""
        self._streams = 0
        self.fed_bytes = 0
        self.given_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes that `data` completes, in pieces. Raises SourceError behind the last."""
        self.fed_bytes += len(data)
        while True:
            if self._stream is None:
                data = self._begin(self._between + data)
                if self._stream is None:
                    return
            yield from self._pieces(self._step(self._stream, data))
            data = b""
            if self._stream.eof:
                data, self._stream = self._stream.unused_data, None
            elif self._stream.needs_input:
                return

    def finish(self) -> None:
        """Raise SourceError if the input ends within a stream, or behind one in a broken one."""
        if self._stream is not None or (self._between and self._is_magic_start(self._between)):
            raise self._error("is cut short", "copy or download it again")
        if self._between:
            raise self._garbage(len(self._between))

    def _begin(self, data: bytes) -> bytes:
        """Open the next stream at the head of `data`, once enough of it is there to be sure."""
        if self._padding and self._streams:
            data = data.lstrip(b"\0")
        self._between = b""
        if self._codec == "deflate" and not self._streams:  # bare: it has no magic to wait for
            self._stream, self._streams = self._new(), 1
            return data
        if len(data) < MAGIC_BYTES and (not data or self._is_magic_start(data)):
            if codec_of(data) != self._codec:
                self._between = data
                return b""
        elif codec_of(data) != self._codec:
            raise self._garbage(len(data))
        self._stream = self._new()
        self._streams += 1
        return data

    def _is_magic_start(self, data: bytes) -> bool:
        """Whether `data` may yet become the head of a stream."""
        if self._codec == "gzip":
            return _GZIP_MAGIC.startswith(data[:3])
        if self._codec == "zstd":
            return any(magic.startswith(data[:4]) for magic in _ZSTD_MAGICS)
        if self._codec == "deflate":
            return not data
        return b"BZh".startswith(data[:3]) and any(b.startswith(data[4:10]) for b in _BZ2_BLOCKS)

    def _step(self, stream: Stream, data: bytes) -> bytes:
        try:
            return stream.decompress(data, PIECE_BYTES)
        except _DAMAGES as exc:
            message = f"is damaged near compressed byte {self.fed_bytes:,}: {exc}"
            raise self._error(message, "copy or download it again") from exc

    def _pieces(self, out: bytes) -> Iterator[bytes]:
        for start in range(0, len(out), PIECE_BYTES):
            piece = out[start : start + PIECE_BYTES] if len(out) > PIECE_BYTES else out
            self.given_bytes += len(piece)
            check_ratio(self.fed_bytes, self.given_bytes, self._shown)
            yield piece

    def _garbage(self, count: int) -> SourceError:
        return self._error(
            f"has bytes that are no {self._codec} behind its end, from compressed byte"
            f" {self.fed_bytes - count:,} on",
            "what stands before them was read; cut them off or fetch the file again",
        )

    def _error(self, what: str, hint: str) -> SourceError:
        place = f"after {self.given_bytes:,} decompressed bytes ({self.fed_bytes:,} compressed)"
        return SourceError(f"{self._shown}: the {self._codec} data {what}; {place}", hint)


def check_ratio(fed_bytes: int, given_bytes: int, shown: str) -> None:
    """Raise SourceError where so much came out of so little that it must be a bomb."""
    if given_bytes > FREE_BYTES and given_bytes > MAX_RATIO * fed_bytes:
        raise SourceError(
            f"{shown}: {given_bytes:,} bytes came out of {fed_bytes:,} compressed ones, more than"
            f" {MAX_RATIO:,} to 1: it looks like a decompression bomb",
            "if the file is meant, unpack it first and load the plain file",
        )


def _gzip() -> Stream:
    return GzipMember()


def _deflate() -> Stream:
    inflate: Stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
    return inflate


def _zstd() -> Stream:
    from ingest.sources.zstd import ZstdFrame  # noqa: PLC0415 - only for those who use it

    return ZstdFrame()


def _bz2() -> Stream:
    return bz2.BZ2Decompressor()


_CODECS: dict[str, tuple[Callable[[], Stream], bool]] = {
    "gzip": (_gzip, True),
    "deflate": (_deflate, False),
    "zstd": (_zstd, False),
    "bz2": (_bz2, False),
}
