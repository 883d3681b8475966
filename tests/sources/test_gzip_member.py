"""gzip's header in all its forms."""

from __future__ import annotations

import gzip
import struct
import zlib

import pytest

from ingest.sources.checksum import Corrupt
from ingest.sources.gzip_member import HEADER_BYTES_MAX, GzipMember, gzip_header_bytes


def member(flags: int, extra: bytes) -> bytes:
    """A gzip member of `text`, with header parts as given."""
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(b"text") + deflate.flush()
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + extra
    return head + body + struct.pack("<II", zlib.crc32(b"text"), 4)


HEADERS = {
    "bare": (0, b""),
    "extra": (4, b"\x03\x00abc"),
    "name": (8, b"file.csv\0"),
    "comment": (16, b"a comment\0"),
    "checksum": (2, b"\x12\x34"),
    "all": (0x1F, b"\x01\x00zname\0comment\0\x12\x34"),
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("size", [1, 100])
def test_header_forms(kind, size):
    """Every optional part of the header is passed over, however it arrives."""
    packed = member(*HEADERS[kind]) + b"behind"
    one, text = GzipMember(), b""
    for start in range(0, len(packed), size):
        text += one.decompress(packed[start : start + size], 100)
        while not one.needs_input and not one.eof:
            text += one.decompress(b"", 100)
        if one.eof:
            break
    assert text == b"text"
    assert one.eof
    assert b"behind".startswith(one.unused_data)


def test_header_is_none_until_it_is_there():
    """Every shorter start of a header is no header yet."""
    flags, extra = HEADERS["all"]
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + extra
    assert [gzip_header_bytes(head[:n]) for n in range(len(head))] == [None] * len(head)
    assert gzip_header_bytes(head) == len(head)


def test_unknown_flags_and_endless_names():
    """Reserved flags and a name without an end are damage."""
    with pytest.raises(Corrupt, match="flags"):
        gzip_header_bytes(b"\x1f\x8b\x08\x80" + bytes(6))
    with pytest.raises(Corrupt, match="without an end"):
        gzip_header_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * HEADER_BYTES_MAX)


def test_error_comes_in_a_call_of_its_own():
    """The text is handed out by the call before the one that finds the checksum wrong."""
    packed = bytearray(gzip.compress(b"text"))
    packed[-8] ^= 1
    one = GzipMember()
    assert one.decompress(bytes(packed), 100) == b"text"
    with pytest.raises(Corrupt, match="CRC-32"):
        one.decompress(b"", 100)
