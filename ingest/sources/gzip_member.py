"""One gzip member (RFC 1952), its framing read here, around isal's raw inflate.

The library's own gzip mode throws the last piece away when the checksum behind it is wrong; here it
has come out by then, and the error follows in a call of its own.
"""

from __future__ import annotations

from isal import igzip_lib

from ingest.sources.checksum import Checksum, Corrupt

HEADER_BYTES_MAX = 1024 * 1024


class GzipMember:
    """Header, deflate data, CRC-32 and length of one member, as a `compression.Stream`."""

    def __init__(self) -> None:
        self._inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        self._header: bytes | None = b""
        self._trailer: bytes | None = None
        self._sum = Checksum()
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """See `Stream`. Raises Corrupt in the call behind the one that gave the last bytes."""
        if self._header is not None:
            self._header += data
            length = gzip_header_bytes(self._header)
            if length is None:
                return b""
            data, self._header = self._header[length:], None
        if self._trailer is not None:
            self._check(self._trailer + data)
            return b""
        out: bytes = self._inflate.decompress(data, max_length)
        self._sum.add(out)
        self.needs_input = self._inflate.needs_input
        if self._inflate.eof:
            self._trailer = self._inflate.unused_data
            self.needs_input = len(self._trailer) < 8
        return out

    def _check(self, trailer: bytes) -> None:
        self._trailer = trailer
        self.needs_input = len(trailer) < 8
        if self.needs_input:
            return
        self.eof = True
        self.unused_data = trailer[8:]
        self._sum.check(
            int.from_bytes(trailer[:4], "little"), int.from_bytes(trailer[4:8], "little")
        )


def gzip_header_bytes(head: bytes) -> int | None:
    """The length of the gzip header that `head` starts with, None while it is not all there."""
    if len(head) < 10:
        return None
    flags, length = head[3], 10
    if flags & 0xE0:
        raise Corrupt("unknown flags in the gzip header")
    if flags & 0x04:  # FEXTRA: a length of two bytes, then as many
        if len(head) < 12:
            return None
        length = 12 + int.from_bytes(head[10:12], "little")
    for flag in (0x08, 0x10):  # FNAME, FCOMMENT: ended by a zero byte
        if flags & flag:
            length = head.find(b"\0", length) + 1
            if not length:
                if len(head) > HEADER_BYTES_MAX:
                    raise Corrupt("a gzip header without an end")
                return None
    length += 2 if flags & 0x02 else 0  # FHCRC
    return length if len(head) >= length else None
