"""Reading without the loop: the same text and the same troubles as a feed."""

from __future__ import annotations

import gzip
import os
from contextlib import closing

import pytest

from ingest.errors import SourceError
from ingest.sources.archive import Window
from ingest.sources.discover import Place
from ingest.sources.intake import HEAD_BYTES, Intake
from ingest.sources.plain import LITTLE_BYTES, texts
from tests.sources.tools import drained, lines, open_below
from tests.sources.unreadable import breaking_off

TEXT = lines(30_000)


def intake() -> Intake:
    """A new one."""
    return Intake("f.csv", None, fingerprint=False)


@pytest.mark.parametrize("chunk", [1000, 1 << 20])
def test_plain_packed_and_window(tmp_path, chunk):
    """A file, a packed file, a part of a file."""
    (tmp_path / "a").write_bytes(TEXT)
    (tmp_path / "b").write_bytes(gzip.compress(TEXT))
    plain, packed = Place(str(tmp_path / "a")), Place(str(tmp_path / "b"))
    part = Place(str(tmp_path / "a"), Window(10, 5000, None, 0, 5000))
    for place, text in ((plain, TEXT), (packed, TEXT), (part, TEXT[10:5010])):
        assert drained(texts(place, intake(), "f.csv", chunk_bytes=chunk)) == (text, None)
    assert open_below(tmp_path) == []


def test_given_up_halfway_closes_the_file(tmp_path):
    """Who needs the head only leaves nothing open."""
    (tmp_path / "a").write_bytes(TEXT)
    with closing(texts(Place(str(tmp_path / "a")), intake(), "f", chunk_bytes=300_000)) as reading:
        assert next(reading)
        assert open_below(tmp_path)
    assert open_below(tmp_path) == []


@pytest.mark.parametrize("size", [0, 1, 2, LITTLE_BYTES, 3 * LITTLE_BYTES])
def test_a_small_file_is_read_once(tmp_path, monkeypatch, size):
    """Not once more to see its end, and with room for little more than it has."""
    (tmp_path / "a").write_bytes(b"x" * size)
    rooms, pread = [], os.pread

    def counted(descriptor: int, room: int, at: int) -> bytes:
        rooms.append(room)
        return pread(descriptor, room, at)

    monkeypatch.setattr(os, "pread", counted)
    assert drained(texts(Place(str(tmp_path / "a")), intake(), "f.csv")) == (b"x" * size, None)
    [room] = rooms
    assert size < room <= max(size + 1, LITTLE_BYTES)


def test_growth_behind_the_last_read_is_said(tmp_path):
    """What was there when the file was opened is loaded."""
    path, notes = tmp_path / "a", list[str]()
    path.write_bytes(b"x" * HEAD_BYTES)
    reading = texts(Place(str(path)), intake(), "f.csv", notes=notes)
    assert next(reading) == b"x" * HEAD_BYTES
    with path.open("ab") as file:
        file.write(b"y")
    assert drained(reading) == (b"", None)
    [note] = notes
    assert f"grew while it was read, from {HEAD_BYTES:,} to {HEAD_BYTES + 1:,} bytes" in note


def changed(tmp_path, change) -> tuple[bytes, SourceError | None, list[str]]:
    """What comes out of a file that `change` changes after its first text."""
    path, notes = tmp_path / "a", list[str]()
    path.write_bytes(TEXT)
    reading = texts(Place(str(path)), intake(), "f.csv", chunk_bytes=300_000, notes=notes)
    first = next(reading)
    change(path)
    more, error = drained(reading)
    return first + more, error, notes


def test_changes_are_noticed(tmp_path):
    """Shrunk is an error behind the text; grown and deleted are notes."""
    text, error, _ = changed(tmp_path, lambda path: os.truncate(path, 310_000))
    assert text == TEXT[:310_000]
    assert error is not None
    assert "shrank" in error.message
    text, error, notes = changed(tmp_path, lambda path: path.write_bytes(TEXT + b"x\n"))
    assert (text, error) == (TEXT + b"x\n", None)
    assert "grew" in notes[0]
    text, error, notes = changed(tmp_path, lambda path: path.unlink())
    assert (text, error) == (TEXT, None)
    assert "deleted" in notes[0]


def test_missing(tmp_path):
    """Gone since it was found."""
    _, error = drained(texts(Place(str(tmp_path / "a")), intake(), "f.csv"))
    assert error is not None
    assert "f.csv: can't be opened" in error.message


def test_read_error(tmp_path, monkeypatch):
    """An error of the disk names the byte."""
    (tmp_path / "a").write_bytes(TEXT)
    real = os.pread

    def failing(descriptor: int, size: int, at: int) -> bytes:
        if at:
            raise OSError(5, "Input/output error")
        return real(descriptor, size, at)

    monkeypatch.setattr(os, "pread", failing)
    text, error = drained(texts(Place(str(tmp_path / "a")), intake(), "f", chunk_bytes=300_000))
    assert text == TEXT[:300_000]
    assert error is not None
    assert "can't be read at byte 300,000: Input/output error" in error.message


@pytest.mark.parametrize("length", [0, 1, 2, 15, 16, 5_000, HEAD_BYTES - 1, HEAD_BYTES + 1])
def test_what_was_read_before_an_error_is_not_lost(tmp_path, length):
    """Not even the bytes that were held back to find the encoding."""
    data = lines(30_000)[:length]
    with breaking_off(tmp_path, data) as place:
        text, error = drained(texts(place, Intake("f", None, place.window, fingerprint=False), "f"))
    assert text == data
    assert error is not None
    assert "Input/output error" in error.message
