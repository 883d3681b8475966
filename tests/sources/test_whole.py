"""Small files read whole: like a stream would, and nothing raised."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ingest.sources import whole
from ingest.sources.discover import discover
from ingest.sources.headers import Headers, survey
from ingest.sources.outcome import Outcome, Reading
from ingest.sources.whole import read_many, read_sample, read_whole
from tests.sources.tools import lines, settings

HEADER = b"a,b\n"


@pytest.fixture
def files(tmp_path):
    """Makes files, and gives their inputs and a reading that knows their headers."""

    def make(texts: dict[str, bytes], **more):
        for name, text in texts.items():
            (tmp_path / name).write_bytes(text)
        one = settings(*texts, **more)
        found = discover(one, tmp_path)
        inputs = list(zip(found.files, found.places, strict=True))
        headers = Headers(one)
        survey(headers, inputs, one)
        return inputs, Reading(one, headers)

    return make


def text_of(outcome: Outcome) -> bytes:
    """The records of an outcome."""
    return b"".join(piece.cut.data for piece in outcome.pieces)


def test_whole_files_of_all_kinds(files):
    """Plain, packed, marked, without a last line end, without records."""
    texts = {
        "plain": HEADER + lines(9), "packed": gzip.compress(HEADER + lines(9)),
        "marked": b"\xef\xbb\xbf" + HEADER + lines(9), "open": HEADER + lines(9)[:-1],
        "bare": HEADER, "empty": b"", "blank": b"\n\n",
    }  # fmt: skip
    inputs, reading = files(texts)
    outcomes = read_many(inputs, reading)
    assert [text_of(o) for o in outcomes] == [lines(9)] * 4 + [b""] * 3
    assert all(o.error is None and o.facts and o.facts.sha256 for o in outcomes)
    assert [o.pieces[0].byte for o in outcomes[:4]] == [4, 4, 7, 4]


def test_broken_file(files):
    """Its whole records, no fingerprint, the error kept."""
    inputs, reading = files({"f.gz": gzip.compress(HEADER + lines(50)), "g": HEADER + lines(1)})
    path = Path(inputs[0][1].path)
    path.write_bytes(path.read_bytes()[:-6])
    outcomes = read_many(inputs, reading)
    assert lines(50).startswith(text_of(outcomes[0]))
    assert outcomes[0].error is not None
    assert "f.gz" in outcomes[0].error.message
    assert outcomes[0].facts is not None
    assert outcomes[0].facts.sha256 is None
    assert text_of(outcomes[1]) == lines(1)


def test_file_that_is_gone(files):
    """Deleted since it was found: an error, no facts of a hash, nothing raised."""
    inputs, reading = files({"f": HEADER + lines(1)})
    Path(inputs[0][1].path).unlink()
    outcome = read_whole(inputs[0][0], inputs[0][1], reading)
    assert outcome.error is not None
    assert outcome.pieces == []


def test_detected_encoding_is_told_apart(files):
    """The guess is not one of the notes: a thousand files would say it a thousand times."""
    inputs, reading = files({"f": "a,b\n1,Müller\n".encode("cp1252")})
    outcome = read_whole(inputs[0][0], inputs[0][1], reading)
    assert text_of(outcome) == "1,Müller\n".encode()
    assert "read as cp1252" in outcome.guess
    assert outcome.notes == []


def test_header_that_changed_since_it_was_looked_at(files):
    """What was not agreed on before the run is this file's error."""
    inputs, reading = files({"f": HEADER + lines(1), "g": HEADER + lines(1)})
    Path(inputs[1][1].path).write_bytes(b"[1,2]\n")
    outcome = read_whole(inputs[1][0], inputs[1][1], reading)
    assert outcome.error is not None
    assert outcome.error.message.startswith("g: ")


def test_file_that_was_empty_when_the_run_started(files):
    """There was nothing to agree on."""
    inputs, reading = files({"f": b""})
    Path(inputs[0][1].path).write_bytes(HEADER + lines(1))
    outcome = read_whole(inputs[0][0], inputs[0][1], reading)
    assert outcome.error is not None
    assert "was empty when the run started" in outcome.error.message


def test_too_large_ends_the_portion(files, monkeypatch):
    """A small file that unpacks to much is left to the stream; what follows it waits."""
    monkeypatch.setattr(whole, "SMALL_TEXT_BYTES", 1000)
    texts = {"a": HEADER + b"1,2\n", "b": gzip.compress(HEADER + lines(500)), "c": HEADER}
    inputs, reading = files(texts)
    outcomes = read_many(inputs, reading)
    assert [(o.file.path, o.too_large) for o in outcomes] == [("a", False), ("b", True)]
    assert outcomes[1].pieces == []


def test_portion_is_bounded(files, monkeypatch):
    """Enough text ends a portion, too."""
    monkeypatch.setattr(whole, "SMALL_TEXT_BYTES", 100)
    inputs, reading = files({name: HEADER + lines(4) for name in "abcdefgh"})
    sizes = []
    while inputs:
        sizes.append(len(read_many(inputs, reading)))
        inputs = inputs[sizes[-1] :]
    assert sizes == [3, 3, 2]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1, b"1,2\n3,4\n"), (8, b"1,2\n3,4\n"), (9, b"1,2\n3,4\n5,6\n"), (1000, b"1,2\n3,4\n5,6\n"),
    ],
)  # fmt: skip
def test_sample_spans_files_of_one_layout(files, size, text):
    """As many files as it needs, up to one of another layout."""
    texts = {
        "a": HEADER + b"1,2\n3,4\n", "b": HEADER + b"5,6\n", "c": b"x,y\n7,8\n", "d": HEADER,
    }  # fmt: skip
    inputs, reading = files(texts)
    assert [block.data for block in read_sample(inputs, reading, size)] == [text]


def test_sample_of_a_large_file_is_whole_records(files):
    """The record that the limit falls into is left out."""
    inputs, reading = files({"a": HEADER + b'1,"2\n3"\n' * 400_000})
    data = b"".join(block.data for block in read_sample(inputs, reading, 1000))
    assert set(data.split(b'"\n')) == {b'1,"2\n3', b""}


def test_no_sample_where_there_is_nothing(files):
    """Headers alone make none."""
    inputs, reading = files({"a": HEADER, "b": b""})
    assert read_sample(inputs, reading, 1000) == ()
