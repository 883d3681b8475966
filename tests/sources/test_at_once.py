"""Small files in a dozen calls: what is said of them is what the careful way says."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.model import FileInfo
from ingest.sources import at_once, outcome
from ingest.sources.at_once import read_at_once
from ingest.sources.discover import Place, discover
from ingest.sources.headers import Headers, survey
from ingest.sources.outcome import Outcome, Reading
from ingest.sources.whole import _read_with_care
from tests.sources.tools import lines
from tests.sources.tools import settings as source_settings

HEADER = b"first,second\n"
MARKS = [
    b"1,a\n",
    b'"2","b"\n',
    b"3\r\n",
    b"\n",
    b'4,"\n',
    b"5,e",
    b"\r",
    b"\0",
    b"\xc3\xa9,\n",
    b"#",
]


def found_in(folder: Path, **more: object) -> tuple[list[tuple[FileInfo, Place]], Reading]:
    """The files of a folder, and a reading that knows their headers."""
    one = source_settings("*", **more)
    found = discover(one, folder)
    inputs = list(zip(found.files, found.places, strict=True))
    headers = Headers(one)
    survey(headers, inputs, one)
    return inputs, Reading(one, headers)


def facts(one: Outcome) -> tuple[object, ...]:
    """All that an outcome says."""
    error = one.error and (one.error.message, one.error.hint)
    return one.file, one.pieces, one.facts, one.notes, one.guess, error, one.too_large


@given(st.lists(st.lists(st.sampled_from(MARKS), max_size=6).map(b"".join), max_size=3), st.data())
@settings(max_examples=200, deadline=None)
def test_it_says_what_the_careful_way_says(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], data: st.DataObject
) -> None:
    """Headers, marks, encodings, blanks and blocks of any size; or it says nothing."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "0").write_bytes(HEADER + b"0,z\n")
    for index, text in enumerate(texts, 1):
        head = data.draw(st.sampled_from([HEADER] * 5 + [b"\xef\xbb\xbf" + HEADER, b""]))
        (folder / str(index)).write_bytes(head + text)
    more: dict[str, Any] = data.draw(
        st.sampled_from([{}, {"block_bytes": 1024}, {"encoding": "utf-8"}, {"comment": "#"}])
    )
    try:
        inputs, reading = found_in(folder, **more)
    except IngestError:  # a header that can't be: nobody reads these files
        reject()
    for file, place in inputs:
        quick = read_at_once(file, place, reading)
        if quick is not None:
            assert facts(quick) == facts(_read_with_care(file, place, reading))


def test_which_files_are_read_so(tmp_path: Path) -> None:
    """The plain ones; all others need a closer look."""
    texts = {
        "a": HEADER + lines(9),
        "b": HEADER + lines(9)[:-1],
        "packed": gzip.compress(HEADER + lines(9)),
        "marked": b"\xef\xbb\xbf" + HEADER + lines(9),
        "letters": HEADER + "é,ü\n".encode(),
        "bare": HEADER,
        "empty": b"",
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    inputs, reading = found_in(tmp_path)
    read = [
        file.path.rpartition("/")[2] for file, place in inputs if read_at_once(file, place, reading)
    ]
    assert read == ["a", "b"]
    assert found_in(tmp_path, encoding="cp1252")[1].settings.encoding == "cp1252"
    inputs, reading = found_in(tmp_path, encoding="cp1252")
    assert not any(read_at_once(file, place, reading) for file, place in inputs)


def test_what_happens_to_a_file_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone, has become large, was replaced, has shrunk while it was read."""
    path = tmp_path / "f"
    path.write_bytes(HEADER + lines(9))
    inputs, reading = found_in(tmp_path)
    (file, place), real = inputs[0], os.pread

    def replaced(*args: int) -> bytes:
        (tmp_path / "other").write_bytes(HEADER + lines(9))
        (tmp_path / "other").replace(path)
        return real(*args)

    monkeypatch.setattr(os, "pread", replaced)
    found = read_at_once(file, place, reading)
    assert found is not None
    assert "replaced" in found.notes[0]
    for less in (HEADER, HEADER + lines(8)):
        monkeypatch.setattr(os, "pread", lambda *_, less=less: less)
        assert read_at_once(file, place, reading) is None
    monkeypatch.setattr(os, "pread", real)
    monkeypatch.setattr(at_once, "SMALL_BYTES", 20)
    assert read_at_once(file, place, reading) is None
    monkeypatch.setattr(at_once, "SMALL_BYTES", outcome.SMALL_BYTES)
    assert read_at_once(file, place, reading) is not None
    path.unlink()
    assert read_at_once(file, place, reading) is None


def _grows(path: Path) -> None:
    """By a writer that sets the time back."""
    before = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + lines(1))
    os.utime(path, ns=(0, before))


def _is_touched(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _is_replaced(path: Path) -> None:
    """By one of the same size and time."""
    made = path.with_name("other")
    made.write_bytes(path.read_bytes())
    os.utime(made, ns=(0, path.stat().st_mtime_ns))
    made.replace(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_grows, "grew while it was read"),
        (_is_touched, "was written to while it was read"),
        (_is_replaced, "was replaced while it was read"),
        (Path.unlink, "was deleted while it was read"),
    ],
)
def test_what_a_file_becomes_while_it_is_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], said: str
) -> None:
    """And what had been read of it is loaded."""
    path = tmp_path / "f"
    path.write_bytes(HEADER + lines(9))
    inputs, reading = found_in(tmp_path)
    (file, place), real = inputs[0], os.pread

    def changed(descriptor: int, size: int, at: int) -> bytes:
        data = real(descriptor, size, at)
        change(path)
        return data

    monkeypatch.setattr(os, "pread", changed)
    found = read_at_once(file, place, reading)
    assert found is not None
    assert [piece.cut.data for piece in found.pieces] == [lines(9)]
    assert len(found.notes) == 1
    assert said in found.notes[0]


@pytest.mark.parametrize("fingerprint", [False, True])
def test_the_fingerprint_is_taken_where_it_is_wanted(tmp_path: Path, fingerprint: bool) -> None:
    """As the careful way does."""
    (tmp_path / "f").write_bytes(HEADER + lines(9))
    inputs, reading = found_in(tmp_path)
    reading = Reading(reading.settings, reading.headers, fingerprint)
    found = read_at_once(*inputs[0], reading)
    assert found is not None
    assert found.facts is not None
    assert (found.facts.sha256 is not None) is fingerprint
    assert facts(found) == facts(_read_with_care(*inputs[0], reading))
