"""What the first bytes of a file hold: counted as the whole file is read, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import grammar
from ingest.job import SourceSettings
from ingest.model import Dialect
from ingest.sources.files import FileSource
from ingest.sources.prefix import Prefix

HEADER = b"a,b\n"


def asked(folder: Path, data: bytes, size_bytes: int, **source: Any) -> Prefix:
    """What the first bytes of a file with this content hold."""
    path = folder / "a.csv"
    path.write_bytes(data)
    found = FileSource(SourceSettings(paths=(str(path),), **source), folder, lambda _: None)

    async def prepared() -> Prefix:
        await found.prepare(0)
        return found.prefix(0, size_bytes)

    return anyio.run(prepared)


@pytest.mark.parametrize(
    ("old", "records"),
    [
        (HEADER, 0),
        (HEADER + b"1,2\n", 1),
        (HEADER + b"1,2\n3,4\n", 2),
        (HEADER + b"1,2\r\n\r\n3,4\r\n\n", 2),
        (HEADER + b'"1\n1",2\n', 1),
        (HEADER + b'1,"a ""quoted"" word"\n3,4\n', 2),
        (HEADER + b'a,5" pipe\n', 1),
        (b"\xef\xbb\xbf" + HEADER + "ä,ö\n".encode(), 1),
        (HEADER + b"only one\n", 1),
        (HEADER + b"1,2\n" * 300_000, 300_000),
    ],
)
def test_whole_records(tmp_path, old, records):
    """Their number and the hash, whatever stands behind them."""
    found = asked(tmp_path, old + b"5,6\n7", len(old))
    assert found == Prefix(hashlib.sha256(old).hexdigest(), records)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (HEADER + b"1,2", b"3\n", "did not end with a newline"),
        (HEADER + b'1,"2\n', b'3"\n', "did not end with a whole record"),
        (HEADER + b'1,"2\n', b"3,4\n", "did not end with a whole record"),
        ((HEADER + b"1,2\n").decode().encode("utf-16"), b"", "it is utf-16-le"),
        (gzip.compress(HEADER + b"1,2\n", mtime=0), b"", "it is packed"),
    ],
)
def test_what_is_not_sure(tmp_path, old, new, why):
    """No number, and the reason."""
    if old.startswith(b"\xff\xfe"):
        old += "\n".encode("utf-16-le")
    size_bytes = len(old)
    found = asked(tmp_path, old + new, size_bytes)
    assert found.records is None
    assert why in found.why or old[size_bytes - 1 :] != b"\n"


def test_ndjson(tmp_path):
    """Lines that are not blank, at any length."""
    old = b'{"a":1}\n\n  \n{"a":2}\n'
    assert asked(tmp_path, old + b'{"a":3}\n', len(old), format="ndjson").records == 2


def test_a_header_that_is_understood_otherwise_changes_the_number(tmp_path):
    """With the columns named and no header, the first line is a record."""
    old = b"1,2\n3,4\n"
    assert asked(tmp_path, old, len(old)).records == 1
    assert asked(tmp_path, old, len(old), columns=["x", "y"]).records == 2


def test_another_encoding(tmp_path):
    """A byte a character is as good as UTF-8; what may hide a newline is not."""
    old = HEADER + "ä,ö\n".encode("cp1252")
    assert asked(tmp_path, old + b"1,2\n", len(old), encoding="cp1252").records == 1
    wide = HEADER + "表,2\n".encode("shift_jis")
    assert "shift" in asked(tmp_path, wide, len(wide), encoding="shift_jis").why


def test_a_file_that_became_shorter(tmp_path):
    """Nothing is said of bytes that are not there."""
    found = asked(tmp_path, HEADER + b"1,2\n", 100)
    assert (found.sha256, found.records) == ("", None)


_TEXT = st.lists(st.sampled_from([b"1", b",", b'"', b"\n", b"\r\n", b"x", b"\r"]), max_size=24)


@settings(max_examples=150, deadline=None)
@given(old=_TEXT, new=_TEXT, chunk=st.sampled_from([1, 3, 2**21]))
def test_the_law(old, new, chunk):
    """What is counted are the first records of the whole file, and none of them goes on behind."""
    before, whole = HEADER + b"".join(old), HEADER + b"".join([*old, *new])
    with (
        mock.patch("ingest.sources.prefix.CHUNK_BYTES", chunk),
        tempfile.TemporaryDirectory() as folder,
    ):
        found = asked(Path(folder), whole, len(before), delimiter=",", quote='"')
    if found.records is None:
        return
    extents = list(grammar.split(whole, Dialect(), final=True, start=len(HEADER)))
    first = extents[: found.records]
    assert all(one.end <= len(before) for one in first)
    assert all(one.start >= len(before) for one in extents[found.records :])
