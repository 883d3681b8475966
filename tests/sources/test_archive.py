"""Zip archives: members as windows, in order, with what can be wrong with them."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.sources.archive import Unzipper, Window, members
from tests.sources.tools import drained, in_parts, lines

TEXT = lines(2000)
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]


def archive(path: Path, names: list[str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip at `path`, each member holding TEXT."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name in names:
            file.writestr(name, TEXT)
    return path


def unzip(path: Path, window: Window, size: int) -> tuple[bytes, SourceError | None]:
    """A member's text, fed in parts of `size` packed bytes."""
    packed = path.read_bytes()[window.start : window.start + window.length]
    unzipper = Unzipper(window, "a.zip!m")

    def parts() -> Iterator[bytes]:
        for part in in_parts(packed, size):
            yield from unzipper.feed(part)
        unzipper.finish()

    return drained(parts())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_members_by_every_method(tmp_path, method, size):
    """Stored, deflated and bz2 members give their text."""
    path = archive(tmp_path / "a.zip", ["m.csv"], method)
    [(name, window)] = members(str(path), "a.zip")
    assert name == "m.csv"
    assert unzip(path, window, size) == (TEXT, None)


def test_order_is_the_archives_own(tmp_path):
    """Directories and what macOS adds are left out; the rest keeps its order."""
    names = ["b.csv", "dir/", "dir/a.csv", "__MACOSX/._b.csv", "a.csv"]
    path = archive(tmp_path / "a.zip", names)
    assert [name for name, _ in members(str(path), "a.zip")] == ["b.csv", "dir/a.csv", "a.csv"]


def test_empty_member_and_empty_archive(tmp_path):
    """A member of no bytes is whole; an archive of no members has none."""
    for method in METHODS:
        with zipfile.ZipFile(tmp_path / "e.zip", "w", method) as file:
            file.writestr("e.csv", b"")
        [(_, window)] = members(str(tmp_path / "e.zip"), "e.zip")
        assert unzip(tmp_path / "e.zip", window, 10) == (b"", None)
    assert members(str(archive(tmp_path / "none.zip", [])), "none.zip") == ()


def test_bytes_before_the_archive(tmp_path):
    """A self-extracting archive has a program before it."""
    path = archive(tmp_path / "a.zip", ["m.csv"])
    path.write_bytes(b"#!/bin/sh\n" * 50 + path.read_bytes())
    [(_, window)] = members(str(path), "a.zip")
    assert unzip(path, window, 1000) == (TEXT, None)


def test_encrypted_member(tmp_path):
    """An encrypted member is named, with what to do."""
    path = archive(tmp_path / "a.zip", ["secret.csv"])
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.zip!secret\.csv: is encrypted") as caught:
        members(str(path), "a.zip")
    assert "unpack" in caught.value.hint


def test_unknown_method(tmp_path):
    """A method that is not supported is named by its number."""
    path = archive(tmp_path / "a.zip", ["m.csv"])
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02") + 10
    data[place : place + 2] = struct.pack("<H", 97)
    path.write_bytes(data)
    with pytest.raises(SourceError, match="method 97"):
        members(str(path), "a.zip")


def test_office_document_is_no_archive_of_data(tmp_path):
    """A workbook is a zip: it is refused as what it is."""
    path = archive(tmp_path / "book.xlsx", ["[Content_Types].xml", "xl/workbook.xml"])
    with pytest.raises(SourceError, match="office document"):
        members(str(path), "book.xlsx")


@pytest.mark.parametrize("method", METHODS)
def test_damaged_member(tmp_path, method):
    """A member whose bytes were changed is an error, behind what could be read."""
    path = archive(tmp_path / "a.zip", ["m.csv"], method)
    [(_, window)] = members(str(path), "a.zip")
    wrong = Window(window.start, window.length, window.codec, window.crc ^ 1, window.size_bytes)
    text, error = unzip(path, wrong, 1 << 20)
    assert text == TEXT
    assert error is not None
    assert "a.zip!m: the zip member is damaged" in error.message


def test_member_cut_short(tmp_path):
    """A member that ends before its packed bytes do."""
    path = archive(tmp_path / "a.zip", ["m.csv"])
    [(_, window)] = members(str(path), "a.zip")
    cut = Window(window.start, window.length - 5, window.codec, window.crc, window.size_bytes)
    text, error = unzip(path, cut, 1 << 20)
    assert TEXT.startswith(text)
    assert error is not None


@pytest.mark.parametrize("keep", [10, 200, -30])
def test_broken_archive(tmp_path, keep):
    """What has lost its directory is no archive any more."""
    path = archive(tmp_path / "a.zip", ["m.csv"])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"a\.zip: can't be read as a zip archive"):
        members(str(path), "a.zip")
