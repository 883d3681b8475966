"""What every source owes the engine (`protocols.Source`), asked of each kind of input.

Blocks in file order and record order; every byte of a record in exactly one block, at its place;
cuts that depend on the content alone; whole records and then the error where a file breaks off.
"""

from __future__ import annotations

import bz2
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.errors import SourceError
from ingest.model import Block, Form
from ingest.protocols import Source
from ingest.sources import compression, opening
from ingest.sources import reader as readers
from ingest.sources.files import FileSource
from tests.sources.tools import lines, open_below, source, taken, texts_of

HEADER = b"a,b\n"
QUOTED = b"".join(b'%d,"name, ""%d""\nand more"\n' % (n, n) for n in range(900))
ODD = b"".join(b'%d,5" pipe\n' % n for n in range(900))
ORIGINALS = {
    "one.csv": HEADER + lines(3000),
    "quoted.csv": HEADER + QUOTED,
    "odd.csv": HEADER + ODD,
    "crlf.csv": (HEADER + lines(500)).replace(b"\n", b"\r\n"),
    "marked.csv": b"\xef\xbb\xbf" + HEADER + lines(20),
    "unended.csv": HEADER + lines(20)[:-1],
    "blank.csv": HEADER + b"\n\n1,2\n\n3,4\n\n",
    "bare.csv": HEADER,
    "empty.csv": b"",
    "other.csv": b"b,c\n" + lines(30),
    "german.csv": "a,b\n".encode("cp1252") + "1,Müller aus Köln\n".encode("cp1252") * 200,
    "wide.csv": ("a,b\n" + "1,日本\n" * 300).encode("utf-16"),
}
STARTS = {"marked.csv": 7, "wide.csv": 2 + 8}


def plain(directory: Path) -> list[str]:
    """The files as they are."""
    for name, text in ORIGINALS.items():
        (directory / name).write_bytes(text)
    return list(ORIGINALS)


def packed(pack: Callable[[bytes], bytes]) -> Callable[[Path], list[str]]:
    """The files, each packed."""

    def make(directory: Path) -> list[str]:
        for name, text in ORIGINALS.items():
            (directory / name).write_bytes(pack(text))
        return list(ORIGINALS)

    return make


def zipped(directory: Path) -> list[str]:
    """The files as members of one archive."""
    with zipfile.ZipFile(directory / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in ORIGINALS.items():
            file.writestr(name, text)
    return ["z.zip"]


KINDS = {
    "plain": plain,
    "gzip": packed(gzip.compress),
    "zstd": packed(zstandard.compress),
    "bz2": packed(bz2.compress),
    "zip": zipped,
}


def of(block: Block) -> list[tuple[str, bytes, int, int | None]]:
    """What can be told of a block's segments, without the directory it was in."""
    return [
        (s.file.shown, block.data[s.start : s.end], s.byte, s.first_line) for s in block.segments
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small_bytes", [-1, 1 << 20])
@pytest.mark.parametrize("block_bytes", [1, 1000, 1 << 20])
@pytest.mark.anyio
async def test_every_record_once_in_order_at_its_place(
    tmp_path, monkeypatch, kind, small_bytes, block_bytes
):
    """For every kind of input, block size, and way of reading."""
    monkeypatch.setattr(readers, "SMALL_BYTES", small_bytes)
    one, _ = source(tmp_path, *KINDS[kind](tmp_path), block_bytes=block_bytes)
    blocks = await taken(one)
    assert [block.number for block in blocks] == list(range(len(blocks)))
    seen = list(texts_of(blocks))
    names = [name.partition("!")[2] or name for name in seen]
    assert names == [name for name in ORIGINALS if name not in ("bare.csv", "empty.csv")]
    for shown, text in texts_of(blocks).items():
        name = shown.partition("!")[2] or shown
        encoding = {"german.csv": "cp1252", "wide.csv": "utf-16-le"}.get(name, "utf-8")
        start = STARTS.get(name, 5 if name == "crlf.csv" else 4)
        original = ORIGINALS[name][start:]
        expected = original.decode(encoding).encode()
        assert text == (expected if expected.endswith(b"\n") else expected + b"\n")
        parts = [s for block in blocks for s in block.segments if s.file.shown == shown]
        assert [part.first_line for part in parts] == [2] + [None] * (len(parts) - 1)
        assert {part.encoding for part in parts} == {encoding}
        assert parts[0].byte == start
    for block in blocks:
        assert block.data.endswith((b"\n", b"\r"))
        assert block.segments[0].start == 0
        assert block.segments[-1].end == len(block.data)
        for before, after in zip(block.segments, block.segments[1:], strict=False):
            assert before.end == after.start
        for part in block.segments:
            name = part.file.member or part.file.path
            record = block.data[part.start : part.end].split(b"\n")[0].strip()
            encoded = record.decode().encode(part.encoding)
            assert ORIGINALS[name][part.byte :].startswith(encoded)
    assert open_below(tmp_path) == []


@pytest.mark.anyio
async def test_forms_are_what_the_cutter_says(tmp_path):
    """Plain, regular and odd blocks of files of their own."""
    for name in ("one.csv", "quoted.csv", "odd.csv"):
        (tmp_path / name).write_bytes(ORIGINALS[name])
    forms = []
    for name in ("one.csv", "quoted.csv", "odd.csv"):
        one, _ = source(tmp_path, name)
        forms += [block.form for block in await taken(one)]
    assert forms == [Form.PLAIN, Form.REGULAR, Form.ODD]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, tuple[Path, list[str]]]:
    """The inputs of every kind, made once."""
    found = {}
    for kind, make in KINDS.items():
        directory = tmp_path_factory.mktemp(kind)
        found[kind] = (directory, make(directory))
    return found


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    chunk=st.integers(97, 5000),
    piece=st.integers(50, 3000),
    block_bytes=st.sampled_from([500, 4000, 100_000]),
)
def test_blocks_do_not_depend_on_the_chunks(made, kind, chunk, piece, block_bytes):
    """The very same blocks, however little is read and unpacked at a time."""
    directory, paths = made[kind]

    def blocks_of() -> list[Block]:
        one, _ = source(directory, *paths, block_bytes=block_bytes)
        return anyio.run(taken, one)

    reference = blocks_of()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "SMALL_BYTES", -1)
        patch.setattr(opening, "CHUNK_BYTES", chunk)
        patch.setattr(compression, "PIECE_BYTES", piece)
        found = blocks_of()
    assert [of(block) for block in found] == [of(block) for block in reference]
    assert [(b.form, b.layout) for b in found] == [(b.form, b.layout) for b in reference]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bz2"])
@pytest.mark.parametrize("small_bytes", [-1, 1 << 20])
@pytest.mark.anyio
async def test_whole_records_and_then_the_error(tmp_path, monkeypatch, kind, small_bytes):
    """Every input cut short by a little: whole records of each, one error at the very end."""
    monkeypatch.setattr(readers, "SMALL_BYTES", small_bytes)
    paths = KINDS[kind](tmp_path)
    for path in paths:
        data = (tmp_path / path).read_bytes()
        (tmp_path / path).write_bytes(data[: len(data) - 3])
    one, _ = source(tmp_path, *paths, "whole.csv")
    (tmp_path / "whole.csv").write_bytes(HEADER + lines(9))
    blocks: list[Block] = []
    with pytest.raises(SourceError, match=f"{len(ORIGINALS)} inputs could not be read"):
        await taken(one, blocks)
    texts = texts_of(blocks)
    assert texts.pop("whole.csv") == lines(9)
    for name, text in texts.items():
        encoding = {"german.csv": "cp1252", "wide.csv": "utf-16-le"}.get(name, "utf-8")
        start = STARTS.get(name, 5 if name == "crlf.csv" else 4)
        whole = ORIGINALS[name][start:].decode(encoding).encode()
        assert whole.startswith(text)
        assert text.endswith(b"\n")
        if name == "quoted.csv":
            assert text.endswith(b'and more"\n')
    assert open_below(tmp_path) == []


def test_file_source_is_a_source(tmp_path):
    """The type checker holds it to the protocol; this keeps the line that makes it look."""
    one: Source = FileSource(source(tmp_path, "-")[0]._settings, tmp_path, print)
    assert hasattr(one, "blocks")
    assert hasattr(one, "opened")
