"""What came out of a packed stream, held against what the stream says of itself."""

from __future__ import annotations

from isal import isal_zlib


class Corrupt(Exception):  # noqa: N818 - internal: it becomes a SourceError with the place
    """The compressed stream contradicts itself; the message says how."""


class Checksum:
    """CRC-32 and length of what came out, against what the archive says."""

    def __init__(self) -> None:
        self._crc = 0
        self.size_bytes = 0

    def add(self, data: bytes) -> None:
        """Count these bytes in."""
        self._crc = isal_zlib.crc32(data, self._crc)
        self.size_bytes += len(data)

    def check(self, crc: int, size_bytes: int) -> None:
        """Raise Corrupt unless both fit; gzip keeps the length modulo 2^32."""
        if crc != self._crc:
            raise Corrupt(f"wrong checksum (CRC-32 {self._crc:08x}, the file says {crc:08x})")
        if size_bytes != self.size_bytes & 0xFFFFFFFF:
            raise Corrupt(f"wrong length ({self.size_bytes:,} bytes, the file says {size_bytes:,})")
