"""The raw bytes of one input to its text: fingerprint, unpack, find the encoding, transcode.

Pure and incremental: raw bytes are fed in any cut, pieces of UTF-8 text without the byte order mark
come out, the same text whatever the cuts were. What the bytes are packed with is decided on the
first `MAGIC_BYTES` of them, the encoding on the first `HEAD_BYTES` of what was unpacked (or on all
there is). An error comes behind everything that was readable before it, and where no more can be
read, what is held back comes out first (`break_off`).

The work is in libraries that release the GIL, so it belongs in a worker thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress

from msgspec import Struct

from ingest.errors import SourceError
from ingest.model import FileInfo
from ingest.sources.archive import Unzipper, Window
from ingest.sources.compression import MAGIC_BYTES, Decompressor, codec_of, refuse
from ingest.sources.encoding import Encoding, Transcoder, detect

HEAD_BYTES = 256 * 1024


class FileFacts(Struct, frozen=True):
    """What the report says of one input.

    `bytes` were read of it, unpacked; `raw_bytes` as it lies on disk, and `sha256` is over those:
    None where the input was not read to its end, or nobody asked.
    """

    path: str
    sha256: str | None
    bytes: int
    raw_bytes: int
    index: int


class Intake:
    """One input's way from bytes to text. Exhaust what a call returns before the next call.

    `wanted` is the encoding the job names (from `encoding.named`); `raw_bytes` counts what was fed,
    `plain_bytes` what was unpacked, `encoding` is None until it is known.
    """

    def __init__(
        self, shown: str, wanted: str | None, window: Window | None = None, *, fingerprint: bool
    ) -> None:
        self._shown = shown
        self._wanted = wanted
        self._unzip = Unzipper(window, shown) if window else None
        self._hash = hashlib.sha256() if fingerprint else None
        self._magic: bytes | None = b""
        self._unpack: Decompressor | None = None
        self._early: list[bytes] = []
        self._transcode: Transcoder | None = None
        self._early_bytes = 0
        self.encoding: Encoding | None = None
        self.raw_bytes = 0
        self.plain_bytes = 0

    @property
    def packed(self) -> bool:
        """Whether unpacking is part of the work (known once the first bytes were fed)."""
        return self._unpack is not None or self._unzip is not None

    def facts(self, file: FileInfo, *, whole: bool) -> FileFacts:
        """What was read so far; `whole`: the input was read to its end without trouble."""
        sha256 = self._hash.hexdigest() if self._hash and whole else None
        return FileFacts(file.shown, sha256, self.plain_bytes, self.raw_bytes, file.index)

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """The text that `raw` completes. Raises SourceError behind the last readable piece."""
        self.raw_bytes += len(raw)
        if self._hash:
            self._hash.update(raw)
        try:
            for opened in self._unzip.feed(raw) if self._unzip else (raw,):
                yield from self._plain(opened)
        except SourceError:
            yield from self._rest()
            raise

    def finish(self) -> Iterator[bytes]:
        """The last text, at the end of the raw bytes. Raises SourceError if it is no true end."""
        try:
            if self._magic:
                yield from self._start(self._magic)
            for part in (self._unzip, self._unpack):
                if part:
                    part.finish()
        except SourceError:
            yield from self._rest()
            raise
        yield from self._decide(final=True)
        assert self._transcode
        yield from self._text(b"", final=True)

    def break_off(self) -> Iterator[bytes]:
        """The text that is held back, where the raw bytes break off. Raises nothing."""
        yield from self._rest()

    def _plain(self, data: bytes) -> Iterator[bytes]:
        if self._magic is not None:
            data = self._magic + data
            if len(data) < MAGIC_BYTES:
                self._magic = data
                return
            yield from self._start(data)
        else:
            yield from self._unpacked(data)

    def _start(self, data: bytes) -> Iterator[bytes]:
        """Decide on the first bytes what the input is packed with."""
        self._magic = None
        refuse(data, self._shown)
        codec = codec_of(data)
        if codec == "zip":
            raise SourceError(
                f"{self._shown}: a zip archive can't be read from a stream or out of another one",
                "name the archive as a file, or unpack it first",
            )
        self._unpack = Decompressor(codec, self._shown) if codec else None
        yield from self._unpacked(data)

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        for plain in self._unpack.feed(data) if self._unpack else (data,):
            self.plain_bytes += len(plain)
            if self._transcode:
                yield from self._text(plain)
                continue
            self._early.append(plain)
            self._early_bytes += len(plain)
            if self._early_bytes >= HEAD_BYTES:
                yield from self._decide(final=False)

    def _decide(self, *, final: bool) -> Iterator[bytes]:
        """Decide on the encoding, unless that was done, and give what was held back for it."""
        if self._transcode:
            return
        early, self._early = b"".join(self._early), []
        whole = final and len(early) <= HEAD_BYTES
        found = detect(early[:HEAD_BYTES], final=whole, wanted=self._wanted, shown=self._shown)
        self.encoding = found
        self._transcode = Transcoder(found.name, self._shown, found.bom_bytes)
        yield from self._text(early[found.bom_bytes :])

    def _text(self, plain: bytes, *, final: bool = False) -> Iterator[bytes]:
        assert self._transcode
        text, error = self._transcode.feed(plain, final=final)
        if text:
            yield text
        if error:
            raise error

    def _rest(self) -> Iterator[bytes]:
        """What is still held back when the input breaks off; a second trouble changes nothing."""
        with suppress(SourceError):
            if self._magic:
                yield from self._start(self._magic)
        with suppress(SourceError):
            yield from self._decide(final=False)
