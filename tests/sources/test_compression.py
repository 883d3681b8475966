"""Unpacking: whole, byte by byte, damaged, cut short, with something behind the end, bombs."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.errors import SourceError
from ingest.sources import compression
from ingest.sources.compression import Decompressor, check_ratio, codec_of, refuse
from tests.sources.tools import drained, in_parts, lines

TEXT = lines(3000)


def zstd(data: bytes) -> bytes:
    """One zstd frame with a checksum."""
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)


PACKERS = {"gzip": gzip.compress, "zstd": zstd, "bz2": bz2.compress}
CODECS = sorted(PACKERS)


def unpack(codec: str, data: bytes, size: int) -> tuple[bytes, SourceError | None]:
    """What comes out when `data` is fed in parts of `size` bytes."""
    unpacker = Decompressor(codec, "file")

    def parts() -> Iterator[bytes]:
        for part in in_parts(data, size):
            yield from unpacker.feed(part)
        unpacker.finish()

    return drained(parts())


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1, 2, 7, 1000, 1 << 20])
def test_unpacks_whatever_the_cuts(codec, size):
    """The same bytes come out however the packed ones are cut."""
    assert unpack(codec, PACKERS[codec](TEXT), size) == (TEXT, None)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_many_members(codec, size):
    """Several streams behind each other, empty ones too, are one text."""
    pack = PACKERS[codec]
    packed = pack(b"a,b\n") + pack(b"") + pack(TEXT) + pack(b"end\n")
    assert unpack(codec, packed, size) == (b"a,b\n" + TEXT + b"end\n", None)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_empty_stream(codec, size):
    """A stream of nothing is whole."""
    assert unpack(codec, PACKERS[codec](b""), size) == (b"", None)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("missing", [1, 2, 5])
def test_cut_short_gives_what_is_there(codec, missing):
    """What can be unpacked of a file cut short comes out before the error that says so."""
    text, error = unpack(codec, PACKERS[codec](TEXT)[:-missing], 1000)
    assert error is not None
    assert "cut short" in error.message
    assert f"after {len(text):,} decompressed bytes" in error.message
    assert TEXT.startswith(text)


def test_gzip_cut_in_its_trailer_loses_nothing():
    """Only the checksum is missing: every byte came out."""
    text, error = unpack("gzip", gzip.compress(TEXT)[:-4], 1 << 20)
    assert text == TEXT
    assert error is not None


@pytest.mark.parametrize("codec", CODECS)
def test_cut_short_in_a_further_header(codec):
    """A second member of which only the start is there is cut short, not garbage."""
    text, error = unpack(codec, PACKERS[codec](TEXT) + PACKERS[codec](TEXT)[:2], 1 << 20)
    assert text == TEXT
    assert error is not None
    assert "cut short" in error.message


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_wrong_checksum_comes_behind_the_text(codec, size):
    """A wrong checksum is an error, after all of the text came out."""
    packed = bytearray(PACKERS[codec](TEXT))
    place = -8 if codec == "gzip" else -4
    packed[place] ^= 1
    text, error = unpack(codec, bytes(packed), size)
    assert text == TEXT
    assert error is not None
    assert "damaged" in error.message
    assert "checksum" in error.message


def test_gzip_wrong_length():
    """gzip's length field is checked too."""
    packed = bytearray(gzip.compress(TEXT))
    packed[-1] ^= 1
    text, error = unpack("gzip", bytes(packed), 1 << 20)
    assert text == TEXT
    assert error is not None
    assert "wrong length" in error.message


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("garbage", [b"x", b"<html>not found</html>" * 3])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_trailing_garbage_comes_behind_the_text(codec, garbage, size):
    """Bytes behind the end are an error with their place, after all of the text."""
    packed = PACKERS[codec](TEXT)
    text, error = unpack(codec, packed + garbage, size)
    assert text == TEXT
    assert error is not None
    assert f"from compressed byte {len(packed):,} on" in error.message


def test_zeros_behind_gzip_are_padding():
    """gzip(1) takes zeros behind the last member for padding, and so do we."""
    assert unpack("gzip", gzip.compress(TEXT) + bytes(5000), 999) == (TEXT, None)


def test_damage_in_the_middle():
    """Damaged data is an error that names the place, not a crash and not a success."""
    for codec in CODECS:
        packed = bytearray(PACKERS[codec](TEXT))
        for place in range(len(packed) // 2, len(packed) // 2 + 40):
            packed[place] ^= 0xFF
        text, error = unpack(codec, bytes(packed), 100)
        assert error is not None, codec
        assert "file: the" in error.message
        assert len(text) <= len(TEXT) * 2


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.sampled_from(CODECS), st.binary(max_size=200), st.integers(0, 120))
def test_no_input_raises_anything_else(codec, noise, keep):
    """Whatever follows a good start: text, and perhaps one SourceError."""
    packed = PACKERS[codec](b"some,text\n" * 9)
    text, _ = unpack(codec, packed[:keep] + noise, 17)
    assert len(text) < 1 << 24


def test_pieces_are_bounded_and_a_bomb_is_an_error(monkeypatch):
    """Much out of little comes in small pieces, and beyond the free part it is an error."""
    monkeypatch.setattr(compression, "FREE_BYTES", 4 << 20)
    for codec in ("gzip", "zstd", "bz2"):
        unpacker = Decompressor(codec, "bomb.gz")
        sizes: list[int] = []
        with pytest.raises(SourceError, match=r"bomb\.gz.*more than 1,000 to 1"):
            sizes.extend(len(piece) for piece in unpacker.feed(PACKERS[codec](bytes(40 << 20))))
        assert max(sizes) <= compression.PIECE_BYTES
        assert sum(sizes) < 40 << 20


@pytest.mark.parametrize(("given_bytes", "fails"), [(1000, False), (1001, True)])
def test_ratio_limit(monkeypatch, given_bytes, fails):
    """Exactly the ratio is allowed, one byte more is not."""
    monkeypatch.setattr(compression, "FREE_BYTES", 0)
    if fails:
        with pytest.raises(SourceError):
            check_ratio(1, given_bytes, "x")
    else:
        check_ratio(1, given_bytes, "x")


def test_ratio_is_not_asked_of_the_first_bytes():
    """A small file may be packed as well as it likes."""
    check_ratio(1, compression.FREE_BYTES, "x")


def test_codecs_are_told_by_content():
    """Magic bytes decide, and text that starts like a name does not."""
    for codec in CODECS:
        assert codec_of(PACKERS[codec](TEXT)[:16]) == codec
        assert codec_of(PACKERS[codec](b"")[:16]) == codec
    assert codec_of(b"PK\x03\x04...") == "zip"
    for text in (b"", b"B", b"BZh", b"BZhang,5\n", b"BZh9,x\n", b"PK,name\n", b"a,b\n"):
        assert codec_of(text) is None


@pytest.mark.parametrize(
    ("magic", "word"),
    [(b"\xfd7zXZ\x00", "xz"), (b"PAR1", "Parquet"), (b"\x00\x05\x16\x07", "AppleDouble")],
)
def test_formats_that_are_no_text_are_refused(magic, word):
    """Known binary formats are named, and what to do about them."""
    with pytest.raises(SourceError, match=word) as caught:
        refuse(magic + b"rest", "file")
    assert caught.value.hint
    refuse(b"a,b\n", "file")
