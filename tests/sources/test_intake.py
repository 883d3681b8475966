"""From raw bytes to text: the same text whatever the cuts, the errors behind it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SourceError
from ingest.model import FileInfo
from ingest.sources.intake import HEAD_BYTES, Intake
from tests.sources.tools import drained, in_parts, lines

TEXT = lines(4000)
GERMAN = "id,name\n1,Müller\n2,Jörg\n" * 400


def take(
    raw: bytes, size: int, wanted: str | None = None
) -> tuple[bytes, SourceError | None, Intake]:
    """What comes out of `raw`, fed in parts of `size` bytes."""
    intake = Intake("f.csv", wanted, fingerprint=True)

    def parts() -> Iterator[bytes]:
        for part in in_parts(raw, size):
            yield from intake.feed(part)
        yield from intake.finish()

    return *drained(parts()), intake


PACKED = {
    "plain": (TEXT, TEXT, "utf-8"),
    "empty": (b"", b"", "utf-8"),
    "one byte": (b"x", b"x", "utf-8"),
    "mark only": (b"\xef\xbb\xbf", b"", "utf-8"),
    "mark": (b"\xef\xbb\xbf" + TEXT, TEXT, "utf-8"),
    "gzip": (gzip.compress(TEXT), TEXT, "utf-8"),
    "zstd with mark": (zstandard.compress(b"\xef\xbb\xbf" + TEXT), TEXT, "utf-8"),
    "bz2 of cp1252": (bz2.compress(GERMAN.encode("cp1252")), GERMAN.encode(), "cp1252"),
    "utf-16": (GERMAN.encode("utf-16"), GERMAN.encode(), "utf-16-le"),
    "gzip of utf-32": (gzip.compress(GERMAN.encode("utf-32")), GERMAN.encode(), "utf-32-le"),
    "longer than the head": (TEXT * 20, TEXT * 20, "utf-8"),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("size", [1, 1000, 1 << 22])
def test_text_of_all_kinds(name, size):
    """Unpacked, without its mark, in UTF-8; counted and hashed as it lies there."""
    raw, text, encoding = PACKED[name]
    if size == 1:
        raw, text = (raw, text) if len(raw) < 200_000 else (raw[:200_000], text[:200_000])
    found, error, intake = take(raw, size)
    assert (found, error) == (text, None)
    assert intake.encoding is not None
    assert intake.encoding.name == encoding
    facts = intake.facts(FileInfo(3, "f.csv"), whole=True)
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()
    assert (facts.raw_bytes, facts.index, facts.path) == (len(raw), 3, "f.csv")


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([name for name in PACKED if name != "longer than the head"]), st.data())
def test_cuts_do_not_matter(name, data):
    """Random cuts, the same text."""
    raw, text, _ = PACKED[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    intake = Intake("f", None, fingerprint=False)
    found = b""
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += b"".join(intake.feed(raw[start:end]))
    assert found + b"".join(intake.finish()) == text


def test_plain_bytes_count_the_original():
    """What was unpacked is counted before it is transcoded."""
    raw = gzip.compress(GERMAN.encode("utf-16"))
    _, _, intake = take(raw, 1000)
    assert intake.plain_bytes == len(GERMAN.encode("utf-16"))
    assert intake.packed


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_text_comes_before_the_error(size):
    """A small file cut short gives its text, though it was held back for the encoding."""
    text, error, intake = take(gzip.compress(TEXT)[:-3], size)
    assert text == TEXT
    assert error is not None
    assert intake.facts(FileInfo(0, "f"), whole=False).sha256 is None


def test_bad_sequence_in_a_named_encoding():
    """The error names the offset in the unpacked original, its mark counted."""
    raw = "a,b\n".encode("utf-16") + b"\x00\xdc"
    text, error, _ = take(raw, 5)
    assert text == b"a,b\n"
    assert error is not None
    assert "at byte 10" in error.message


def test_invalid_utf8_passes():
    """Bad bytes behind a head of good UTF-8 are left for the parser."""
    raw = b"a,b\n" * (HEAD_BYTES // 4) + b"\xff\xfe,1\n"
    text, error, intake = take(raw, 10_000)
    assert (text, error) == (raw, None)
    assert intake.encoding is not None
    assert intake.encoding.name == "utf-8"


def test_zip_in_a_stream_is_refused():
    """A zip's directory is at its end: it can't be read as it comes."""
    _, error, _ = take(b"PK\x03\x04" + bytes(40), 7)
    assert error is not None
    assert "zip archive" in error.message
    assert error.hint


def test_formats_that_are_no_text_are_refused():
    """Standard input may be anything: its first bytes are looked at, too."""
    _, error, _ = take(b"PAR1" + bytes(40), 3)
    assert error is not None
    assert "Parquet" in error.message


def test_no_fingerprint_unless_asked():
    """Without it there is no hash."""
    intake = Intake("f", None, fingerprint=False)
    assert list(intake.feed(b"x")) == []
    assert list(intake.finish()) == [b"x"]
    assert intake.facts(FileInfo(0, "f"), whole=True).sha256 is None


LENGTHS = [0, 1, 2, 15, 16, 17, 5_000, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1]


@pytest.mark.parametrize("size", [1 << 20, 1000])
@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_held_back_comes_out_where_it_breaks_off(length, size):
    """No more can be read: every byte that was read before has come out then."""
    raw = lines(30_000)[:length]
    intake = Intake("f.csv", None, fingerprint=True)
    out = b"".join(part for cut in in_parts(raw, size) for part in intake.feed(cut))
    out += b"".join(intake.break_off())
    assert (out, intake.raw_bytes) == (raw, length)
    assert list(intake.break_off()) == []


@pytest.mark.parametrize("length", [0, 2, 15, 16, 5_000])
def test_a_packed_one_gives_what_is_unpacked(length):
    """As much as the library makes of what was read; before the magic is whole, no line of it."""
    text = lines(100_000)
    raw = gzip.compress(text, 1)[:length]
    intake = Intake("f.csv", None, fingerprint=True)
    out = b"".join([*intake.feed(raw), *intake.break_off()])
    assert text.startswith(out) or length == 2
    assert (b"\n" in out) == (length == 5_000)
