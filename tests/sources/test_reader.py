"""Reading units: portions, small and large alike, errors kept, words counted."""

from __future__ import annotations

import gzip
import zlib

import pytest

from ingest.errors import SourceError
from ingest.model import FileInfo
from ingest.sources import reader as readers
from ingest.sources.discover import Discovery, Place, discover
from ingest.sources.headers import Head, Headers, survey
from ingest.sources.intake import HEAD_BYTES
from ingest.sources.outcome import SMALL_BYTES, Reading
from ingest.sources.reader import SHOWN_ERRORS, UNIT_FILES, Reader, is_small, joined
from tests.sources.tools import lines, settings
from tests.sources.unreadable import breaking_off

pytestmark = pytest.mark.anyio
HEADER = b"a,b\n"


def reader(tmp_path, *paths: str, **more) -> tuple[Reader, list[str]]:
    """A reader of these paths, and its notes."""
    notes: list[str] = []
    one = settings(*paths, **more)
    found = discover(one, tmp_path)
    headers = Headers(one)
    survey(headers, zip(found.files, found.places, strict=True), one)
    return Reader(found, Reading(one, headers), {}, notes.append), notes


async def everything(one: Reader) -> dict[str, bytes]:
    """What the units give, file by file."""
    texts: dict[str, bytes] = {}

    async def send(pieces) -> None:
        for piece in pieces:
            texts[piece.file.shown] = texts.get(piece.file.shown, b"") + piece.cut.data

    for unit in one.units():
        await one.read(unit, send)
    one.finish()
    return texts


def sized(*sizes: int | None) -> Discovery:
    """A discovery of files of these sizes; None: a stream."""
    files = tuple(
        FileInfo(n, str(n), size, regular=size is not None) for n, size in enumerate(sizes)
    )
    return Discovery(files, tuple(Place(file.path) for file in files))


@pytest.mark.parametrize(
    ("sizes", "units"),
    [
        ([], []),
        ([1], [1]),
        ([1, 1], [2]),
        ([SMALL_BYTES] * 5, [4, 1]),
        ([SMALL_BYTES + 1, 1, 1], [1, 2]),
        ([1, 1, None, 1], [2, 1, 1]),
        ([0] * (UNIT_FILES + 1), [UNIT_FILES, 1]),
    ],
)
async def test_units(sizes, units):
    """Small files together, up to a number and a size; others alone; order kept."""
    one = settings("-")
    found = Reader(sized(*sizes), Reading(one, Headers(one)), {}, print).units()
    portions = [[file.index for file, _ in unit] for unit in found]
    assert [len(portion) for portion in portions] == units
    assert [index for portion in portions for index in portion] == list(range(len(sizes)))


async def test_is_small():
    """The limit is small, one more is not; a stream never is."""
    sizes = sized(0, SMALL_BYTES, SMALL_BYTES + 1, None)
    assert [is_small(file) for file in sizes.files] == [True, True, False, False]


@pytest.mark.parametrize("small_bytes", [-1, SMALL_BYTES])
async def test_small_and_large_give_the_same(tmp_path, monkeypatch, small_bytes):
    """Read whole or as streams: the same records, facts and words."""
    monkeypatch.setattr(readers, "SMALL_BYTES", small_bytes)
    texts = {
        "a": HEADER + lines(700), "b": gzip.compress(HEADER + lines(40_000)), "c": b"",
        "d": HEADER, "e": b"\xef\xbb\xbf" + HEADER + lines(3)[:-1],
        "f": "a,b\n1,Müller\n".encode("cp1252"), "g": gzip.compress(HEADER + lines(50))[:-2],
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    one, notes = reader(tmp_path, "*", block_bytes=10_000)
    found = await everything(one)
    assert found == {
        "a": lines(700), "b": lines(40_000), "e": lines(3), "f": "1,Müller\n".encode(),
        "g": lines(50),
    }  # fmt: skip
    assert [(f.path, f.raw_bytes, f.sha256 is None) for f in one.facts] == [
        (name, len(text), name == "g") for name, text in texts.items()
    ]
    assert one.raw_bytes == sum(map(len, texts.values()))
    assert one.error is not None
    assert one.error.message.startswith("g: the gzip data is cut short")
    assert [note[:25] for note in notes] == ["f: read as cp1252 (detect"]


async def test_small_file_that_unpacks_to_much_is_streamed(tmp_path, monkeypatch):
    """In its place among the small ones."""
    monkeypatch.setattr("ingest.sources.whole.SMALL_TEXT_BYTES", 10_000)
    (tmp_path / "a").write_bytes(HEADER + lines(5))
    (tmp_path / "b").write_bytes(gzip.compress(HEADER + lines(9000)))
    (tmp_path / "c").write_bytes(HEADER + lines(7))
    one, _ = reader(tmp_path, "*")
    found = await everything(one)
    assert list(found.items()) == [("a", lines(5)), ("b", lines(9000)), ("c", lines(7))]


@pytest.mark.parametrize("small_bytes", [-1, SMALL_BYTES])
async def test_files_that_are_gone(tmp_path, monkeypatch, small_bytes):
    """The others are read; each error is kept, in the order of the files."""
    monkeypatch.setattr(readers, "SMALL_BYTES", small_bytes)
    for name in "abcd":
        (tmp_path / name).write_bytes(HEADER + lines(5))
    one, _ = reader(tmp_path, "*")
    for name in "ca":
        (tmp_path / name).unlink()
    assert await everything(one) == {"b": lines(5), "d": lines(5)}
    assert one.error is not None
    message = one.error.message.splitlines()
    assert message[0] == "2 inputs could not be read to their end:"
    assert [line[:6] for line in message[1:]] == ["  a: c", "  c: c"]


async def test_header_that_changed(tmp_path, monkeypatch):
    """A file that became something else since it was looked at is an error of its own."""
    monkeypatch.setattr(readers, "SMALL_BYTES", -1)
    for name in "ab":
        (tmp_path / name).write_bytes(HEADER + lines(5))
    one, _ = reader(tmp_path, "*")
    (tmp_path / "a").write_text("[1]\n")
    assert await everything(one) == {"b": lines(5)}
    assert one.error is not None
    assert one.error.message.startswith("a: ")


async def test_guesses_are_said_three_times_and_then_counted(tmp_path):
    """Five files in cp1252."""
    for name in "abcde":
        (tmp_path / name).write_bytes("a,b\n1,Müller\n".encode("cp1252"))
    one, notes = reader(tmp_path, "*")
    await everything(one)
    assert [note[:10] for note in notes[:3]] == ["a: read as", "b: read as", "c: read as"]
    assert notes[3:] == ["2 more files: read in an encoding that was detected"]


@pytest.mark.parametrize("count", [0, 1, 2, SHOWN_ERRORS, SHOWN_ERRORS + 1])
async def test_joined(count):
    """None, itself, or a list of at most ten."""
    error = joined([SourceError(f"error {n}", "mend it") for n in range(count)])
    if count == 0:
        assert error is None
        return
    assert error is not None
    assert error.hint == "mend it"
    listed = error.message.splitlines()
    assert len(listed) == (1 if count == 1 else 1 + min(count, SHOWN_ERRORS + 1))
    assert ("and 1 more" in error.message) == (count > SHOWN_ERRORS)


LENGTHS = [0, 1, 3, 4, 5_000, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 700_000]


@pytest.mark.parametrize("small_bytes", [0, SMALL_BYTES])
@pytest.mark.parametrize("form", ["csv", "ndjson", "csv.gz"])
@pytest.mark.parametrize("length", LENGTHS)
async def test_a_file_that_can_not_be_read_on(tmp_path, monkeypatch, form, length, small_bytes):
    """Its disk fails at a byte: the whole records before it come, read small or large, and the
    error names the byte. The file has no hash: it was not read to its end."""
    monkeypatch.setattr(readers, "SMALL_BYTES", small_bytes)
    text = b"".join(b'{"a":%d,"b":"%d"}\n' % (n, n * 7919) for n in range(60_000))
    if form != "ndjson":
        text = HEADER + lines(60_000)
    data = (gzip.compress(text, 1) if form == "csv.gz" else text)[:length]
    length = len(data)
    got = zlib.decompressobj(31).decompress(data) if form == "csv.gz" else data
    whole = got[: got.rfind(b"\n") + 1]
    one = settings(f"f.{form}", format="ndjson" if form == "ndjson" else "csv")
    with breaking_off(tmp_path, data) as place:
        file = FileInfo(0, f"f.{form}", len(data))
        headers = Headers(one)
        survey(headers, [(file, place)], one)
        if headers.first is None:  # another file leads
            headers.of(FileInfo(1, "g"), Head(text[:1000], final=True))
        notes: list[str] = []
        reading = Reader(Discovery((file,), (place,)), Reading(one, headers), {}, notes.append)
        texts = await everything(reading)
    assert texts.get(f"f.{form}", b"") == whole.removeprefix(b"" if form == "ndjson" else HEADER)
    assert reading.error is not None
    assert f"read at byte {length:,}: Input" in reading.error.message or not length
    assert [(fact.sha256, fact.raw_bytes) for fact in reading.facts] == [(None, length)]
