"""zstd frames: headers, block borders, skippable frames, bounded output."""

from __future__ import annotations

import os

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sources.checksum import Corrupt
from ingest.sources.zstd import BLOCK_BYTES_MAX, ZstdFrame
from tests.sources.tools import in_parts


def unpack(packed: bytes, size: int, most: int = 1 << 20) -> tuple[bytes, ZstdFrame, int]:
    """The text of one frame, the frame, and the largest piece."""
    frame, out, largest = ZstdFrame(), bytearray(), 0
    for part in in_parts(packed, size):
        piece = frame.decompress(part, most)
        while True:
            out += piece
            largest = max(largest, len(piece))
            if frame.eof or frame.needs_input:
                break
            piece = frame.decompress(b"", most)
        if frame.eof:
            break
    return bytes(out), frame, largest


TEXTS = {
    "empty": b"",
    "one byte": b"x",
    "random": os.urandom(300_000),
    "zeros": bytes(1_000_000),
    "text": b"some,text,that,repeats\n" * 30_000,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("content_size", [True, False])
@pytest.mark.parametrize("checksum", [True, False])
def test_frames_of_all_kinds(name, content_size, checksum):
    """With and without size and checksum, of raw, repeated and packed blocks."""
    packer = zstandard.ZstdCompressor(write_content_size=content_size, write_checksum=checksum)
    text, frame, largest = unpack(packer.compress(TEXTS[name]) + b"behind", 1 << 20)
    assert text == TEXTS[name]
    assert frame.eof
    assert frame.unused_data == b"behind"
    assert largest <= 1 << 20


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5000), st.integers(0, 400_000))
def test_any_cut(size, length):
    """The text does not depend on how the frame arrives."""
    text = (b"%d," % length) * (length // 8)
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(text)
    assert unpack(packed, size)[0] == text


def test_output_is_bounded_by_whole_blocks():
    """Asked for little, it gives one block at the most."""
    packed = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    text, frame, largest = unpack(packed, len(packed), most=1)
    assert (len(text), frame.eof) == (50_000_000, True)
    assert largest <= BLOCK_BYTES_MAX


@pytest.mark.parametrize("size", [1, 100])
def test_skippable_frame(size):
    """A skippable frame holds nothing and ends where it says."""
    packed = b"\x53\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"seven b" + b"next"
    text, frame, _ = unpack(packed, size)
    assert (text, frame.eof) == (b"", True)
    assert b"next".startswith(frame.unused_data)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\x28\xb5\x2f\xfd\x08" + bytes(9), "flags"),
        (b"\x28\xb5\x2f\xfd\x01" + bytes(9), "dictionary"),
        (b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(9), "window"),
        (b"\x28\xb5\x2f\xfd\x00\x58\x07\x00\x00" + bytes(9), "no known kind"),
        (b"\x28\xb5\x2f\xfd\x00\x58\x01\xff\xff" + bytes(9), "more than 128 KiB"),
    ],
)
def test_what_can_not_be_read_is_named(head, word):
    """Dictionaries, giant windows and nonsense are told apart."""
    with pytest.raises(Corrupt, match=word):
        unpack(head, 100)
