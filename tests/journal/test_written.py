"""Rejects read back: whole lines, a torn one, and what somebody changed."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import orjson
import pytest

from ingest.errors import SettingsError
from ingest.journal import WrittenRejects, read_back
from ingest.model import Reject
from ingest.rejects import RejectFile, lines

REJECTS = [
    Reject("a.csv", 3, 10, 2, "coerce", "no_number", "x", b"raw\n1"),
    Reject("a.csv", 4, 20, 3, "coerce", "no_number", "x", b"\xff"),
    Reject("caf\udce9.csv", 9, 90, 8, "send", "refused_by_service", "x", "é\u2028".encode()),
    Reject("a.csv", 9, 90, 1, "parse", "ragged", "x", b""),
]
DATA = b"".join(lines(REJECTS))


def told(written: WrittenRejects) -> tuple[dict[str, list[tuple[int, int]]], dict[str, int]]:
    """Records by file, and reasons."""
    files = {shown: list(found) for shown, found in written.files.items()}
    return files, dict(written.by_reason)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """By the name as it is written there, whatever the name is."""
    path = tmp_path / "rejects.ndjson"
    path.write_bytes(DATA)
    written = read_back(path)
    assert told(written) == (
        {"a.csv": [(1, 3)], "caf\\xe9.csv": [(8, 8)]},
        {"no_number": 2, "refused_by_service": 1, "ragged": 1},
    )
    assert (written.records, written.torn_bytes) == (4, 0)
    assert written.holds("caf\udce9.csv", 8)
    assert not written.holds("caf\udce9.csv", 9)
    assert not written.holds("b.csv", 1)


def test_no_file_no_rejects(tmp_path: Path) -> None:
    """A run without any leaves no file; an empty file is none either."""
    assert told(read_back(tmp_path / "none")) == ({}, {})
    (tmp_path / "empty").touch()
    assert told(read_back(tmp_path / "empty")) == ({}, {})


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    """Cut at every byte: the whole lines count, the rest goes, and the next line stands alone."""
    path = tmp_path / "rejects.ndjson"
    for cut in range(len(DATA) + 1):
        path.write_bytes(DATA[:cut])
        whole = DATA[:cut].count(b"\n")
        kept = b"".join(DATA.splitlines(keepends=True)[:whole])
        written = read_back(path)
        assert written.records == whole
        assert written.torn_bytes == cut - len(kept)
        assert path.read_bytes() == kept


@pytest.mark.anyio
async def test_writing_goes_on_behind_it(tmp_path: Path) -> None:
    """The reject file appends; a record that stands twice counts once, by its first line."""
    path = tmp_path / "rejects.ndjson"
    path.write_bytes(DATA[:-5])
    read_back(path)
    async with RejectFile(path) as file:
        await file.write([REJECTS[3], REJECTS[0]])
    written = read_back(path)
    assert written.records == 4
    assert await anyio.Path(path).read_bytes() == b"".join(lines([*REJECTS, REJECTS[0]]))


def test_a_torn_line_longer_than_a_step(tmp_path: Path) -> None:
    """A record of megabytes that was not wholly written; with and without lines before it."""
    path = tmp_path / "rejects.ndjson"
    for before in (b"", DATA):
        path.write_bytes(before + b'{"raw":"' + b"x" * 200_000)
        assert read_back(path).torn_bytes == 200_008
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"",
        b"[]",
        b"7",
        b'{"file":"a"}',
        b'{"file":1,"record":2,"reason":"x"}',
        b'{"file":"a","record":"2","reason":"x"}',
        b'{"file":"a","record":2,"reason":null}',
    ],
)
def test_a_line_that_was_changed_is_refused(tmp_path: Path, line: bytes) -> None:
    """Then nobody knows whose it was; the line's number is told."""
    path = tmp_path / "rejects.ndjson"
    path.write_bytes(DATA + line + b"\n" + DATA)
    with pytest.raises(SettingsError, match="line 5 is no reject") as caught:
        read_back(path)
    assert str(path) in caught.value.message


def test_links_and_what_is_no_file(tmp_path: Path) -> None:
    """Never opened through a link, and a FIFO does not hang the run."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(SettingsError, match="can't be read back"):
            read_back(tmp_path / name)


def test_memory_is_that_of_stretches(tmp_path: Path) -> None:
    """Ten thousand neighbours are one interval, in whatever order they came."""
    path = tmp_path / "rejects.ndjson"
    numbers = [*range(1, 10_001, 2), *range(2, 10_001, 2)]
    line = b'{"file":"a.csv","record":%d,"reason":"x"}\n'
    path.write_bytes(b"".join(line % n for n in numbers))
    assert list(read_back(path).of("a.csv")) == [(1, 10_000)]
    assert orjson.loads(line % 7)["record"] == 7
