"""Pieces: their places in the original, whole records where a file breaks off, joining."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.model import FileInfo, Form, Layout, Oversize
from ingest.sources.cutting import Cut
from ingest.sources.dialect import sniff
from ingest.sources.encoding import Encoding
from ingest.sources.pieces import FileCutter, Joiner, Piece, seal
from tests.sources.tools import in_parts, lines, settings

FILE = FileInfo(0, "f.csv")
LAYOUT = Layout("csv", ("a", "b"))


def cutter(text: bytes, found: Encoding | None = None, **more) -> FileCutter:
    """A cutter for a file of this text."""
    given_settings = settings("-", **more)
    sniffed = sniff(text, given_settings, final=True)
    assert sniffed is not None
    return FileCutter(FILE, sniffed, found or Encoding("utf-8"), given_settings)


def cut(text: bytes, size: int = 1 << 20, *, whole: bool = True, **more) -> list[Piece]:
    """The pieces of a text fed in parts."""
    one, pieces = cutter(text, **more), list[Piece]()
    for part in in_parts(text, size):
        pieces += one.feed(part)
    return pieces + (one.finish() if whole else one.break_off())


HEADER = b"# made today\na,b\n"
TEXT = HEADER + lines(5000)


@pytest.mark.parametrize("size", [1, 2, 1000, 1 << 20])
@pytest.mark.parametrize("block_bytes", [1, 100, 10_000, 1 << 20])
def test_pieces_are_the_records_at_their_places(size, block_bytes):
    """Behind the header, without gaps, each at its byte; the first knows its line."""
    if size * block_bytes < 100:
        size = 100
    pieces = cut(TEXT, size, block_bytes=block_bytes, skip_rows=1)
    assert b"".join(piece.cut.data for piece in pieces) == TEXT[len(HEADER) :]
    for piece in pieces:
        assert TEXT[piece.byte : piece.byte + len(piece.cut.data)] == piece.cut.data
    assert [piece.first_line for piece in pieces] == [3] + [None] * (len(pieces) - 1)


@pytest.mark.parametrize(("name", "bom"), [("utf-8", 3), ("utf-16-le", 2), ("cp1252", 0)])
def test_places_are_those_of_the_original(name, bom):
    """In the file's own encoding, with its mark counted."""
    text = "größe,b\n" + "".join(f"é{n},€\n" for n in range(2000))
    original = bytes(bom) + text.encode(name)
    one = cutter(text.encode(), Encoding(name, bom), block_bytes=1000)
    pieces = [p for part in in_parts(text.encode(), 3000) for p in one.feed(part)] + one.finish()
    assert len(pieces) > 10
    for piece in pieces:
        record = piece.cut.data.splitlines()[0].decode()
        assert original[piece.byte :].startswith(record.encode(name))
        assert piece.encoding == name


BROKEN = {
    "in a record": (b"a,b\n1,2\n3,4", b"1,2\n"),
    "behind a record": (b"a,b\n1,2\n3,4\n", b"1,2\n3,4\n"),
    "in quotes": (b'a,b\n1,2\n3,"4\n5,6\n', b"1,2\n"),
    "in the first record": (b"a,b\n1", b""),
    "in the header": (b"a,b", b""),
    "json": (b'{"a":1}\n{"a":2}\n{"a"', b'{"a":1}\n{"a":2}\n'),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 20])
def test_broken_file_gives_its_whole_records(name, block_bytes):
    """Nothing of the record that it breaks off in, whatever that looks like."""
    text, kept = BROKEN[name]
    pieces = cut(text, whole=False, block_bytes=block_bytes)
    assert b"".join(piece.cut.data for piece in pieces) == kept
    for piece in pieces:
        assert text[piece.byte :].startswith(piece.cut.data)


@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 20])
def test_half_a_line_end_ends_a_record(block_bytes):
    """A file cut between CR and LF has the record whole."""
    pieces = cut(b"a,b\r\n1,2\r\n3,4\r", whole=False, block_bytes=block_bytes)
    text = b"".join(piece.cut.data for piece in pieces)
    assert text.splitlines() == [b"1,2", b"3,4"]


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(1, 60))
def test_breaking_off_anywhere(length, block_bytes):
    """What is given is always the longest start of whole records."""
    records = [b'%d,"text, %d\nmore"\n' % (n, n) for n in range(20)]
    text = (b"a,b\n" + b"".join(records))[:length]
    if len(text) < 4:
        return
    given_text = b"".join(p.cut.data for p in cut(text, whole=False, block_bytes=block_bytes))
    starts = [b"".join(records[:n]) for n in range(21)]
    assert given_text == max((s for s in starts if text[4:].startswith(s)), key=len)


def piece(data: bytes, form: Form = Form.PLAIN, **more) -> Piece:
    """A piece of a file of its own."""
    encoding, layout = more.get("encoding", "utf-8"), more.get("layout", LAYOUT)
    return Piece(FILE, layout, encoding, Cut(data, 0, form, more.get("oversize", ())), 9, 2)


def joined(pieces: list[Piece], block_bytes: int) -> list[list[Piece]]:
    """The groups that come out."""
    joiner = Joiner(block_bytes)
    groups = [joiner.add(one) for one in pieces] + [joiner.finish()]
    return [group for group in groups if group]


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([4], [[4]]),
        ([4, 4], [[4, 4]]),
        ([4, 4, 4], [[4, 4], [4]]),
        ([8, 4], [[8], [4]]),
        ([9, 4], [[9], [4]]),
        ([4, 12, 4, 4], [[4], [12], [4, 4]]),
    ],
)
def test_joining_fills_blocks(sizes, groups):
    """Neighbours share a block of at most 8 bytes; a larger piece is alone."""
    found = joined([piece(b"x" * size) for size in sizes], 8)
    assert [[len(p.cut.data) for p in group] for group in found] == groups


def test_only_like_goes_with_like():
    """Another layout or encoding begins another block."""
    other = Layout("csv", ("b", "a"))
    parts = [piece(b"x\n"), piece(b"x\n", layout=other), piece(b"x\n", encoding="cp1252")]
    assert [len(group) for group in joined([*parts, parts[0]], 100)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("forms", "form"),
    [
        ([(Form.PLAIN, b"1,2\n")] * 2, Form.PLAIN),
        ([(Form.PLAIN, b"1,2\n"), (Form.REGULAR, b'"1",2\n')], Form.REGULAR),
        ([(Form.PLAIN, b"1,2,3\n"), (Form.REGULAR, b'"1",2\n')], Form.ODD),
        ([(Form.PLAIN, b"1,2\n"), (Form.ODD, b'1"\n')], Form.ODD),
        ([(Form.REGULAR, b'"1",2\n')], Form.REGULAR),
    ],
)
def test_form_of_a_block_holds_for_all_of_it(forms, form):
    """A plain piece beside a regular one must prove its field counts."""
    block = seal(7, [piece(data, kind) for kind, data in forms])
    assert (block.number, block.form) == (7, form)


def test_segments_and_oversize_records():
    """Segments lie side by side; the place of a long record moves with its piece."""
    long = piece(b"long\n", Form.ODD, oversize=(Oversize(0, 99, 1),))
    block = seal(0, [piece(b"1,2\n"), long, piece(b"3,4\n")])
    assert block.data == b"1,2\nlong\n3,4\n"
    assert [(s.start, s.end, s.byte, s.first_line) for s in block.segments] == [
        (0, 4, 9, 2), (4, 9, 9, 2), (9, 13, 9, 2),
    ]  # fmt: skip
    assert block.oversize == (Oversize(4, 99, 1),)
