"""The source as a whole: what is prepared, what is left behind, how much memory it takes."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zipfile
from contextlib import aclosing

import anyio
import pytest

from ingest.errors import SettingsError, SourceError
from ingest.job import SourceSettings
from ingest.model import Block, Layout
from ingest.sources import opening
from ingest.sources import reader as readers
from ingest.sources.files import FileSource
from tests.sources.tools import (
    fed_fifo,
    lines,
    open_below,
    source,
    taken,
    texts_of,
    write_all,
)  # fmt: skip

pytestmark = pytest.mark.anyio
HEADER = b"a,b\n"


async def test_prepared(tmp_path):
    """Format, layouts, files, bytes on disk and a sample."""
    (tmp_path / "a.csv").write_bytes(HEADER + lines(10))
    (tmp_path / "b.csv").write_bytes(b"b,a\n" + lines(10))
    one, notes = source(tmp_path, "*.csv")
    prepared = await one.prepare()
    assert prepared.format == "csv"
    assert list(prepared.layouts.values()) == ["a.csv", "b.csv"]
    assert prepared.total_bytes == 2 * len(HEADER + lines(10))
    assert [block.data for block in prepared.sample] == [lines(10)]
    assert [file.path for file in one.files] == ["a.csv", "b.csv"]
    assert len(notes) == 1
    assert (await one.prepare(sample_bytes=0)).sample == ()


@pytest.mark.parametrize(("said", "format_"), [("auto", "csv"), ("ndjson", "ndjson")])
async def test_nothing_to_do(tmp_path, said, format_):
    """Empty files and headers alone are no error, and make no block."""
    (tmp_path / "a").write_bytes(b"")
    one, _ = source(tmp_path, "a", format=said)
    prepared = await one.prepare()
    assert (prepared.format, prepared.layouts, prepared.sample) == (format_, {}, ())
    assert await taken(one) == []


async def test_header_only(tmp_path):
    """The columns are known, there is nothing to send."""
    (tmp_path / "a").write_bytes(HEADER)
    one, _ = source(tmp_path, "a")
    prepared = await one.prepare()
    assert list(prepared.layouts) == [Layout("csv", ("a", "b"))]
    assert await taken(one) == []


async def test_errors_of_settings_come_first(tmp_path):
    """Before any file is opened for its records."""
    one, _ = source(tmp_path, "missing.csv")
    with pytest.raises(SettingsError, match="no such file"):
        await one.prepare()
    (tmp_path / "a").write_bytes(HEADER)
    one, _ = source(tmp_path, "a", encoding="uft-8")
    with pytest.raises(SettingsError, match="did you mean utf-8"):
        await one.prepare()


async def test_small_files_share_blocks(tmp_path):
    """A thousand small files make one block of a thousand segments, in order."""
    for number in range(1000):
        (tmp_path / f"{number:04}.csv").write_bytes(HEADER + lines(3, number))
    one, _ = source(tmp_path, "*.csv")
    [block] = await taken(one)
    assert len(block.segments) == 1000
    assert block.data == b"".join(lines(3, number) for number in range(1000))
    assert [s.byte for s in block.segments] == [4] * 1000
    assert [s.first_line for s in block.segments] == [2] * 1000


async def test_broken_files_end_the_stream_after_all_others(tmp_path):
    """Whole records of the broken ones, all of the others, then one error that names both."""
    (tmp_path / "1.csv").write_bytes(HEADER + lines(5))
    (tmp_path / "2.gz").write_bytes(gzip.compress(HEADER + lines(4000))[:-100])
    (tmp_path / "3.csv").write_bytes(HEADER + lines(6))
    (tmp_path / "4.gz").write_bytes(gzip.compress(HEADER + lines(7)) + b"garbage")
    one, _ = source(tmp_path, "*")
    blocks: list[Block] = []
    with pytest.raises(SourceError, match=r"2 inputs(.|\n)*2\.gz(.|\n)*4\.gz"):
        await taken(one, blocks)
    texts = texts_of(blocks)
    assert (texts["1.csv"], texts["3.csv"], texts["4.gz"]) == (lines(5), lines(6), lines(7))
    assert lines(4000).startswith(texts["2.gz"])
    assert texts["2.gz"].endswith(b"\n")


async def test_file_that_shrinks_under_the_run(tmp_path, monkeypatch):
    """Truncated while it is read: the whole records before its new end, then the error."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 100_000)
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER + lines(200_000))
    one, _ = source(tmp_path, "a.csv", block_bytes=50_000)
    await one.prepare(sample_bytes=0)
    parts: list[bytes] = []

    async def read() -> None:
        async with one.opened(), aclosing(one.blocks()) as blocks:
            async for block in blocks:
                if not parts:
                    os.truncate(path, 2_000_000)
                parts.append(block.data)

    with pytest.raises(SourceError, match=r"a\.csv: shrank while it was read"):
        await read()
    found = b"".join(parts)
    assert lines(200_000).startswith(found)
    assert found.endswith(b"\n")
    assert len(found) > 1_999_000


@pytest.mark.parametrize("how", ["grows", "is replaced", "is deleted"])
async def test_file_that_changes_under_the_run(tmp_path, monkeypatch, how):
    """It is read through to the end that is found, once, and that is said."""
    monkeypatch.setattr(opening, "CHUNK_BYTES", 100_000)
    path, text = tmp_path / "a.csv", lines(200_000)
    path.write_bytes(HEADER + text)
    one, notes = source(tmp_path, "a.csv", block_bytes=50_000)
    await one.prepare(sample_bytes=0)
    found = b""
    async with one.opened(), aclosing(one.blocks()) as blocks:
        async for block in blocks:
            if not found:
                if how == "grows":
                    with path.open("ab") as file:
                        file.write(b"9,more\n")
                    text += b"9,more\n"
                elif how == "is replaced":
                    (tmp_path / "b").write_bytes(b"other\n")
                    (tmp_path / "b").rename(path)
                else:
                    path.unlink()
            found += block.data
    assert found == text
    [note] = notes
    assert {"grows": "grew", "is replaced": "replaced", "is deleted": "deleted"}[how] in note


async def test_standard_input_leads(tmp_path):
    """Sampled, then read from its start, in order with files."""
    (tmp_path / "a.csv").write_bytes(HEADER + b"8,x\n")
    kept = os.dup(0)
    writer = fed_fifo(tmp_path / "p", write_all(HEADER + lines(90_000)))
    try:
        reading = os.open(tmp_path / "p", os.O_RDONLY)
        os.dup2(reading, 0)
        os.close(reading)
        one, _ = source(tmp_path, "-", "a.csv")
        prepared = await one.prepare(sample_bytes=1000)
        assert prepared.total_bytes is None
        assert prepared.sample
        assert lines(90_000).startswith(b"".join(b.data for b in prepared.sample))
        texts = {}
        async with one.opened(), aclosing(one.blocks()) as blocks:
            texts = texts_of([block async for block in blocks])
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        writer.join()
    assert list(texts.items()) == [("-", lines(90_000)), ("a.csv", b"8,x\n")]
    assert open_below(tmp_path) == []


@pytest.mark.parametrize("small_bytes", [-1, 1 << 20])
async def test_ndjson_is_cut_at_newlines_only(tmp_path, monkeypatch, small_bytes):
    """U+2028, CR and quotes are a matter of JSON; the last line may lack its end."""
    monkeypatch.setattr(readers, "SMALL_BYTES", small_bytes)
    text = '{"a":"x\u2028y"}\r\n\n{"a":"5\\" pipe"}\n'.encode() * 300 + b'{"a":1}'
    (tmp_path / "a.json").write_bytes(text)
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf" + text)
    one, _ = source(tmp_path, "*.json", block_bytes=1000)
    blocks = await taken(one)
    assert texts_of(blocks) == {"a.json": text + b"\n", "b.json": text + b"\n"}
    assert {block.layout for block in blocks} == {Layout("ndjson")}
    assert [s.byte for b in blocks for s in b.segments if s.first_line] == [0, 3]


async def test_files_of_two_formats_are_refused_before_reading(tmp_path):
    """CSV beside NDJSON: the file is named."""
    (tmp_path / "a").write_bytes(HEADER + lines(3))
    (tmp_path / "b").write_bytes(b'{"a":1}\n')
    one, _ = source(tmp_path, "a", "b")
    with pytest.raises(SourceError, match="b: is NDJSON"):
        await one.prepare()


async def test_zip_members_many(tmp_path):
    """A zip of many members is read like as many small files."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(200):
            file.writestr(f"{number}.csv", HEADER + lines(2, number))
    one, _ = source(tmp_path, "z.zip")
    [block] = await taken(one)
    assert [s.file.member for s in block.segments] == [f"{n}.csv" for n in range(200)]
    assert block.data == b"".join(lines(2, number) for number in range(200))


async def test_odd_names_and_litter(tmp_path):
    """A newline and bytes that are no UTF-8 in names; `._` litter with NULs beside them."""
    for name in (b"two\nlines.csv", b"caf\xe9.csv", b"._x.csv"):
        (tmp_path / os.fsdecode(name)).write_bytes(HEADER + lines(2))
    one, notes = source(tmp_path, ".")
    texts = texts_of(await taken(one))
    assert list(texts) == ["./caf\\xe9.csv", "./two\\nlines.csv"]
    assert "._x.csv" in notes[0]


@pytest.mark.parametrize("kind", ["small", "large", "packed", "fifo"])
@pytest.mark.parametrize("after", [0, 1, 2])
async def test_cancelling_leaves_no_file_open(tmp_path, monkeypatch, kind, after):
    """Given up after any block, with files being read ahead: every one is closed."""
    if kind != "small":
        monkeypatch.setattr(readers, "SMALL_BYTES", -1)
    monkeypatch.setattr(opening, "CHUNK_BYTES", 20_000)
    text = HEADER + lines(20_000)
    writers = []
    for number in range(6):
        path = tmp_path / f"{number}"
        if kind == "fifo":
            writers.append(fed_fifo(path, write_all(text)))
        else:
            path.write_bytes(gzip.compress(text, 1) if kind == "packed" else text)
    one, _ = source(tmp_path, *(str(n) for n in range(6)), block_bytes=10_000)
    with anyio.CancelScope() as scope:
        await one.prepare()
        async with one.opened(), aclosing(one.blocks()) as blocks:
            count = 0
            async for _ in blocks:
                count += 1
                if count > after:
                    scope.cancel()
    assert scope.cancelled_caught
    for number, writer in enumerate(writers):  # those nobody came to read still wait to open
        if writer.is_alive():
            os.close(os.open(tmp_path / f"{number}", os.O_RDONLY | os.O_NONBLOCK))
        writer.join(timeout=20)
    assert open_below(tmp_path) == []


async def test_generator_that_is_not_closed(tmp_path):
    """Leaving `opened` is enough, however the loop over the blocks was left."""
    for number in range(5):
        (tmp_path / f"{number}").write_bytes(HEADER + lines(200_000))
    one, _ = source(tmp_path, "*")
    await one.prepare()
    async with one.opened():
        blocks = one.blocks()
        await anext(blocks)
    assert open_below(tmp_path) == []
    await blocks.aclose()


async def test_error_of_the_body_is_not_wrapped(tmp_path):
    """What the loop raises comes out as it is, not within a group."""
    (tmp_path / "a").write_bytes(HEADER + lines(200_000))
    one, _ = source(tmp_path, "a")
    await one.prepare()

    async def read() -> None:
        async with one.opened(), aclosing(one.blocks()) as blocks:
            async for _ in blocks:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()
    assert open_below(tmp_path) == []


async def test_fifo_is_closed_where_nothing_was_read(tmp_path):
    """Prepared and then given up."""
    writer = fed_fifo(tmp_path / "p", write_all(HEADER + lines(100)))
    one, _ = source(tmp_path, "p")
    await one.prepare()
    assert open_below(tmp_path)
    await one.aclose()
    assert open_below(tmp_path) == []
    writer.join()


async def test_memory_is_flat(tmp_path):
    """A stream of 200 MB takes no more than a few blocks."""
    part = lines(60_000)

    def write(descriptor: int) -> None:
        write_all(HEADER)(descriptor)
        for _ in range(200_000_000 // len(part)):
            write_all(part)(descriptor)

    writer = fed_fifo(tmp_path / "p", write)
    one, _ = source(tmp_path, "p", block_bytes=1 << 20)
    await one.prepare(sample_bytes=1 << 20)
    total = 0
    tracemalloc.start(1)
    try:
        async with one.opened(), aclosing(one.blocks()) as blocks:
            async for block in blocks:
                total += len(block.data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    writer.join()
    assert total == 200_000_000 // len(part) * len(part)
    assert peak < 24 << 20


@pytest.mark.parametrize(("width", "block_bytes"), [(100, 2 << 20), (2000, 3 << 17)])
async def test_large_records_come_in_smaller_blocks(tmp_path, width, block_bytes):
    """Blocks of 2 MiB, of 384 KiB where records are large; what is said is what is done."""
    (tmp_path / "a").write_bytes(b"x,y\n" + b"1,%s\n" % (b"z" * width) * (6_000_000 // width))
    default = SourceSettings(paths=("a",))
    smaller = SourceSettings(paths=("a",), block_bytes=1 << 18)
    for settings, most in ((default, block_bytes), (smaller, 1 << 18)):
        one = FileSource(settings, tmp_path, lambda note: None)
        await one.prepare()
        async with one.opened():
            largest = max([len(block.data) async for block in one.blocks()])
        assert most * 0.9 < largest <= most
