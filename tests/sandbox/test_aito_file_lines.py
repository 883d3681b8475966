"""Gzip to lines: whole, in bounded memory, however it was cut, packed or broken."""

from __future__ import annotations

import gzip
import random
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sandbox import aito_file_lines
from ingest.sandbox.aito_file_lines import Broken, Counter, Lines, Unpacker, chunks

TEXTS = st.lists(st.sampled_from([b"{}", b"", b" \t\r", b'{"a": 1}\r', b"x" * 50]), max_size=30)


def cut(content: bytes, seed: int) -> list[bytes]:
    """The same bytes in pieces of 1 to 20."""
    sizes, pieces = random.Random(seed), []
    while content:
        size = sizes.randint(1, 20)
        pieces.append(content[:size])
        content = content[size:]
    return pieces


def read(path: Path, chunk_lines: int = 1000, skip: int = 0) -> tuple[list[bytes], str]:
    """Every line of a file, and how it broke."""
    lines: list[bytes] = []
    try:
        with closing(chunks(path, chunk_lines, skip)) as some:
            for chunk in some:
                assert 0 < len(chunk) <= chunk_lines
                lines += chunk
    except Broken as broken:
        return lines, str(broken)
    return lines, ""


@given(TEXTS, st.booleans(), st.integers(), st.integers(0, 30))
def test_lines_are_the_same_however_they_are_cut(
    texts: list[bytes], ended: bool, seed: int, border: int
) -> None:
    """Into pieces, and into members with zeros between them; blank lines are none."""
    plain = b"\n".join(texts) + (b"\n" if ended else b"")
    expected = [line.strip(b" \t\r") for line in plain.split(b"\n") if line.strip(b" \t\r")]
    packed = gzip.compress(plain[:border]) + b"\0" * (border % 3) + gzip.compress(plain[border:])
    unpacker, lines, found = Unpacker(), Lines(), list[bytes]()
    counter = Counter()
    for piece in cut(packed, seed):
        counter.feed(piece)
        for part in unpacker.feed(piece):
            found += lines.feed(part)
    unpacker.finish()
    counter.finish()
    found += lines.finish()
    assert found == expected
    assert counter.lines == len(expected)


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 60_000])
def test_a_file_in_chunks(tmp_path: Path, count: int) -> None:
    """In order; what is skipped is skipped across every border."""
    path = tmp_path / "file"
    lines = [b'{"n":%d,"text":"some words to fill a line"}' % n for n in range(count)]
    path.write_bytes(gzip.compress(b"\n".join(lines), 1))
    assert read(path) == (lines, "")
    for skip in (0, 1, 2, count // 2, count, count + 1):
        assert read(path, 1000, skip) == (lines[skip:], "")
    assert read(path, 7) == (lines, "")


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_cut_short_gives_whole_lines_and_says_so(tmp_path_factory, cut_at: int) -> None:
    """Whatever was readable, never a part of a line."""
    lines = [b'{"n":%d,"r":%d}' % (n, n * 7919 % 1009) for n in range(2000)]
    packed = gzip.compress(b"\n".join(lines) + b"\n", 1)
    path = tmp_path_factory.mktemp("cut") / "file"
    path.write_bytes(packed[: min(cut_at, len(packed) - 1)])
    found, broken = read(path)
    assert "cut short" in broken
    assert found == lines[: len(found)]


def test_a_half_is_a_half(tmp_path: Path) -> None:
    """The readable half of a cut file is not lost."""
    lines = [b'{"n":%d,"r":%d}' % (n, n * 7919 % 1009) for n in range(20_000)]
    packed = gzip.compress(b"\n".join(lines), 1)
    path = tmp_path / "file"
    path.write_bytes(packed[: len(packed) // 2])
    found, broken = read(path)
    assert 9_000 < len(found) < 11_000
    assert f"after {len(packed) // 2} bytes" in broken


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut short after 0 bytes"),
        (b'{"a":1}\n' * 9, "not gzip within 72 bytes"),
        (gzip.compress(b"{}\n", mtime=0) + b"this is trailing garbage", "not gzip within"),
        (gzip.compress(b"{}\n", mtime=0) + b"\x1f", "cut short after"),
        (b"\0" * 100, "not gzip within 100 bytes"),
        (gzip.compress(b"{}\n", mtime=0)[:-8] + b"\0" * 8, "not gzip within"),
    ],
)
def test_no_gzip(tmp_path: Path, content: bytes, words: str) -> None:
    """Empty, plain text, garbage behind, a wrong checksum."""
    path = tmp_path / "file"
    path.write_bytes(content)
    found, broken = read(path)
    assert words in broken
    assert found in ([], [b"{}"])


@pytest.mark.parametrize("length", [99, 100, 101, 5000])
def test_a_long_line_is_cut(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """To one byte more than the bound, which marks it; its neighbours are whole."""
    monkeypatch.setattr(aito_file_lines, "LINE_BYTES", 100)
    lines, found = Lines(), list[bytes]()
    for piece in cut(b"a\n" + b"x" * length + b"\nb\n" + b"y" * length, 1):
        found += lines.feed(piece)
    found += lines.finish()
    assert [len(line) for line in found] == [1, min(length, 101), 1, min(length, 101)]


@pytest.mark.parametrize("plain", [b"\0", b"{}\n"])
def test_a_bomb_goes_off_small(monkeypatch: pytest.MonkeyPatch, plain: bytes) -> None:
    """Reading stops at the ratio."""
    monkeypatch.setattr(aito_file_lines, "FREE_BYTES", 1_000_000)
    counter = Counter()
    with pytest.raises(Broken, match="bomb"):
        counter.feed(gzip.compress(plain * (20_000_000 // len(plain)), 9))
    assert counter.lines * len(plain) <= 300 * 20_000 + aito_file_lines.PIECE_BYTES


def test_what_packs_well_is_no_bomb() -> None:
    """Equal rows pack 100 to 1 and are fine, also where the free bytes are used up."""
    counter = Counter()
    row = b'{"symbol":"AAPL","date":"2016-06-29","open":93.97,"close":94.4}\n'
    for _ in range(20):
        counter.feed(gzip.compress(row * 100_000, 1))
    counter.finish()
    assert counter.lines == 2_000_000


def test_nothing_large_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain piece is never larger than its bound, however much one packed piece holds."""
    monkeypatch.setattr(aito_file_lines, "PIECE_BYTES", 1000)
    sizes = [len(plain) for plain in Unpacker().feed(gzip.compress(b"x" * 1_000_000))]
    assert max(sizes) == 1000
    assert sum(sizes) == 1_000_000
