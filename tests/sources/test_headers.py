"""Heads: the first is the measure, known headers are known again, troubles come early."""

from __future__ import annotations

import gzip

import pytest

from ingest.errors import SettingsError, SourceError
from ingest.model import FileInfo
from ingest.sources.discover import discover
from ingest.sources.headers import Head, Headers, HeadTooShort, read_head, settle, survey
from ingest.sources.intake import HEAD_BYTES
from tests.sources.tools import settings

FILE = FileInfo(0, "f.csv")


def whole(text: bytes) -> Head:
    """The head of a file that is no longer than that."""
    return Head(text, final=True)


def test_first_is_the_measure():
    """Later files are read by the first one's dialect."""
    headers = Headers(settings("-"))
    assert headers.of(FILE, whole(b"a;b\n1;2\n")) == headers.first
    later = headers.of(FILE, whole(b"b;c\n1;2\n"))
    assert later is not None
    assert (later.dialect.delimiter, later.columns) == (";", ("b", "c"))


def test_known_headers_are_not_looked_at_again():
    """The same header bytes mean the same object, in text and in raw bytes."""
    headers = Headers(settings("-"))
    first = headers.of(FILE, whole(b"a,b\n1,2\n"))
    assert headers.of(FILE, whole(b"a,b\n9,9\n")) is first
    assert headers.known(b"a,b\n") is first
    assert headers.known(b"a,b\r\n") is None
    assert headers.longest == 4


def test_header_that_is_no_whole_line_is_not_kept():
    """`a,b` without its line end may go on as `a,bc`."""
    headers = Headers(settings("-"))
    headers.of(FILE, whole(b"a,b"))
    assert headers.known(b"a,bc\n") is None
    other = headers.of(FILE, whole(b"a,bc\n1,2\n"))
    assert other is not None
    assert other.columns == ("a", "bc")


def test_headers_beyond_ascii_are_not_compared_raw():
    """The same raw bytes can be other letters in another encoding."""
    headers = Headers(settings("-"))
    headers.of(FILE, whole("ä,b\n1,2\n".encode()))
    assert headers.known("ä,b\n".encode()) is None


def test_rows_that_are_skipped_are_no_header():
    """Files that begin with the same skipped line may have other columns behind it."""
    headers = Headers(settings("-", skip_rows=1, header=False))
    first = headers.of(FILE, whole(b"made today\n1,2\n"))
    other = headers.of(FILE, whole(b"made today\n1,2,3\n"))
    assert first is not None
    assert other is not None
    assert (len(first.columns), len(other.columns)) == (2, 3)


@pytest.mark.parametrize("text", [b"", b"\n\r\n  \n"])
def test_empty_files_say_nothing(text):
    """No record, no header, no trouble."""
    headers = Headers(settings("-"))
    assert headers.of(FILE, whole(text)) is None
    assert headers.first is None


def test_errors_name_the_file():
    """The sniffer does not know the file; its error does."""
    with pytest.raises(SourceError, match=r"^f\.csv: .*array") as caught:
        Headers(settings("-")).of(FILE, whole(b"[1]\n"))
    assert caught.value.hint
    with pytest.raises(SettingsError, match=r"^f\.csv: "):
        Headers(settings("-", columns=("x",), header=True)).of(FILE, whole(b"a,b\n"))


def test_head_too_short_asks_for_more():
    """A header longer than the head; once more of it is there, it is read."""
    header = b",".join(b"column_%d" % n for n in range(50_000)) + b"\n"
    headers = Headers(settings("-"))
    with pytest.raises(HeadTooShort):
        headers.of(FILE, Head(header[:HEAD_BYTES], final=False))
    asked = []

    def head_of(size: int) -> Head:
        asked.append(size)
        return Head(header[:size], final=size >= len(header))

    found = settle(FILE, head_of, headers.of)
    assert found is not None
    assert len(found.columns) == 50_000
    assert asked == [HEAD_BYTES, HEAD_BYTES * 4]


def test_broken_heads_say_nothing():
    """What breaks off in its header is left for reading to tell; no endless asking."""
    broken = Head(b'a,"b', final=False, error=SourceError("cut short"))
    headers = Headers(settings("-"))
    assert headers.of(FILE, broken) is None
    assert settle(FILE, lambda _: broken, headers.of) is None
    assert settle(FILE, lambda _: Head(b'a,"b', final=False), headers.of) is None


@pytest.mark.parametrize("size", [1, 3, 100])
def test_read_head(tmp_path, size):
    """As much as was asked for, and whether that is all."""
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbfa,b")
    found = discover(settings("f"), tmp_path)
    head = read_head(found.files[0], found.places[0], settings("-"), size)
    assert head == Head(b"a,b"[:size], final=size >= 3)


def test_survey(tmp_path):
    """Every file that says something, by its own header; packed ones too; empty ones not."""
    texts = {
        "a": b"x,y\n1,2\n", "b": b"x,y\n3,4\n", "c": b"", "d": gzip.compress(b"y,x\n1,2\n"),
        "e": gzip.compress(b"x,y\n1,2\n" * 99)[:15], "f": "x,y\n1,ü\n".encode("utf-16"),
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    found = discover(settings("*"), tmp_path)
    headers = Headers(settings("-"))
    seen = survey(headers, zip(found.files, found.places, strict=True), settings("-"))
    columns = [(file.path, sniffed.columns) for file, sniffed in seen]
    assert columns[:2] == [("a", ("x", "y")), ("b", ("x", "y"))]
    assert ("d", ("y", "x")) in columns
    assert ("f", ("x", "y")) in columns
    assert "c" not in dict(columns)


def test_survey_raises_what_is_wrong_with_a_head(tmp_path):
    """Two columns of one name in the last of the files."""
    for number in range(5):
        (tmp_path / f"{number}.csv").write_text("x,y\n1,2\n" if number < 4 else "x,x\n1,2\n")
    found = discover(settings("*.csv"), tmp_path)
    with pytest.raises(SourceError, match=r"4\.csv: .*more than one column of the name x"):
        survey(Headers(settings("-")), zip(found.files, found.places, strict=True), settings("-"))
