"""CRC-32 and length of what came out."""

from __future__ import annotations

import zlib

import pytest

from ingest.sources.checksum import Checksum, Corrupt


def test_right_and_wrong():
    """Both must fit, whatever the parts were."""
    one = Checksum()
    one.add(b"some ")
    one.add(b"text")
    crc = zlib.crc32(b"some text")
    one.check(crc, 9)
    with pytest.raises(Corrupt, match="checksum"):
        one.check(crc ^ 1, 9)
    with pytest.raises(Corrupt, match="length"):
        one.check(crc, 10)
