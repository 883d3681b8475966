"""One zstd frame (RFC 8878) with bounded output.

The library has no output limit per call, and a frame may hold blocks of 128 KiB in four bytes, so
a megabyte of input could become 32 GB in one step. But a block never holds more than 128 KiB: this
walks over the frame's block headers (three bytes each, a thousandth of the work) and hands the
library a few whole blocks at a time. The walk also knows where a frame ends, which tells a frame
cut short from a whole one, and a further frame from garbage. The checksum is handed over in a call
of its own: where it is wrong, everything before it has come out already.
"""

from __future__ import annotations

import zstandard

from ingest.sources.checksum import Corrupt

BLOCK_BYTES_MAX = 128 * 1024
WINDOW_BYTES_MAX = 128 * 1024 * 1024
SKIPPABLE = b"\x2a\x4d\x18"
_RLE, _RESERVED = 1, 3


class ZstdFrame:
    """A data frame or a skippable one, as a `compression.Stream`."""

    def __init__(self) -> None:
        self._library = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX).decompressobj()
        self._held = b""
        self._at = 0  # what of `_held` was handed over
        self._opened = False
        self._skip_bytes = 0
        self._checksum_bytes = 0
        self._last = False
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """See `compression.Stream`. At most `max_length` bytes, but a whole block at the least."""
        if data:
            self._held, self._at = self._held[self._at :] + data, 0
        if not self._opened and not self._open():
            return b""
        start = self._at
        if self._skip_bytes:
            self._skip()
            return b""
        if self._last:
            self._end()
        else:
            self._walk(max(1, max_length // BLOCK_BYTES_MAX))
        part = self._held[start : self._at]
        return self._hand_over(part) if part else b""

    def _open(self) -> bool:
        """Read the frame's header, once it is all there, and pass it on."""
        head = self._held
        if len(head) < 8:
            return False
        if head[1:4] == SKIPPABLE:
            self._skip_bytes = 8 + int.from_bytes(head[4:8], "little")
            self._opened = True
            return True
        length = self._header_bytes(head[4], head[5])
        if len(head) < length:
            return False
        self._hand_over(head[:length])
        self._at, self._opened = length, True
        return True

    def _header_bytes(self, flags: int, window: int) -> int:
        """The length of the frame header that has these flags and, perhaps, this window."""
        single = bool(flags & 0x20)
        if flags & 0x08:
            raise Corrupt("unknown flags in the zstd frame header")
        if flags & 0x03:
            raise Corrupt("it needs a zstd dictionary")
        if not single and _window_bytes(window) > WINDOW_BYTES_MAX:
            raise Corrupt("it needs a window of more than 128 MiB (zstd --long): unpack it first")
        self._checksum_bytes = 4 if flags & 0x04 else 0
        return 5 + (1, 2, 4, 8)[flags >> 6] + (0 if single else 1) - (not single and flags < 64)

    def _hand_over(self, part: bytes) -> bytes:
        try:
            out: bytes = self._library.decompress(part)
        except zstandard.ZstdError as exc:
            raise Corrupt(str(exc).removeprefix("zstd decompressor error: ")) from exc
        return out

    def _skip(self) -> None:
        taken = min(self._skip_bytes, len(self._held) - self._at)
        self._skip_bytes -= taken
        self._at += taken
        if not self._skip_bytes:
            self._close()

    def _walk(self, blocks: int) -> None:
        """Pass over at most `blocks` whole blocks."""
        self.needs_input = False
        for _ in range(blocks):
            end = _block_end(self._held, self._at)
            if end is None:
                self.needs_input = True
                return
            self._last = bool(self._held[self._at] & 1)
            self._at = end
            if self._last:
                return

    def _end(self) -> None:
        """Pass over the checksum behind the last block, once it is all there."""
        self.needs_input = len(self._held) - self._at < self._checksum_bytes
        if not self.needs_input:
            self._at += self._checksum_bytes
            self._close()

    def _close(self) -> None:
        self.eof = True
        self.unused_data = self._held[self._at :]


def _window_bytes(descriptor: int) -> int:
    base = 1 << (10 + (descriptor >> 3))
    return base + (base // 8) * (descriptor & 7)


def _block_end(data: bytes, start: int) -> int | None:
    """Where the block at `start` ends, None while it is not all there."""
    if len(data) < start + 3:
        return None
    header = int.from_bytes(data[start : start + 3], "little")
    kind, size = (header >> 1) & 3, header >> 3
    if kind == _RESERVED:
        raise Corrupt("a zstd block of no known kind")
    if size > BLOCK_BYTES_MAX and kind != _RLE:
        raise Corrupt("a zstd block of more than 128 KiB")
    end = start + 3 + (1 if kind == _RLE else size)
    return end if len(data) >= end else None
